"""`DurableWorker`: SAQ's worker as the executor of slots; it drains, and takes no signal and no decision of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar

from saq.worker import Worker

from cuepoint.worker.attempt import Attempts, StopReason
from cuepoint.worker.queue import DurableQueue

_log = logging.getLogger(__name__)


class DurableWorker(Worker[Any]):
    """Runs one function for every kind. Set `event` to drain; `hurry` cuts the grace short."""

    # Two workers in one process would fight over SIGTERM: the process itself handles signals.
    SIGNALS: ClassVar[list[Any]] = []  # type: ignore[misc]

    def __init__(
        self,
        queue: DurableQueue,
        *,
        functions: Iterable[tuple[str, Callable[..., Awaitable[Any]]]],
        slots: int,
        attempts: Attempts,
        drain_seconds: float,
        stop_seconds: float,
        before_drain: Callable[[], Awaitable[None]],
        **hooks: Any,
    ) -> None:
        super().__init__(queue, list(functions), concurrency=slots, **hooks)
        self.hurry = asyncio.Event()
        self._queue = queue
        self._attempts = attempts
        self._drain_seconds = drain_seconds
        self._stop_seconds = stop_seconds
        self._before_drain = before_drain
        self._has_drained = False

    async def upkeep(self) -> list[asyncio.Task[None]]:
        """None of SAQ's: its sweeper attacks healthy jobs. Ours are the process's."""
        return []

    async def process(self) -> bool:
        """One job after the other in one task: SAQ's new task for each costs without need."""
        while await super().process():
            if self.event.is_set() or self.burst:
                return True
        return False

    async def stop(self) -> None:
        """Drain: idle slots end at once, running jobs get their grace, then they are released."""
        self.event.set()
        if not self._has_drained:
            self._has_drained = True
            await self._before_drain()
            self._queue.release_idle(self.concurrency)
            await self._drain()
        await super().stop()

    async def _drain(self) -> None:
        if await self._ended_within(self._drain_seconds):
            return
        _log.warning("The grace is over; giving %d running jobs back", len(self._attempts.all()))
        self._attempts.stop_all(StopReason.RELEASED)
        self.hurry.clear()
        await self._ended_within(self._stop_seconds)

    async def _ended_within(self, seconds: float) -> bool:
        """Whether all slots have ended, in this time or until told to hurry."""
        if self.tasks:
            ended = asyncio.create_task(asyncio.wait(set(self.tasks)))
            hurried = asyncio.create_task(self.hurry.wait())
            await asyncio.wait([ended, hurried], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            hurried.cancel()
        return not self.tasks

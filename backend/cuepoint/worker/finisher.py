"""Ends attempts: results of many jobs in one statement, whatever arrives while one is in flight forms the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.claims import Outcome, end_attempt, succeed
from cuepoint.worker.announcer import Announcer
from cuepoint.worker.attempt import Attempt, Attempts
from cuepoint.worker.connections import Connections

# Finishes that may be uncommitted while their slots take new jobs. Each holds a small result in memory; beyond it the
# slots wait.
MAX_UNCOMMITTED = 256

Finish = tuple[Attempt, dict[str, Any] | None]


class Finisher:
    """One per process; `run` is its loop."""

    def __init__(self, connections: Connections, attempts: Attempts, announcer: Announcer) -> None:
        self._connections = connections
        self._attempts = attempts
        self._announcer = announcer
        self._waiting: list[Finish] = []
        self._room = asyncio.Semaphore(MAX_UNCOMMITTED)
        self._wake = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def succeed(self, attempt: Attempt, result: dict[str, Any] | None) -> None:
        """Hand a result over. It is committed soon after; the caller's slot is free at once."""
        await self._room.acquire()
        self._waiting.append((attempt, result))
        self._is_idle.clear()
        self._wake.set()

    async def end(
        self, attempt: Attempt, outcome: Outcome, *, delay_seconds: float = 0.0, error: dict[str, Any] | None = None
    ) -> None:
        """End an attempt that did not succeed; returns when that is committed, or the job was not ours any more."""
        changes = await self._connections.persistently(
            lambda s: end_attempt(s, attempt.fence, outcome, delay_seconds=delay_seconds, error=error)
        )
        self._announcer.put(changes)
        self._attempts.remove(attempt)

    async def wait_idle(self) -> None:
        """Returns when everything handed over is committed."""
        await self._is_idle.wait()

    async def run(self) -> None:
        """Commit what is handed over, batch by batch, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._commit(batch)
            self._is_idle.set()

    async def _commit(self, batch: Sequence[Finish]) -> None:
        items = [(attempt.fence, result) for attempt, result in batch]
        changes: list[Change] = await self._connections.persistently(lambda s: succeed(s, items))
        self._announcer.put(changes)
        done = {change.job_id for change in changes if change.type == "SUCCEEDED"}
        for attempt, _ in batch:
            if attempt.fence.job_id in done:
                self._attempts.remove(attempt)
            else:
                # Cancelled at the last moment, or taken from us, or committed by a try whose answer was lost: only
                # the first of these still passes the fence.
                await self.end(attempt, Outcome.STOPPED)
            self._room.release()

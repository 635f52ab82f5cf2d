"""Carries progress from running tasks: ten messages a second a job, one batched write a second a worker."""

from __future__ import annotations

import asyncio
import logging
import time

from cuepoint.adapters.live.base import Live
from cuepoint.features.jobs.announce import job_messages
from cuepoint.features.jobs.claims import save_progress
from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage
from cuepoint.worker.attempt import Attempts, StopReason
from cuepoint.worker.connections import Connections

MESSAGE_SECONDS = 0.1
WRITE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class ProgressWriter:
    """One per process; `run` is its loop."""

    def __init__(self, connections: Connections, live: Live, attempts: Attempts) -> None:
        self._connections = connections
        self._live = live
        self._attempts = attempts

    async def run(self) -> None:
        """Send and store progress until cancelled."""
        next_write = time.monotonic() + WRITE_SECONDS
        while True:
            await asyncio.sleep(MESSAGE_SECONDS)
            await self._publish()
            if time.monotonic() >= next_write:
                next_write = time.monotonic() + WRITE_SECONDS
                await self._write()

    async def _publish(self) -> None:
        items = [item for attempt in self._attempts.all() if (item := attempt.take_message()) is not None]
        if items:
            await self._live.publish(job_messages(items))

    async def _write(self) -> None:
        taken = [
            (attempt, progress)
            for attempt in self._attempts.all()
            if not attempt.is_over and (progress := attempt.take_progress()) is not None
        ]
        if not taken:
            return
        try:
            async with self._connections.lazy() as connection:
                cancelled = await save_progress(connection, [progress for _, progress in taken])
        except DATABASE_ERRORS as error:
            if not is_outage(error):
                _log.warning("Progress could not be stored: %s: %s", type(error).__name__, error)
            for attempt, _ in taken:
                attempt.put_back()
        else:
            self._attempts.stop(cancelled, StopReason.CANCELLED)

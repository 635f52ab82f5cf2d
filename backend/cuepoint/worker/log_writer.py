"""Carries what running attempts say to Postgres: one batched write a second, and the last words before the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from cuepoint.features.jobs.job_logs import Said, save_logs
from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage
from cuepoint.worker.attempt import Attempt, Attempts
from cuepoint.worker.connections import Connections

WRITE_SECONDS = 1.0
LAST_WORDS_SECONDS = 2.0  # for storing them; an end must not wait long for its log

_log = logging.getLogger(__name__)


class LogWriter:
    """One per process; `run` is its loop."""

    def __init__(self, connections: Connections, attempts: Attempts) -> None:
        self._connections = connections
        self._attempts = attempts

    async def run(self) -> None:
        """Store what is said until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            attempts = self._attempts.all()
            taken = [(attempt, news) for attempt in attempts if (news := attempt.log.take()) is not None]
            await self._save([(attempt, *news) for attempt, news in taken])

    async def finish(self, attempt: Attempt) -> None:
        """The attempt is about to end: whoever sees its end finds its words. Without Postgres they are lost."""
        news = attempt.log.take_last()
        if news is None:
            return
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._save([(attempt, *news)])
        except TimeoutError:
            _log.warning("The log of job %s could not be stored in time", attempt.fence.job_id)

    async def _save(self, said: Sequence[tuple[Attempt, str, bool]]) -> None:
        if not said:
            return
        rows = [Said(attempt.fence.job_id, attempt.fence.attempt, text, is_cut) for attempt, text, is_cut in said]
        try:
            async with self._connections.lazy() as connection:
                await save_logs(connection, rows)
        except DATABASE_ERRORS as error:
            if not is_outage(error):
                _log.warning("Logs of jobs could not be stored: %s: %s", type(error).__name__, error)
            for attempt, _, _ in said:
                attempt.log.put_back()

"""What somebody has to do now and then: promote, take back lost jobs, make cron slots, sweep what attempts left."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from croniter import croniter  # type: ignore[import-untyped]

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import ErrorCode
from cuepoint.features.jobs import service
from cuepoint.features.jobs.leases import advance_schedule, due_schedules, forget_workers, lost, promote
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import DATABASE_ERRORS, InSession, Statements, is_outage
from cuepoint.worker.announcer import Announcer
from cuepoint.worker.attempt import remove_if_empty
from cuepoint.worker.connections import Connections

TICK_SECONDS = 1.0  # how late a scheduled job or a lost one may be noticed
SWEEP_SECONDS = 60.0
EMPTY_SECONDS = 10.0  # in which a worker that has made the directory of a job makes that of its attempt
FORGET_SECONDS = 3600.0

LOST_ERROR = {
    "code": ErrorCode.WORKER_LOST.value,
    "message": "The worker that ran this job ended without a word, or the job outlived its stop.",
    "hint": "A job that ends its worker again and again may need more memory than the machine has.",
    "retryable": True,
}

_log = logging.getLogger(__name__)


class Ticker:
    """Every worker has one; what two of them find at the same time only one does."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        db: Database,
        announcer: Announcer,
        *,
        may_reap: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._db = db
        self._announcer = announcer
        self._may_reap = may_reap
        self._temp = temp_root(settings)
        self._next_sweep = 0.0
        self._next_forget = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        pause = min(TICK_SECONDS, self._settings.poll_seconds)
        while True:
            try:
                await self.tick()
            except DATABASE_ERRORS as error:
                if not is_outage(error):
                    _log.warning("A tick failed, the next one follows: %s: %s", type(error).__name__, error)
            await asyncio.sleep(pause)

    async def tick(self) -> None:
        """Everything that is due now."""
        async with self._connections.durable() as connection:
            self._announcer.put(await promote(connection))
            if self._may_reap():
                self._announcer.put(
                    await lost(
                        connection,
                        stop_seconds=2 * self._settings.stop_seconds,  # its own worker comes first
                        lease_seconds=self._settings.lease_seconds,
                        error=LOST_ERROR,
                    )
                )
            now = time.monotonic()
            if now >= self._next_sweep:
                self._next_sweep = now + SWEEP_SECONDS
                await sweep_temp(connection, self._temp)
            if now >= self._next_forget:
                self._next_forget = now + FORGET_SECONDS
                await forget_workers(connection)
        await self._make_slots()

    async def _make_slots(self) -> None:
        async with self._db.write() as session:
            statements = InSession(session)
            for schedule in await due_schedules(statements):
                slot, following = newest_slot(schedule.cron, schedule.now)
                if slot >= schedule.next_at:
                    await service.enqueue(
                        session,
                        JobKind(schedule.kind),
                        project_id=schedule.project_id,
                        args=schedule.args,
                        system_key=f"cron:{schedule.name}:{slot.isoformat()}",
                        # A project's slot is made only once the one before it is over.
                        dedupe_key=None if schedule.project_id is None else f"schedule:{schedule.name}",
                    )
                await advance_schedule(statements, schedule.name, following)


def newest_slot(cron: str, now: datetime) -> tuple[datetime, datetime]:
    """The newest slot that is not ahead of `now`, and the one after it. Of missed slots only the newest is made up."""
    after_now = now + timedelta(microseconds=1)
    return croniter(cron, after_now).get_prev(datetime), croniter(cron, now).get_next(datetime)


def temp_root(settings: Settings) -> Path:
    """Directory of the directories of attempts: `<job>/<attempt>` each."""
    return settings.home / "tmp"


_RUNNING = "select id, attempt from jobs where id = any ($1::uuid[]) and status = 'RUNNING'"


async def sweep_temp(statements: Statements, root: Path) -> None:
    """Remove the directories of attempts that are over, and of jobs that have none; a killed process leaves them."""
    found = await asyncio.to_thread(_directories, root)
    if not found:
        return
    rows = await statements.fetch(_RUNNING, sorted({job_id for job_id, _, _ in found}))
    running = {(UUID(int=row["id"].int), row["attempt"]) for row in rows}
    over = [path for job_id, attempt, path in found if attempt is not None and (job_id, attempt) not in running]
    empty = [path for _, attempt, path in found if attempt is None]
    await asyncio.to_thread(_remove, over, empty)


def _directories(root: Path) -> list[tuple[UUID, int | None, Path]]:
    """By job and attempt; None: the directory of a job, in which there has been nothing for a while."""
    found: list[tuple[UUID, int | None, Path]] = []
    for directory in root.glob("*/"):
        paths = list(directory.glob("*"))
        if not paths and _is_new(directory):
            continue
        for path in paths or [directory]:
            try:
                found.append((UUID(directory.name), int(path.name) if paths else None, path))
            except ValueError:
                _log.warning("%s is not the directory of an attempt; left alone", path)
    return found


def _is_new(directory: Path) -> bool:
    try:
        return time.time() - directory.stat().st_mtime < EMPTY_SECONDS
    except FileNotFoundError:  # another worker was quicker
        return True


def _remove(attempts: Sequence[Path], empty: Sequence[Path]) -> None:
    for directory in attempts:
        shutil.rmtree(directory, ignore_errors=True)
    for directory in (*empty, *(path.parent for path in attempts)):
        remove_if_empty(directory)

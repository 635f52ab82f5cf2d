"""`DurableQueue`: SAQ's queue over Postgres. SAQ executes and shows; what happens to a job is decided elsewhere.

SAQ's own semantics are all off: time-outs, heartbeats, retries, sweeps and schedules (docs/decisions/0003 says why).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from saq.job import Job as SaqJob
from saq.job import Status
from saq.queue.base import Queue
from saq.queue.redis import RedisQueue
from sqlalchemy import Select, func, select

from cuepoint.db.session import Database
from cuepoint.errors import ErrorCode
from cuepoint.features.jobs import service
from cuepoint.features.jobs.claims import Claimed, Outcome
from cuepoint.features.jobs.models import Job, JobKind, JobStatus, Worker, WorkerState
from cuepoint.features.jobs.repository import UNFINISHED
from cuepoint.worker.attempt import Attempt
from cuepoint.worker.finisher import Finisher

NEVER = 1_000_000_000  # retries: SAQ must never think that a job has none left
INFO_JOBS = 100
HOOK_PAUSE_SECONDS = 1.0  # before the next attempt of a job whose hook raised

_STATUS = {
    JobStatus.BLOCKED: Status.NEW,
    JobStatus.SCHEDULED: Status.NEW,
    JobStatus.QUEUED: Status.QUEUED,
    JobStatus.RUNNING: Status.ACTIVE,
    JobStatus.SUCCEEDED: Status.COMPLETE,
    JobStatus.FAILED: Status.FAILED,
    JobStatus.CANCELLED: Status.ABORTED,
}
_COUNTED = {
    "queued": (JobStatus.QUEUED,),
    "active": (JobStatus.RUNNING,),
    "incomplete": UNFINISHED,
}


class _ClaimedJob(SaqJob):
    """SAQ describes each job twice for a log line that is off by default: a tenth of what an empty job costs."""

    def info(self, full: bool = False) -> str:  # noqa: ARG002 - SAQ's signature
        """Kind and id; all else is in the row."""
        return f"{self.function} {self.key}"


class DurableQueue(RedisQueue):
    """Hands claimed jobs to SAQ's slots. `bind` gives it the process it serves, before the worker starts."""

    _db: Database
    _finisher: Finisher

    def bind(self, db: Database, finisher: Finisher, on_free: Callable[[str, float], None]) -> None:
        """Serve this process; `on_free` learns the lane of each slot that becomes free, and for how long it was not."""
        self._db = db
        self._finisher = finisher
        self._on_free = on_free
        self._ready: asyncio.Queue[Attempt | None] = asyncio.Queue()
        # By object, not by key: a job that was given back may be claimed anew before SAQ is done with the first one.
        self._running: dict[int, Attempt] = {}

    def put(self, attempt: Attempt) -> None:
        """A claimed job for the next free slot."""
        self._ready.put_nowait(attempt)

    def release_idle(self, slots: int) -> None:
        """Idle slots return at once, those that wait now and later."""
        for _ in range(slots):
            self._ready.put_nowait(None)

    def attempt_of(self, job: SaqJob) -> Attempt:
        """The attempt behind a job that was dequeued."""
        return self._running[id(job)]

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> SaqJob | None:  # noqa: ARG002
        """The next claimed job. None: the worker is stopping."""
        attempt = await self._ready.get()
        if attempt is None:
            return None
        job = self._from_claim(attempt.claimed)
        self._running[id(job)] = attempt
        attempt.slot_since = time.monotonic()
        return job

    async def enqueue(self, job_or_func: str | SaqJob, **kwargs: Any) -> SaqJob | None:
        """Create a job of the kind that the function is named by; keyword arguments are its arguments."""
        name = job_or_func if isinstance(job_or_func, str) else job_or_func.function
        given = kwargs if isinstance(job_or_func, str) else {**(job_or_func.kwargs or {}), **kwargs}
        async with self._db.write() as session:
            row = await service.enqueue(session, JobKind(name), project_id=None, args=given)
            return self._from_row(row)

    async def update(self, job: SaqJob, **kwargs: Any) -> None:
        """SAQ's own notes on a job stay in this process."""
        for name, value in kwargs.items():
            if hasattr(job, name):
                setattr(job, name, value)

    async def _finish(self, job: SaqJob, status: Status, *, result: Any = None, error: str | None = None) -> None:
        attempt = self._leave_slot(job)
        if attempt is None:
            return
        if status is Status.COMPLETE:
            await self._finisher.succeed(attempt, result)
        elif status is Status.ABORTED:
            await self._finisher.end(attempt, Outcome.STOPPED)
        else:
            await self._finisher.end(attempt, Outcome.ERROR, delay_seconds=HOOK_PAUSE_SECONDS, error=_hook_error(error))

    async def _retry(self, job: SaqJob, error: str | None) -> None:
        attempt = self._leave_slot(job)
        if attempt is None:
            return
        if error == "cancelled":  # the executor stops
            await self._finisher.end(attempt, Outcome.RELEASE)
        else:
            await self._finisher.end(attempt, Outcome.ERROR, delay_seconds=HOOK_PAUSE_SECONDS, error=_hook_error(error))

    def _leave_slot(self, job: SaqJob) -> Attempt | None:
        """The slot is free. The attempt, if the runner has not ended it: a hook raised before it was reached."""
        attempt = self._running.pop(id(job), None)
        if attempt is None:
            return None
        self._on_free(attempt.claimed.lane, time.monotonic() - attempt.slot_since)
        if attempt.is_over:
            return None
        attempt.is_over = True
        return attempt

    async def abort(self, job: SaqJob, error: str, ttl: float = 5) -> None:  # noqa: ARG002
        """Cancel a job, as its users would."""
        async with self._db.write() as session:
            await service.cancel_unchecked(session, [UUID(job.key)])

    async def job(self, job_key: str) -> SaqJob | None:
        """One job."""
        return (await self.jobs([job_key]))[0]

    async def jobs(self, job_keys: Iterable[str]) -> list[SaqJob | None]:
        """Jobs by key, in order."""
        keys = [UUID(key) for key in job_keys]
        found = {row.id: row for row in await self._rows(select(Job).where(Job.id.in_(keys)))}
        return [self._from_row(found[key]) if key in found else None for key in keys]

    async def iter_jobs(
        self,
        statuses: list[Status] = list(Status),  # noqa: B006 - SAQ's signature
        batch_size: int = 100,
    ) -> AsyncIterator[SaqJob]:
        """Jobs in these states, newest first."""
        wanted = [ours for ours, theirs in _STATUS.items() if theirs in statuses]
        statement = select(Job).where(Job.status.in_(wanted)).order_by(Job.id.desc()).limit(batch_size)
        last: UUID | None = None
        while True:
            rows = await self._rows(statement if last is None else statement.where(Job.id < last))
            for row in rows:
                yield self._from_row(row)
            if len(rows) < batch_size:
                return
            last = rows[-1].id

    async def count(self, kind: str) -> int:
        """How many jobs are queued, active or incomplete."""
        async with self._db.read() as session:
            statement = select(func.count()).select_from(Job).where(Job.status.in_(_COUNTED[kind]))
            return int(await session.scalar(statement) or 0)

    async def info(self, jobs: bool = False, offset: int = 0, limit: int = 10) -> dict[str, Any]:  # type: ignore[override]
        """What SAQ's web page shows."""
        alive = select(Worker).where(Worker.state.in_((WorkerState.LIVE, WorkerState.DRAINING)))
        async with self._db.read() as session:
            workers = {str(row.id): row.info for row in await session.scalars(alive)}
        queued, active = await self.count("queued"), await self.count("active")
        shown: list[Job] = []
        if jobs:
            statement = select(Job).where(Job.status.in_(UNFINISHED)).order_by(Job.id)
            shown = await self._rows(statement.offset(offset).limit(min(limit, INFO_JOBS)))
        return {
            "workers": workers,
            "name": self.name,
            "queued": queued,
            "active": active,
            "scheduled": await self.count("incomplete") - queued - active,
            "jobs": [self._from_row(row).to_dict() for row in shown],
        }

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:  # noqa: ARG002
        """Nothing: the ticker takes back what is lost."""
        return []

    async def schedule(self, lock: int = 1) -> list[str]:  # noqa: ARG002
        """Nothing: the ticker promotes."""
        return []

    async def write_worker_info(self, worker_id: str, info: Any, ttl: int) -> None:
        """Nothing: the row of the worker says it."""

    async def disconnect(self) -> None:
        """Close the client. SAQ's own version talks to Redis once more, which may be away."""
        await self.redis.aclose()

    async def listen(
        self,
        job_keys: Iterable[str],
        callback: Any,
        timeout: float | None = 10,
        poll_interval: float = 0.5,
    ) -> None:
        """Watch jobs by asking Postgres: SAQ's channels are silent here."""
        await Queue.listen(self, job_keys, callback, timeout, poll_interval)

    async def _rows(self, statement: Select[Job]) -> list[Job]:
        async with self._db.read() as session:
            return list(await session.scalars(statement))

    def _from_claim(self, claimed: Claimed) -> SaqJob:
        return _ClaimedJob(
            function=claimed.kind,
            kwargs={},
            queue=self,
            key=str(claimed.fence.job_id),
            timeout=0,
            retries=NEVER,
            ttl=-1,
            attempts=claimed.fence.attempt - 1,
            status=Status.QUEUED,
        )

    def _from_row(self, row: Job) -> SaqJob:
        return SaqJob(
            function=row.kind.value,
            kwargs=row.args,
            queue=self,
            key=str(row.id),
            timeout=0,
            retries=NEVER,
            progress=row.progress,
            attempts=row.attempt,
            queued=_milliseconds(row.created_at),
            started=_milliseconds(row.started_at),
            completed=_milliseconds(row.finished_at),
            result=row.result,
            error=(row.error or {}).get("message"),
            status=_STATUS[row.status],
            priority=row.priority,
        )


def _milliseconds(at: datetime | None) -> int:
    return 0 if at is None else round(at.timestamp() * 1000)


def _hook_error(detail: str | None) -> dict[str, Any]:
    return {
        "code": ErrorCode.INTERNAL.value,
        "message": "The worker could not start or end the job; its log has the stack.",
        "hint": None,
        "retryable": True,
        "detail": detail.strip().splitlines()[-1] if detail else None,
    }

"""Statements that read jobs, events and dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.filters import check_levels, combined
from cuepoint.features.jobs.models import Job, JobDependency, JobEvent, JobKind, JobStatus

UNFINISHED = (JobStatus.BLOCKED, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING)


# Hosts that create jobs may be that far off the database's clock: ids carry the one, `created_at` the other.
CLOCK_SLACK = timedelta(days=1)


class JobOrder(Enum):
    """Order of a list of jobs."""

    CREATED_DESC = "CREATED_DESC"
    CREATED_ASC = "CREATED_ASC"


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; an empty field does not narrow. Times are `created_from <= created_at < created_before`.

    Project, video and batch have an index, FAILED and the states of waiting and running jobs partial ones; the time
    reads a range of the primary key. Kind, lane, creator and error code are looked at while one of these is read: an
    index for each would be written at every transition of every job.
    """

    status: Sequence[JobStatus] = ()
    kind: Sequence[JobKind] = ()
    lane: Sequence[str] = ()
    project_id: UUID | None = None
    video_id: UUID | None = None
    batch_id: UUID | None = None
    created_by_id: UUID | None = None
    error_code: Sequence[str] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None
    all_of: Sequence[JobFilter] = ()
    any_of: Sequence[JobFilter] = ()
    none_of: JobFilter | None = None

    @property
    def is_combined(self) -> bool:
        """Whether it holds other filters, which a list takes and a feed does not."""
        return bool(self.all_of or self.any_of) or self.none_of is not None

    @property
    def is_narrow(self) -> bool:
        """Whether the list is that of one project, video or batch, which have an index of their own."""
        return (self.project_id or self.video_id or self.batch_id) is not None


def filtered_jobs(wanted: JobFilter) -> Select[Job]:
    """The jobs that pass the filter, unordered. Raises BadInputError for filters that nest too deep."""
    check_levels(wanted)
    return select(Job).where(*_narrowing(wanted))


def _narrowing(wanted: JobFilter) -> list[ColumnElement[bool]]:
    found = combined(wanted.all_of, wanted.any_of, wanted.none_of, _narrowing)
    lists = {
        Job.status: wanted.status,
        Job.kind: wanted.kind,
        Job.lane: wanted.lane,
        Job.error_code: wanted.error_code,
    }
    ids = {
        Job.project_id: wanted.project_id,
        Job.video_id: wanted.video_id,
        Job.batch_id: wanted.batch_id,
        Job.created_by_id: wanted.created_by_id,
    }
    for column, values in lists.items():
        if values:
            found.append(column.in_(values))
    for key, wanted_id in ids.items():
        if wanted_id is not None:
            found.append(key == wanted_id)
    if wanted.created_from is not None:
        first = first_id_at(wanted.created_from, -CLOCK_SLACK)
        found += [Job.created_at >= wanted.created_from, Job.id >= first]
    if wanted.created_before is not None:
        end = first_id_at(wanted.created_before, CLOCK_SLACK)
        found += [Job.created_at < wanted.created_before, Job.id < end]
    return found


def first_id_at(time: datetime, shift: timedelta) -> UUID:
    """The smallest UUIDv7 of that millisecond, so much later: ranges of time become ranges of the primary key. Whoever
    means all time names its ends, beyond which there is no `datetime`."""
    milliseconds = max(0, int((time.timestamp() + shift.total_seconds()) * 1000))
    return UUID(int=milliseconds << 80)


async def load_job(session: AsyncSession, job_id: UUID) -> Job | None:
    """The job as it is now: transitions change rows behind the session's back."""
    statement = select(Job).where(Job.id == job_id).execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def events_after(session: AsyncSession, job_id: UUID, after_seq: int, limit: int | None) -> Sequence[JobEvent]:
    """Events of one job with a number above `after_seq`, in order."""
    statement = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > after_seq).order_by(JobEvent.seq)
    return (await session.scalars(statement.limit(limit) if limit is not None else statement)).all()


async def unfinished_of_video(session: AsyncSession, video_id: UUID, *, without: JobKind) -> Sequence[UUID]:
    """Ids of the jobs of a video that are not over, except one kind."""
    statement = select(Job.id).where(Job.video_id == video_id, Job.status.in_(UNFINISHED), Job.kind != without)
    return (await session.scalars(statement.order_by(Job.id))).all()


async def live_by_key(session: AsyncSession, keys: Sequence[str]) -> dict[str, UUID]:
    """Unfinished jobs by their dedupe key."""
    statement = select(Job.dedupe_key, Job.id).where(Job.dedupe_key.in_(keys), Job.status.in_(UNFINISHED))
    return {key: job_id for key, job_id in (await session.execute(statement)).all() if key is not None}


async def live_jobs_by_key(session: AsyncSession, keys: Sequence[str]) -> Sequence[Job]:
    """Unfinished jobs that have one of these dedupe keys, oldest first, as they are now."""
    statement = select(Job).where(Job.dedupe_key.in_(keys), Job.status.in_(UNFINISHED))
    ordered = statement.order_by(Job.created_at, Job.id).execution_options(populate_existing=True)
    return (await session.scalars(ordered)).all()


async def requirements_of(session: AsyncSession, job_id: UUID) -> set[UUID]:
    """What the job waits for, or waited for."""
    return set(await session.scalars(select(JobDependency.dependency_id).where(JobDependency.job_id == job_id)))


# Running jobs keep theirs: one that is given back needs the place that it had.
_SET_PRIORITY = text("""
update jobs j set priority = :priority,
  due = case when j.status = 'QUEUED' then job_place(j.project_id, j.lane, cast(:priority as integer)) end
where j.id = :id and j.status in ('BLOCKED', 'SCHEDULED', 'QUEUED') and j.priority <> :priority
returning j.id
""")


async def set_priority(session: AsyncSession, job_id: UUID, priority: int) -> bool:
    """A waiting job takes a new place: at once if it is queued, else when it is. False: nothing to change."""
    return (await session.execute(_SET_PRIORITY, {"id": job_id, "priority": priority})).one_or_none() is not None

"""Statements that read jobs, events and dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.jobs.models import Job, JobEvent, JobKind, JobStatus

UNFINISHED = (JobStatus.BLOCKED, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; an empty field does not narrow."""

    status: Sequence[JobStatus] = ()
    kind: Sequence[JobKind] = ()
    project_id: UUID | None = None
    video_id: UUID | None = None


def filtered_jobs(wanted: JobFilter) -> Select[Job]:
    """The jobs that pass the filter, unordered."""
    statement = select(Job)
    if wanted.status:
        statement = statement.where(Job.status.in_(wanted.status))
    if wanted.kind:
        statement = statement.where(Job.kind.in_(wanted.kind))
    if wanted.project_id is not None:
        statement = statement.where(Job.project_id == wanted.project_id)
    if wanted.video_id is not None:
        statement = statement.where(Job.video_id == wanted.video_id)
    return statement


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

"""Use cases of jobs: enqueue, list, cancel, retry. Callers own the transaction; what follows it is announced after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.db.session import Database, after_commit
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.announce import Change, TellWorker, effects_of
from cuepoint.features.jobs.kinds import PIPELINE, SPECS, dedupe_key
from cuepoint.features.jobs.models import Job, JobEvent, JobKind, JobStatus
from cuepoint.features.jobs.repository import (
    JobFilter,
    events_after,
    filtered_jobs,
    live_by_key,
    load_job,
    unfinished_of_video,
)
from cuepoint.features.jobs.statements import InSession, is_conflict
from cuepoint.features.jobs.transitions import Cancelled, NewJob, UnknownDependencyError, cancel, create, retry
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.viewer import Viewer

MAX_COST = 60.0  # seconds; so that a step of priority stays worth at least 5 jobs (docs/jobs.md)
MAX_REPEATS = 5  # of a transaction that lost a race

T = TypeVar("T")


async def enqueue(
    session: AsyncSession,
    kind: JobKind,
    *,
    project_id: UUID | None,
    video_id: UUID | None = None,
    created_by_id: UUID | None = None,
    args: dict[str, Any] | None = None,
    priority: int = 5,
    depends_on: Sequence[tuple[UUID, bool]] = (),
    dedupe_key: str | None = None,
    system_key: str | None = None,
    run_at: datetime | None = None,
    timeout_seconds: int | None = None,
    cost: float | None = None,
    root_id: UUID | None = None,
    parent_id: UUID | None = None,
    batch_id: UUID | None = None,
    media_ms: int | None = None,
) -> Job:
    """Create a job in the caller's transaction; it exists if and only if that commits.

    `depends_on` are (job id, is required) pairs. If an unfinished job has the `dedupe_key`, or any job the
    `system_key`, that one is returned and nothing is created. Raises BadInputError on a priority outside 0 to 10 and
    on an unknown dependency.
    """
    if not 0 <= priority <= 10:
        raise BadInputError("The priority must lie between 0 and 10; 10 goes first.", field=("priority",))
    spec = SPECS[kind]
    new = NewJob(
        kind=kind,
        lane=spec.lane,
        timeout_seconds=timeout_seconds if timeout_seconds is not None else spec.timeout_for(media_ms),
        max_attempts=spec.max_attempts,
        cost=min(MAX_COST, max(1.0, cost if cost is not None else spec.cost_seconds)),
        priority=priority,
        args=args or {},
        depends_on=depends_on,
        run_at=run_at,
        project_id=project_id,
        video_id=video_id,
        created_by_id=created_by_id,
        batch_id=batch_id,
        root_id=root_id,
        parent_id=parent_id,
        system_key=system_key,
        dedupe_key=dedupe_key,
    )
    try:
        created = await create(InSession(session), new)
    except UnknownDependencyError:
        raise BadInputError("A job that this one should wait for does not exist.", field=("dependsOn",)) from None
    _announce(session, created.changes)
    return await _loaded(session, created.job_id)


async def start_pipeline(
    session: AsyncSession,
    *,
    project_id: UUID,
    video_id: UUID,
    created_by_id: UUID | None,
    kinds: Sequence[JobKind] | None = None,
    priority: int = 5,
    media_ms: int | None = None,
) -> list[Job]:
    """Create the jobs of a pipeline with their dependencies, read from `after` in kinds.py, in pipeline order.

    An unfinished job of the same kind and video is joined instead of doubled; what is not asked for but still runs
    is waited for. None asks for the whole pipeline. Raises BadInputError for a kind that is not part of it.
    """
    wanted = PIPELINE if kinds is None else tuple(kind for kind in PIPELINE if kind in kinds)
    if kinds is not None and set(kinds) - set(PIPELINE):
        raise BadInputError("Only the kinds of the pipeline can be started this way.", field=("kinds",))
    live = await live_by_key(session, [dedupe_key(video_id, kind) for kind in PIPELINE])
    made: dict[JobKind, Job] = {}
    for kind in wanted:
        key = dedupe_key(video_id, kind)
        waits_for = {
            made[before].id if before in made else live[dedupe_key(video_id, before)]
            for before in _nearest(kind, made, live, video_id)
        }
        first = next(iter(made.values()), None)
        made[kind] = await enqueue(
            session,
            kind,
            project_id=project_id,
            video_id=video_id,
            created_by_id=created_by_id,
            priority=priority,
            depends_on=[(job_id, True) for job_id in sorted(waits_for)],
            dedupe_key=key,
            media_ms=media_ms,
            root_id=first.id if first is not None else None,
        )
    return list(made.values())


def _nearest(kind: JobKind, made: dict[JobKind, Job], live: dict[str, UUID], video_id: UUID) -> set[JobKind]:
    """The nearest stages before `kind` that exist in this pipeline or still run for this video."""
    found: set[JobKind] = set()
    for before in SPECS[kind].after:
        if before in made or dedupe_key(video_id, before) in live:
            found.add(before)
        else:
            found |= _nearest(before, made, live, video_id)
    return found


async def in_transaction(db: Database, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run `work` in a transaction of its own, and again if a concurrent one won: jobs of one pipeline are locked by
    many, in an order that diamonds can turn round."""
    for _ in range(MAX_REPEATS):
        try:
            async with db.write() as session:
                return await work(session)
        except DBAPIError as error:
            if not is_conflict(error):
                raise
    async with db.write() as session:
        return await work(session)


async def get_job(session: AsyncSession, viewer: Viewer, id: UUID) -> Job:
    """The job. Raises NotFoundError when it is absent or the viewer may not see its project."""
    return await _visible(session, viewer, id, ProjectRole.VIEWER)


async def list_jobs(session: AsyncSession, viewer: Viewer, filter: JobFilter, page: PageRequest) -> Page[Job]:
    """Jobs that the viewer may see, newest first. Administrators also see the system's own."""
    statement = _visible_jobs(viewer, filter)
    return await fetch_page(session, statement, [(Job.created_at, datetime), (Job.id, UUID)], page, descending=True)


async def count_jobs(session: AsyncSession, viewer: Viewer, filter: JobFilter) -> int:
    """How many jobs `list_jobs` has in all."""
    statement = _visible_jobs(viewer, filter)
    return await session.scalar(select(func.count()).select_from(statement.subquery())) or 0


async def list_events(
    session: AsyncSession, viewer: Viewer, job_id: UUID, after_seq: int, first: int
) -> Sequence[JobEvent]:
    """At most `first` events of a job after number `after_seq`, in order."""
    await _visible(session, viewer, job_id, ProjectRole.VIEWER)
    return await events_after(session, job_id, after_seq, first)


async def cancel_job(session: AsyncSession, viewer: Viewer, id: UUID) -> tuple[Job, bool]:
    """Cancel a job and what requires it; True if that changed anything. A job that is over stays as it is."""
    await _visible(session, viewer, id, ProjectRole.EDITOR)
    cancelled = await _cancel(session, [id])
    return await _loaded(session, id), bool(cancelled.changes)


async def cancel_jobs_of_video(session: AsyncSession, video_id: UUID) -> list[UUID]:
    """Cancel every unfinished job of a video but its deletion; the ids of those that still run and were told to stop.

    Whatever must not start before they are gone depends on these, optionally: `[(id, False), ...]`.
    """
    ids = await unfinished_of_video(session, video_id, without=JobKind.VIDEO_DELETION)
    if not ids:
        return []
    return [running.job_id for running in (await _cancel(session, ids)).running]


async def cancel_unchecked(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Cancel jobs on behalf of the operator: nobody is asked for rights."""
    await _cancel(session, ids)


async def retry_job(session: AsyncSession, viewer: Viewer, id: UUID) -> Job:
    """Run a failed or cancelled job again, with what was cancelled because of it.

    Raises CuepointError NOT_RETRYABLE (not over, or succeeded), DEPENDENCY_FAILED (retry what it requires first) or
    DUPLICATE_JOB (an unfinished job does the same).
    """
    await _visible(session, viewer, id, ProjectRole.EDITOR)
    changes = await retry(InSession(session), id)
    job = await _loaded(session, id)
    if not changes:
        raise await _why_not_retried(session, job)
    _announce(session, changes)
    return job


async def _why_not_retried(session: AsyncSession, job: Job) -> CuepointError:
    if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
        return CuepointError(
            ErrorCode.NOT_RETRYABLE,
            f"Only a job that failed or was cancelled can be retried; this one is {job.status.value}.",
        )
    if job.dedupe_key is not None and await live_by_key(session, [job.dedupe_key]):
        return CuepointError(ErrorCode.DUPLICATE_JOB, "An unfinished job does the same work already.")
    return CuepointError(
        ErrorCode.DEPENDENCY_FAILED,
        "A job that this one requires failed or was cancelled. Retry that one: it brings this one back.",
    )


def _visible_jobs(viewer: Viewer, filter: JobFilter) -> Select[Job]:
    statement = filtered_jobs(filter)
    if viewer.is_admin:
        return statement
    return statement.where(Job.project_id.in_(access.visible_projects(viewer)))


async def _cancel(session: AsyncSession, ids: Sequence[UUID]) -> Cancelled:
    cancelled = await cancel(InSession(session), ids)
    _announce(session, cancelled.changes)
    for running in cancelled.running:
        after_commit(session, TellWorker(running.worker_id, running.job_id, running.attempt))
    return cancelled


def _announce(session: AsyncSession, changes: Sequence[Change]) -> None:
    for effect in effects_of(changes):
        after_commit(session, effect)


async def _loaded(session: AsyncSession, job_id: UUID) -> Job:
    job = await load_job(session, job_id)
    if job is None:
        raise NotFoundError("job")
    return job


async def _visible(session: AsyncSession, viewer: Viewer, job_id: UUID, role: ProjectRole) -> Job:
    """The job, if the viewer has this role in its project. Jobs without a project belong to administrators."""
    job = await _loaded(session, job_id)
    if job.project_id is None:
        if not viewer.is_admin:
            raise NotFoundError("job")
    else:
        await access.require(session, viewer, job.project_id, role, noun="job")
    return job

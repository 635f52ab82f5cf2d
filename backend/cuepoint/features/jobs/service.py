"""Use cases of jobs: list, cancel, priority. Callers own the transaction; what follows is announced after it.

Creating them is in `creation.py` and `pipeline.py`, running them again in `retrying.py`, many at once in `bulk.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, func, not_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.db.session import Database, after_commit
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.announce import TellWorker, announce
from cuepoint.features.jobs.creation import check_priority, enqueue
from cuepoint.features.jobs.kinds import DELETIONS
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.jobs.pipeline import start_pipeline
from cuepoint.features.jobs.repository import (
    JobFilter,
    JobOrder,
    filtered_jobs,
    load_job,
    set_priority,
    unfinished_of_video,
)
from cuepoint.features.jobs.statements import InSession, is_conflict
from cuepoint.features.jobs.transitions import Cancelled, cancel
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.viewer import Viewer

MAX_REPEATS = 5  # of a transaction that lost a race

T = TypeVar("T")

__all__ = [
    "cancel_all",
    "cancel_job",
    "cancel_jobs_of_video",
    "cancel_unchecked",
    "count_jobs",
    "editable_job",
    "enqueue",
    "get_job",
    "in_transaction",
    "list_jobs",
    "start_pipeline",
    "update_priority",
    "visible_jobs",
]


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


async def list_jobs(
    session: AsyncSession, viewer: Viewer, filter: JobFilter, page: PageRequest, order: JobOrder = JobOrder.CREATED_DESC
) -> Page[Job]:
    """Jobs that the viewer may see, newest first by default. Administrators also see the system's own."""
    keys: list[tuple[Any, type]] = [(Job.created_at, datetime), (Job.id, UUID)]
    # Lists over all projects go along the primary key, whose order is that of creation: no index of their own has to
    # be kept for them at every transition.
    statement = visible_jobs(viewer, filter)
    is_descending = order is JobOrder.CREATED_DESC
    return await fetch_page(session, statement, keys if filter.is_narrow else keys[1:], page, descending=is_descending)


async def count_jobs(session: AsyncSession, viewer: Viewer, filter: JobFilter) -> int:
    """How many jobs `list_jobs` has in all."""
    statement = visible_jobs(viewer, filter)
    return await session.scalar(select(func.count()).select_from(statement.subquery())) or 0


async def cancel_job(session: AsyncSession, viewer: Viewer, id: UUID) -> tuple[Job, bool]:
    """Cancel a job and what requires it; True if that changed anything. A job that is over stays as it is.

    Raises CuepointError ALREADY_FINAL for the deletion of a video: its rows are hidden already, and without the job
    its files would stay for ever.
    """
    job = await _visible(session, viewer, id, ProjectRole.EDITOR)
    if job.kind in DELETIONS:
        raise CuepointError(ErrorCode.ALREADY_FINAL, "A deletion cannot be taken back.", field=("id",))
    cancelled = await cancel_all(session, [id])
    return await _loaded(session, id), bool(cancelled.changes)


async def cancel_jobs_of_video(session: AsyncSession, video_id: UUID) -> list[UUID]:
    """Cancel every unfinished job of a video but its deletion; the ids of those that still run and were told to stop.

    Whatever must not start before they are gone depends on these, optionally: `[(id, False), ...]`.
    """
    ids = await unfinished_of_video(session, video_id, without=JobKind.VIDEO_DELETION)
    if not ids:
        return []
    return [running.job_id for running in (await cancel_all(session, ids)).running]


async def cancel_unchecked(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Cancel jobs on behalf of the operator: nobody is asked for rights."""
    await cancel_all(session, ids)


async def update_priority(session: AsyncSession, viewer: Viewer, id: UUID, priority: int) -> tuple[Job, bool]:
    """A job that waits gets this priority, and with it a new place in its lane; True if that changed anything.

    What runs or is over stays as it is. Raises BadInputError for a priority outside 0 to 10.
    """
    check_priority(priority)
    await _visible(session, viewer, id, ProjectRole.EDITOR)
    changed = await set_priority(session, id, priority)
    return await _loaded(session, id), changed


def visible_jobs(viewer: Viewer, filter: JobFilter) -> Select[Job]:
    """The jobs that pass the filter and that the viewer may see."""
    statement = filtered_jobs(filter)
    if viewer.sees_all:
        return statement
    return statement.where(Job.project_id.in_(access.visible_projects(viewer)))


async def hidden_jobs(session: AsyncSession, viewer: Viewer, ids: Collection[UUID]) -> set[UUID]:
    """Those of the jobs that are there but that `get_job` would not find for the viewer."""
    projects = select(Project.id).where(Project.id.in_(access.visible_projects(viewer)), Project.deleted_at.is_(None))
    is_shown: ColumnElement[bool] = func.coalesce(Job.project_id.in_(projects), false())
    if viewer.sees_all:
        is_shown |= Job.project_id.is_(None)
    elif viewer.project_ids is None:
        is_shown |= Job.project_id.is_(None) & Job.created_by_id.is_not_distinct_from(viewer.user_id)
    return set(await session.scalars(select(Job.id).where(Job.id.in_(ids), not_(is_shown))))


async def cancel_all(session: AsyncSession, ids: Sequence[UUID]) -> Cancelled:
    """Jobs and what requires them are cancelled, and the workers that run them told; nobody is asked for rights."""
    cancelled = await cancel(InSession(session), ids)
    announce(session, cancelled.changes)
    for running in cancelled.running:
        after_commit(session, TellWorker(running.worker_id, running.job_id, running.attempt))
    return cancelled


async def editable_job(session: AsyncSession, viewer: Viewer, id: UUID) -> Job:
    """The job, if the viewer may change it. Raises NotFoundError or ForbiddenError."""
    return await _visible(session, viewer, id, ProjectRole.EDITOR)


async def _loaded(session: AsyncSession, job_id: UUID) -> Job:
    job = await load_job(session, job_id)
    if job is None:
        raise NotFoundError("job")
    return job


async def _visible(session: AsyncSession, viewer: Viewer, job_id: UUID, role: ProjectRole) -> Job:
    """The job, if the viewer has this role in its project. Jobs without a project belong to administrators."""
    job = await load_job(session, job_id)
    if job is not None and job.project_id is None and (viewer.is_admin or (_is_look(role) and _is_own(viewer, job))):
        return job
    project_id = None if job is None else job.project_id
    await access.require(session, viewer, project_id, role, noun="job")
    assert job is not None  # without a project nobody passes
    return job


def _is_own(viewer: Viewer, job: Job) -> bool:
    """Whether it may look at a job without a project: administrators, and who asked for it."""
    return viewer.sees_all or (job.created_by_id == viewer.user_id and viewer.project_ids is None)


def _is_look(role: ProjectRole) -> bool:
    return role is ProjectRole.VIEWER

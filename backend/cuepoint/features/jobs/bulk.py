"""Use cases on many jobs at once, and on what hangs on a job: retry what failed, clear what waits, delete what is over.

Each touches only jobs of projects in which the viewer is an editor; administrators reach all, the system's own too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Select, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.jobs.announce import announce
from cuepoint.features.jobs.kinds import DELETIONS, SPECS
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import UNFINISHED, JobFilter, filtered_jobs
from cuepoint.features.jobs.retrying import check_quotas, deleted_videos
from cuepoint.features.jobs.service import cancel_all, editable_job
from cuepoint.features.jobs.statements import InSession
from cuepoint.features.jobs.transitions import retry
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.viewer import Viewer

WAITING = (JobStatus.BLOCKED, JobStatus.SCHEDULED, JobStatus.QUEUED)
SHOWN = 100  # jobs that an answer lists at most; its counts are whole
RETRIED_AT_ONCE = 100  # bounds one transaction; each retry takes a few milliseconds
TRIED_AT_ONCE = 1000  # of them some may be refused
CLEARED_AT_ONCE = 10_000
NAMED = 10  # dependants that a message names


@dataclass(frozen=True)
class Retried:
    """What `retry_failed` brought back. `skipped` were refused; `has_more`: more failed jobs match."""

    jobs: Sequence[Job]
    skipped: int
    has_more: bool


async def retry_failed(
    session: AsyncSession, viewer: Viewer, wanted: JobFilter, limit: int = RETRIED_AT_ONCE
) -> Retried:
    """At most `limit` failed jobs that match run again, oldest first, with what was cancelled because of them.

    Skipped is what an unfinished job does already, what requires a job that failed and is not among these, and what
    works on a video that is being deleted.
    """
    if wanted.status:
        raise BadInputError("Leave `status` out: only failed jobs are retried.", field=("filter", "status"))
    return await _retry(session, viewer, replace(wanted, status=(JobStatus.FAILED,)), limit)


async def retry_batch(session: AsyncSession, viewer: Viewer, batch_id: UUID, *, only_failed: bool) -> Retried:
    """The failed jobs of a batch run again, and without `only_failed` the cancelled ones too."""
    states = (JobStatus.FAILED,) if only_failed else (JobStatus.FAILED, JobStatus.CANCELLED)
    return await _retry(session, viewer, JobFilter(batch_id=batch_id, status=states), TRIED_AT_ONCE)


async def _retry(session: AsyncSession, viewer: Viewer, wanted: JobFilter, limit: int) -> Retried:
    statement = _editable(viewer, wanted).order_by(Job.id).limit(TRIED_AT_ONCE + 1)
    found = (await session.scalars(statement)).all()
    deleted = await deleted_videos(session, found[:TRIED_AT_ONCE])
    retried: list[UUID] = []
    revived: set[UUID] = set()
    tried = skipped = 0
    for job in found[:TRIED_AT_ONCE]:
        if len(retried) == limit:
            break
        tried += 1
        if job.id in revived:  # it came back with another
            continue
        is_gone = job.video_id in deleted and job.kind is not JobKind.VIDEO_DELETION
        changes = () if is_gone else await retry(InSession(session), job.id)
        if changes:
            retried.append(job.id)
            revived |= {change.job_id for change in changes}
            announce(session, changes)
        else:
            skipped += 1
    await check_quotas(session, revived)
    return Retried(await _load(session, retried), skipped, len(found) > tried)


async def cancel_batch(session: AsyncSession, viewer: Viewer, batch_id: UUID) -> int:
    """The unfinished jobs of a batch are cancelled, running ones too, and what requires them; how many that changed."""
    wanted = _editable(viewer, JobFilter(batch_id=batch_id, status=UNFINISHED)).with_only_columns(Job.id)
    ids = (await session.scalars(wanted.order_by(Job.id))).all()
    if not ids:
        return 0
    cancelled = await cancel_all(session, ids)
    return len({change.job_id for change in cancelled.changes if change.type in ("CANCELLED", "CANCEL_REQUESTED")})


@dataclass(frozen=True)
class Cleared:
    """What `clear_queue` cancelled or would cancel: the jobs that match, and what requires them. Lists are cut."""

    jobs: Sequence[Job]
    count: int
    dependants: Sequence[Job]
    dependant_count: int
    has_more: bool


_DEPENDANTS = text("""
with recursive hit as (
  select unnest(cast(:ids as uuid[])) as id
  union
  select j.id from hit join job_dependencies d on d.dependency_id = hit.id and d.is_required
  join jobs j on j.id = d.job_id and j.status = 'BLOCKED'
)
select id from hit except select unnest(cast(:ids as uuid[])) order by id
""")


async def clear_queue(session: AsyncSession, viewer: Viewer, wanted: JobFilter, *, dry_run: bool) -> Cleared:
    """Jobs that match and have not started are cancelled, and with them whatever requires them; running ones go on.

    With `dry_run` nothing changes: the answer is what would be cancelled. Deletions are spared.
    """
    if set(wanted.status) - set(WAITING):
        raise BadInputError(
            "Only what waits can be cleared: BLOCKED, SCHEDULED, QUEUED. Use cancelJob for a running job.",
            field=("filter", "status"),
        )
    statement = _editable(viewer, replace(wanted, status=wanted.status or WAITING)).with_only_columns(Job.id)
    statement = statement.where(Job.kind.not_in(DELETIONS))
    found = (await session.scalars(statement.order_by(Job.id).limit(CLEARED_AT_ONCE + 1))).all()
    ids = list(found[:CLEARED_AT_ONCE])
    dependants = list(await session.scalars(_DEPENDANTS, {"ids": ids})) if ids else []
    if not dry_run and ids:
        cancelled = await cancel_all(session, ids)
        await _note_cleared(session, viewer, {change.job_id for change in cancelled.changes})
        touched = {change.job_id for change in cancelled.changes}
        stopped = {change.job_id for change in cancelled.changes if change.status == JobStatus.CANCELLED.value}
        dependants = sorted(stopped - set(ids))  # what waited for one only to be over goes on
        ids = [one for one in ids if one in touched]
    return Cleared(
        await _load(session, ids[:SHOWN]),
        len(ids),
        await _load(session, dependants[:SHOWN]),
        len(dependants),
        len(found) > CLEARED_AT_ONCE,
    )


async def _note_cleared(session: AsyncSession, viewer: Viewer, ids: Collection[UUID]) -> None:
    """The audit log of each project, or of the instance, knows that so many of its jobs were cancelled."""
    counts = select(Job.project_id, func.count().label("jobs")).where(Job.id.in_(ids)).group_by(Job.project_id)
    for project_id, count in (await session.execute(counts)).all():
        node = ("Instance", audit.INSTANCE) if project_id is None else ("Project", project_id)
        await audit.record(session, viewer, AuditAction.CANCELLED, *node, project_id=project_id, after={"jobs": count})


_LOCK = text("select id, status from jobs where id = any(:ids) order by id for update")
_HANGING = text("""
select distinct d.job_id from job_dependencies d join jobs p on p.id = d.dependency_id
where d.dependency_id = any(:ids) and d.is_required and p.status <> 'SUCCEEDED'
""")


async def delete_job(session: AsyncSession, viewer: Viewer, id: UUID, *, include_dependants: bool) -> list[UUID]:
    """The job is gone with its events; the ids of all that went.

    Raises CuepointError NOT_FINAL, or HAS_DEPENDANTS where other jobs were cancelled because of it: without it
    nobody could tell what they waited for, so they go along or it stays.
    """
    job = await editable_job(session, viewer, id)
    level, hanging = [id], [id]
    while level:
        locked = (await session.execute(_LOCK, {"ids": level})).all()
        if any(not JobStatus(row.status).is_final for row in locked):
            raise CuepointError(ErrorCode.NOT_FINAL, "Only a job that is over can be deleted. Cancel it first.")
        level = [one for one in await session.scalars(_HANGING, {"ids": level}) if one not in hanging]
        hanging += level
    if len(hanging) > 1 and not include_dependants:
        raise await _has_dependants(session, hanging[1:])
    await session.execute(delete(Job).where(Job.id.in_(hanging)))
    told = {"kind": job.kind, "jobs": len(hanging)}
    await audit.record(session, viewer, AuditAction.DELETED, "Job", id, project_id=job.project_id, before=told)
    return hanging


async def _has_dependants(session: AsyncSession, ids: Sequence[UUID]) -> CuepointError:
    named = [f"{SPECS[job.kind].title} (job_{job.id.hex})" for job in await _load(session, ids[:NAMED])]
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return CuepointError(
        ErrorCode.HAS_DEPENDANTS,
        f"Cancelled because of this job, and waiting for its retry: {', '.join(named)}{more}. "
        "Pass `includeDependants` to delete them along.",
    )


def _editable(viewer: Viewer, wanted: JobFilter) -> Select[Job]:
    """Jobs in projects in use in which the viewer is an editor; for administrators also those of no project."""
    theirs = Job.project_id.in_(access.visible_projects(viewer, ProjectRole.EDITOR))
    return filtered_jobs(wanted).where(theirs | Job.project_id.is_(None) if viewer.is_admin else theirs)


async def _load(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Job]:
    statement = select(Job).where(Job.id.in_(ids)).order_by(Job.created_at, Job.id)
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()

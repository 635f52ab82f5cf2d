"""Use cases of deletions: count what would go, ask for it, and the steps of the jobs that carry it out.

Each step can be repeated: what an attempt before has done is found done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import Base
from cuepoint.errors import BadInputError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.clips.models import Clip
from cuepoint.features.files.models import FileRemoval, StoredFile
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import UNFINISHED
from cuepoint.features.moments.models import Moment
from cuepoint.features.projects import service as projects
from cuepoint.features.projects.models import Project, ProjectMember
from cuepoint.features.search.models import RetrievableText
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

CANCELLED_AT_ONCE = 500
ROWS_AT_ONCE = 1000
VIDEOS_AT_ONCE = 20  # each takes thousands of rows along by cascade


@dataclass(frozen=True)
class Counts:
    """What a project holds."""

    videos: int
    uploads: int
    clips: int
    moments: int
    vectors: int
    jobs: int
    unfinished_jobs: int
    files: int
    size_bytes: int
    members: int


@dataclass(frozen=True)
class Requested:
    """What a deletion takes, or would take. `job` is None for a dry run."""

    counts: Counts
    job: Job | None


async def count_contents(session: AsyncSession, project_id: UUID) -> Counts:
    """What the project holds, in one statement."""

    def of(model: type[Base]) -> Select[int]:
        return select(func.count()).select_from(model).where(model.__table__.c.project_id == project_id)

    files = select(func.coalesce(func.sum(StoredFile.size_bytes), 0)).where(StoredFile.project_id == project_id)
    unfinished = of(Job).where(Job.status.in_(UNFINISHED))
    statements = [
        of(Video),
        of(Upload).where(~_is_used()),
        of(Clip),
        of(Moment),
        of(RetrievableText),
        of(Job),
        unfinished,
        of(StoredFile),
        files,
        of(ProjectMember),
    ]
    row = (await session.execute(select(*[one.scalar_subquery() for one in statements]))).one()
    return Counts(*[int(value) for value in row])


def _is_used() -> ColumnElement[bool]:
    return select(Video.id).where(Video.upload_id == Upload.id).exists()


async def delete_project(
    session: AsyncSession, viewer: Viewer, project_id: UUID, *, confirm_name: str, dry_run: bool
) -> Requested:
    """The project is gone for everybody at once, and a job removes all that is in it; owners only, archived or not.

    The job belongs to whoever asked: the project does not outlive it. With `dry_run` nothing changes.
    """
    project = await _confirmed(session, viewer, project_id, confirm_name, dry_run=dry_run)
    counts = await count_contents(session, project_id)
    if dry_run:
        return Requested(counts, None)
    project.deleted_at = datetime.now(UTC)
    await session.flush()
    told = {"name": project.name, "videos": counts.videos, "files": counts.files}
    await audit.record(session, viewer, AuditAction.DELETED, "Project", project_id, project_id=project_id, before=told)
    await session.execute(delete(ProjectMember).where(ProjectMember.project_id == project_id))
    job = await jobs.enqueue(
        session,
        JobKind.PROJECT_DELETION,
        project_id=None,
        created_by_id=viewer.user_id,
        args={"project_id": str(project_id)},
        dedupe_key=f"project:{project_id}:{JobKind.PROJECT_DELETION.value}",
    )
    return Requested(counts, job)


async def wipe_storage(
    session: AsyncSession, viewer: Viewer, project_id: UUID, *, confirm_name: str, dry_run: bool
) -> Requested:
    """Every file of the project is given up and all else is kept: from now on nothing can be made of its videos any
    more, and a job removes what was made. Owners only, archived or not. With `dry_run` nothing changes."""
    await _confirmed(session, viewer, project_id, confirm_name, dry_run=dry_run)
    counts = await count_contents(session, project_id)
    if dry_run:
        return Requested(counts, None)
    given_up = update(Video).where(Video.project_id == project_id, Video.files_removed_at.is_(None))
    await session.execute(given_up.values(files_removed_at=func.now()).execution_options(synchronize_session=False))
    told = {"files": counts.files, "bytes": counts.size_bytes}
    await audit.record(session, viewer, AuditAction.WIPED, "Project", project_id, project_id=project_id, before=told)
    job = await jobs.enqueue(
        session,
        JobKind.STORAGE_WIPE,
        project_id=project_id,
        created_by_id=viewer.user_id,
        dedupe_key=f"project:{project_id}:{JobKind.STORAGE_WIPE.value}",
    )
    return Requested(counts, job)


async def _confirmed(
    session: AsyncSession, viewer: Viewer, project_id: UUID, confirm_name: str, *, dry_run: bool
) -> Project:
    """The project; locked, and its name repeated, unless nothing is to change."""
    project = await projects.locked_project(session, viewer, project_id)
    if not dry_run and " ".join(confirm_name.split()) != project.name:
        raise BadInputError("confirmName must be the name of the project, letter by letter.", field=("confirmName",))
    return project


def asked_at(job_id: UUID) -> ColumnElement[datetime]:
    """When a job was asked for. A wipe takes what was there then, and nothing that came while it waited or ran."""
    return select(Job.created_at).where(Job.id == job_id).scalar_subquery()


async def cancel_some_jobs(session: AsyncSession, project_id: UUID, but: UUID) -> bool:
    """Some of the project's unfinished jobs that are older than the job `but` are cancelled, running ones asked to
    stop; False: there are none to ask."""
    waiting = select(Job.id).where(
        Job.project_id == project_id,
        Job.status.in_(UNFINISHED),
        Job.cancel_requested_at.is_(None),
        Job.id != but,
        Job.created_at <= asked_at(but),
    )
    ids = (await session.scalars(waiting.order_by(Job.id).limit(CANCELLED_AT_ONCE))).all()
    if ids:
        await jobs.cancel_all(session, ids)
    return bool(ids)


async def running_jobs(session: AsyncSession, project_id: UUID, but: UUID) -> int:
    """How many of the project's jobs that are older than the job `but` a worker still runs."""
    older = Job.created_at <= asked_at(but)
    running = (Job.project_id == project_id, Job.status == JobStatus.RUNNING, Job.id != but, older)
    return await session.scalar(select(func.count()).select_from(Job).where(*running)) or 0


async def remove_some_videos(session: AsyncSession, project_id: UUID) -> int:
    """Rows of some of the project's videos are gone with all that hangs on them; their files are on the list of
    removals. How many; 0: there are none left."""
    some = select(Video.id).where(Video.project_id == project_id).order_by(Video.id).limit(VIDEOS_AT_ONCE)
    return await _removed(session, delete(Video).where(Video.id.in_(some)).returning(Video.id))


async def remove_some_uploads(session: AsyncSession, project_id: UUID, *, wiped_by: UUID | None = None) -> int:
    """Rows of some of the project's uploads are gone, their bytes on the list of removals; 0: there are none left.
    With `wiped_by`, the job of a wipe, only of those that did not become videos and were there when it was asked for.
    """
    some = select(Upload.id).where(Upload.project_id == project_id)
    if wiped_by is not None:
        there = Upload.created_at <= asked_at(wiped_by)
        some = some.where(~_is_used(), Upload.status != UploadStatus.ABORTED, there)
    some = some.order_by(Upload.id).limit(ROWS_AT_ONCE)
    return await _removed(session, delete(Upload).where(Upload.id.in_(some)).returning(Upload.id))


async def remove_some_jobs(session: AsyncSession, project_id: UUID) -> int:
    """Rows of some of the project's jobs are gone with their events; 0: there are none left."""
    some = select(Job.id).where(Job.project_id == project_id).order_by(Job.id).limit(ROWS_AT_ONCE)
    return await _removed(session, delete(Job).where(Job.id.in_(some)).returning(Job.id))


async def _removed(session: AsyncSession, statement: object) -> int:
    result = await session.execute(statement, execution_options={"synchronize_session": False})  # type: ignore[call-overload]
    return len(result.all())


async def remove_project_row(session: AsyncSession, project_id: UUID) -> None:
    """The row of a project that was marked as deleted is gone, and by cascade whatever is left of it."""
    await session.execute(delete(Project).where(Project.id == project_id, Project.deleted_at.is_not(None)))


async def is_deleted(session: AsyncSession, project_id: UUID) -> bool:
    """Whether the project is marked as deleted; False once its row is gone."""
    marked = select(Project.id).where(Project.id == project_id, Project.deleted_at.is_not(None))
    return await session.scalar(marked) is not None


async def hurry_removals(session: AsyncSession, project_id: UUID) -> None:
    """Whatever is on the list of removals and was the project's may go now: nothing of it will get a row any more."""
    waiting = update(FileRemoval).where(FileRemoval.project_id == project_id, FileRemoval.job_id.is_(None))
    await session.execute(waiting.values(due_at=func.now()).execution_options(synchronize_session=False))


async def due_removals(session: AsyncSession, project_id: UUID) -> Sequence[str]:
    """Some of the files on the list of removals that were the project's and may go now."""
    due = select(FileRemoval.key).where(
        FileRemoval.project_id == project_id, FileRemoval.due_at <= func.clock_timestamp()
    )
    return (await session.scalars(due.order_by(FileRemoval.due_at).limit(ROWS_AT_ONCE))).all()


async def forget_some_files(session: AsyncSession, project_id: UUID, wiped_by: UUID) -> int:
    """Some rows of the project that name a file name it no more, or are gone where that is all they are for; the
    files are on the list of removals. How many; 0: none names one. Files of videos that came after the wipe was asked
    for stay, with whatever is made of them.

    Works on whatever table has the triggers of `stored_files`, so that no later one is forgotten.
    """
    given_up = select(Video.id).where(Video.project_id == project_id, Video.files_removed_at.is_not(None))
    of_no_video = and_(StoredFile.video_id.is_(None), StoredFile.created_at <= asked_at(wiped_by))
    named = select(StoredFile.slot, StoredFile.owner_id).where(
        StoredFile.project_id == project_id, or_(StoredFile.video_id.in_(given_up), of_no_video)
    )
    rows = (await session.execute(named.order_by(StoredFile.slot).limit(ROWS_AT_ONCE))).all()
    owners: dict[str, list[UUID]] = {}
    for slot, owner_id in rows:
        owners.setdefault(slot, []).append(owner_id)
    for slot, ids in owners.items():
        await session.execute(text(_forgetting(slot)), {"ids": ids})
    return len(rows)


def _forgetting(slot: str) -> str:
    """The statement that takes a file from its row; `slot` is the name of a table and a column of ours."""
    table_name, column = slot.split(".")
    table = Base.metadata.tables[table_name]
    if table_name == "videos":
        change = "update videos set files_removed_at = coalesce(files_removed_at, now())"
    elif table.c[column].nullable:
        change = f"update {table_name} set {column} = null"  # noqa: S608 - names of our own tables
    else:
        change = f"delete from {table_name}"  # noqa: S608 - the same
    return f"{change} where id = any(:ids)"


def shown(counts: Counts) -> Mapping[str, int]:
    """The counts as the result of a job has them."""
    return {"videos": counts.videos, "jobs": counts.jobs, "vectors": counts.vectors, "files": counts.files}

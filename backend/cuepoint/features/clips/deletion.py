"""Deleting clips and reels: hidden at once, kept as long as deleted videos are, then gone with their files.

The file of a row that goes is put on the list of removals by a trigger of its table, in the same transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.jobs import service as jobs
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

PURGE_BATCH = 500
Work = TypeVar("Work", Clip, Reel)


async def delete_work(
    session: AsyncSession, viewer: Viewer, kind: type[Work], key: UUID, *, trash_days: int, permanently: bool = False
) -> datetime | None:
    """The clip or reel is hidden and its job is cancelled. Until when it can be restored; None: it is gone for good.
    `permanently`: at once, also one that was deleted before.

    A job that ends at this moment locks the same rows the other way round: run it with `jobs.in_transaction`.
    Raises NotFoundError, ForbiddenError.
    """
    work = await _locked(session, viewer, kind, key, _there(kind, or_deleted=permanently))
    if work.job_id is not None:
        await jobs.cancel_all(session, [work.job_id])
    await _note(session, viewer, AuditAction.DELETED, work)
    if permanently or not trash_days:
        await session.delete(work)
        await session.flush()
        return None
    work.deleted_at = datetime.now(UTC)
    work.purge_at = work.deleted_at + timedelta(days=trash_days)
    await session.flush()
    return work.purge_at


async def restore_work(session: AsyncSession, viewer: Viewer, kind: type[Work], key: UUID) -> Work:
    """The clip or reel is there again as it was; a job that its deletion cancelled stays cancelled.

    Raises NotFoundError when its time to be restored is over, or it was not deleted.
    """
    work = await _locked(session, viewer, kind, key, _restorable(kind), noun=f"deleted {kind.__name__.lower()}")
    work.deleted_at = work.purge_at = None
    await session.flush()
    await _note(session, viewer, AuditAction.RESTORED, work)
    return work


async def list_deleted(
    session: AsyncSession, viewer: Viewer, kind: type[Work], page: PageRequest, project_id: UUID | None
) -> Page[Work]:
    """Deleted clips or reels that the viewer may restore, newest deletion first."""
    statement = select(kind).where(*_restorable_by(viewer, kind, project_id))
    keys = [(kind.deleted_at, datetime), (kind.id, UUID)]
    return await fetch_page(session, statement, keys, page, descending=True)


async def count_deleted(session: AsyncSession, viewer: Viewer, kind: type[Work], project_id: UUID | None) -> int:
    """How many that list holds."""
    statement = select(func.count()).select_from(kind).where(*_restorable_by(viewer, kind, project_id))
    return (await session.execute(statement)).scalar_one()


def _restorable_by(viewer: Viewer, kind: type[Work], project_id: UUID | None) -> list[ColumnElement[bool]]:
    editable = kind.project_id.in_(access.visible_projects(viewer, ProjectRole.EDITOR))
    conditions: list[ColumnElement[bool]] = [_restorable(kind), editable, *_shown(kind)]
    return conditions if project_id is None else [*conditions, kind.project_id == project_id]


async def purge_due(session: AsyncSession) -> int:
    """Rows of some deleted clips and reels whose time is over are gone; how many. Call it until there are none."""
    return await _purge(session, Clip) + await _purge(session, Reel)


async def _purge(session: AsyncSession, kind: type[Work]) -> int:
    due = select(kind.id).where(kind.purge_at <= func.clock_timestamp()).limit(PURGE_BATCH)
    gone = delete(kind).where(kind.id.in_(due.with_for_update(skip_locked=True))).returning(kind.id)
    return len((await session.scalars(gone, execution_options={"synchronize_session": False})).all())


def _restorable(kind: type[Work]) -> ColumnElement[bool]:
    return kind.purge_at > func.clock_timestamp()


def _there(kind: type[Work], *, or_deleted: bool) -> ColumnElement[bool]:
    return or_(kind.deleted_at.is_(None), _restorable(kind)) if or_deleted else kind.deleted_at.is_(None)


def _shown(kind: type[Work]) -> list[ColumnElement[bool]]:
    """A clip goes with its video."""
    if kind is Reel:
        return []
    return [select(Video.id).where(Video.id == Clip.video_id, Video.deleted_at.is_(None)).exists()]


async def _locked(
    session: AsyncSession,
    viewer: Viewer,
    kind: type[Work],
    key: UUID,
    state: ColumnElement[bool],
    *,
    noun: str | None = None,
) -> Work:
    statement = select(kind).where(kind.id == key, state, *_shown(kind))
    work = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    project_id = None if work is None else work.project_id
    await access.require(session, viewer, project_id, ProjectRole.EDITOR, noun=noun or kind.__name__.lower())
    assert work is not None  # else it was refused
    return work


async def _note(session: AsyncSession, viewer: Viewer, action: AuditAction, work: Clip | Reel) -> None:
    node = (action, type(work).__name__, work.id)
    await audit.record(session, viewer, *node, project_id=work.project_id, before={"title": work.title})

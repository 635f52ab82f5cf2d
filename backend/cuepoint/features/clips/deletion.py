"""Deleting clips and reels: hidden at once, kept as long as deleted videos are, then gone with their files.

The file of a row that goes is put on the list of removals by a trigger of its table, in the same transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

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
    session: AsyncSession, viewer: Viewer, kind: type[Work], key: UUID, *, trash_days: int
) -> datetime | None:
    """The clip or reel is hidden and its job is cancelled. Until when it can be restored; None: it is gone for good.

    A job that ends at this moment locks the same rows the other way round: run it with `jobs.in_transaction`.
    Raises NotFoundError, ForbiddenError.
    """
    work = await _locked(session, viewer, kind, key)
    if work.job_id is not None:
        await jobs.cancel_all(session, [work.job_id])
    await _note(session, viewer, AuditAction.DELETED, work)
    if not trash_days:
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
    work = await _locked(session, viewer, kind, key, is_deleted=True)
    work.deleted_at = work.purge_at = None
    await session.flush()
    await _note(session, viewer, AuditAction.RESTORED, work)
    return work


async def purge_due(session: AsyncSession) -> int:
    """Rows of some deleted clips and reels whose time is over are gone; how many. Call it until there are none."""
    return await _purge(session, Clip) + await _purge(session, Reel)


async def _purge(session: AsyncSession, kind: type[Work]) -> int:
    due = select(kind.id).where(kind.purge_at <= func.clock_timestamp()).limit(PURGE_BATCH)
    gone = delete(kind).where(kind.id.in_(due.with_for_update(skip_locked=True))).returning(kind.id)
    return len((await session.scalars(gone, execution_options={"synchronize_session": False})).all())


async def _locked(
    session: AsyncSession, viewer: Viewer, kind: type[Work], key: UUID, *, is_deleted: bool = False
) -> Work:
    statement = select(kind).where(kind.id == key)
    if is_deleted:
        statement = statement.where(kind.purge_at > func.clock_timestamp())
    else:
        statement = statement.where(kind.deleted_at.is_(None))
    if kind is Clip:
        living = select(Video.id).where(Video.id == Clip.video_id, Video.deleted_at.is_(None))
        statement = statement.where(living.exists())
    work = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    noun = kind.__name__.lower()
    project_id = None if work is None else work.project_id
    await access.require(
        session, viewer, project_id, ProjectRole.EDITOR, noun=f"deleted {noun}" if is_deleted else noun
    )
    assert work is not None  # else it was refused
    return work


async def _note(session: AsyncSession, viewer: Viewer, action: AuditAction, work: Clip | Reel) -> None:
    node = (action, type(work).__name__, work.id)
    await audit.record(session, viewer, *node, project_id=work.project_id, before={"title": work.title})

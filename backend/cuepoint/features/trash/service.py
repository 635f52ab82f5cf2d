"""What lies in the trash: deleted videos whose files are still there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.features.files.models import StoredFile
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.state import VideoStatus, video_status
from cuepoint.viewer import Viewer


@dataclass(frozen=True)
class Trashed:
    """A deleted video; `size_bytes` counts all that was made of it as well."""

    id: UUID
    project_id: UUID
    title: str
    status: VideoStatus
    deleted_at: datetime
    purge_at: datetime
    size_bytes: int


def _restorable(viewer: Viewer, project_id: UUID | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Video.purge_at > func.now(),
        Video.project_id.in_(access.visible_projects(viewer, ProjectRole.EDITOR)),
    ]
    if project_id is not None:
        conditions.append(Video.project_id == project_id)
    return conditions


async def list_trash(
    session: AsyncSession, viewer: Viewer, page: PageRequest, project_id: UUID | None
) -> Page[Trashed]:
    """Deleted videos that the viewer may restore, newest deletion first."""
    statement = select(Video).where(*_restorable(viewer, project_id))
    keys = [(Video.deleted_at, datetime), (Video.id, UUID)]
    found = await fetch_page(session, statement, keys, page, descending=True)
    sizes = await _sizes(session, [video.id for video in found.rows])
    rows = [
        Trashed(
            video.id,
            video.project_id,
            video.title,
            video_status(video, []),
            video.deleted_at,
            video.purge_at,
            sizes.get(video.id, 0),
        )
        for video in found.rows
        if video.deleted_at is not None and video.purge_at is not None
    ]
    return replace(found, rows=rows)


async def _sizes(session: AsyncSession, video_ids: list[UUID]) -> dict[UUID, int]:
    statement = (
        select(StoredFile.video_id, func.sum(StoredFile.size_bytes))
        .where(StoredFile.video_id.in_(video_ids))
        .group_by(StoredFile.video_id)
    )
    return {video_id: int(size) for video_id, size in await session.execute(statement) if video_id is not None}


async def count_trash(session: AsyncSession, viewer: Viewer, project_id: UUID | None) -> int:
    """How many deleted videos that list holds."""
    statement = select(func.count()).select_from(Video).where(*_restorable(viewer, project_id))
    return (await session.execute(statement)).scalar_one()

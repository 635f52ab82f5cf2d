"""Statements of moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.moments.models import Moment
from cuepoint.features.projects import access
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

UNFINISHED = tuple(status for status in JobStatus if not status.is_final)


def visible_moments(viewer: Viewer) -> Select[Moment]:
    """Moments of living videos in the viewer's projects."""
    living = select(Video.id).where(Video.id == Moment.video_id, Video.deleted_at.is_(None)).exists()
    return select(Moment).where(access.sees_video(viewer, Moment.project_id, Moment.video_id), living)


async def lock_video(session: AsyncSession, video_id: UUID) -> bool:
    """Whether the video is there, undeleted; whoever else replaces its moments waits until the transaction ends."""
    statement = select(Video.id).where(Video.id == video_id, Video.deleted_at.is_(None))
    return (await session.scalar(statement.with_for_update(key_share=True))) is not None


async def unfinished_jobs(session: AsyncSession, video_id: UUID, kinds: Sequence[JobKind]) -> Sequence[UUID]:
    """Jobs of these kinds on the video that wait or run."""
    statement = select(Job.id).where(Job.video_id == video_id, Job.kind.in_(kinds), Job.status.in_(UNFINISHED))
    return (await session.scalars(statement.order_by(Job.id))).all()


async def replace_moments(session: AsyncSession, video_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    """The video's moments are these; a row whose id stays keeps what hangs on it."""
    await session.execute(
        delete(Moment).where(Moment.video_id == video_id, Moment.id.not_in([row["id"] for row in rows]))
    )
    if rows:
        statement = insert(Moment).values(list(rows))
        changed = ("job_id", "title", "reason", "score", "signals", "priority", "method")
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_={name: getattr(statement.excluded, name) for name in changed}
            )
        )

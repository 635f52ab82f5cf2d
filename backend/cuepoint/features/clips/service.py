"""Use cases of clips: ask for one by range or moment, read and list them, store the rendered file."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import ClipMode, RenderedClip
from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips.models import Clip
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.moments import service as moments
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.service import MediaFile
from cuepoint.viewer import Viewer

MAX_TITLE = 300
MIN_CLIP_MS = 100
MAX_CLIP_MS = 3600 * 1000  # an hour: longer cuts are renditions, not clips


async def request_clip(
    session: AsyncSession,
    viewer: Viewer,
    *,
    video_id: UUID,
    start_ms: int | None,
    end_ms: int | None,
    moment_id: UUID | None,
    title: str | None,
    mode: ClipMode = ClipMode.SMART,
) -> tuple[Clip, Job]:
    """A clip of exactly one of a range or a moment, and the job that cuts it, in the same transaction."""
    video = await videos.get_video(session, viewer, video_id, ProjectRole.EDITOR)
    start_ms, end_ms, shown = await _range(session, viewer, video, start_ms, end_ms, moment_id)
    _check_range(video, start_ms, end_ms)
    shown = " ".join(title.split()) if title is not None else shown
    if not 1 <= len(shown) <= MAX_TITLE or "\x00" in shown:
        raise BadInputError(f"The title must have 1 to {MAX_TITLE} characters.", field=("title",))
    clip_id = uuid7()
    job = await jobs.enqueue(
        session,
        JobKind.CLIP_EXTRACTION,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=viewer.user_id,
        args={"clip_id": str(clip_id)},
    )
    clip = Clip(
        id=clip_id,
        project_id=video.project_id,
        video_id=video.id,
        moment_id=moment_id,
        job_id=job.id,
        created_by_id=viewer.user_id,
        title=shown,
        requested_start_ms=start_ms,
        requested_end_ms=end_ms,
        mode=mode,
    )
    session.add(clip)
    await session.flush()
    await session.refresh(clip)
    return clip, job


async def _range(
    session: AsyncSession,
    viewer: Viewer,
    video: Video,
    start_ms: int | None,
    end_ms: int | None,
    moment_id: UUID | None,
) -> tuple[int, int, str]:
    if moment_id is not None and start_ms is None and end_ms is None:
        moment = await moments.get_moment(session, viewer, moment_id)
        if moment.video_id != video.id:
            raise NotFoundError("moment", field=("momentId",))
        return moment.start_ms, moment.end_ms, moment.title[:MAX_TITLE]
    if moment_id is None and start_ms is not None and end_ms is not None:
        return start_ms, end_ms, f"{video.title[:200]} {start_ms / 1000:.3f}-{end_ms / 1000:.3f} s"
    raise BadInputError("Give either both start and end, or momentId, not a mixture.", field=("start",))


def _check_range(video: Video, start_ms: int, end_ms: int) -> None:
    if video.duration_ms is None:
        raise CuepointError(
            ErrorCode.NOT_READY, "The length of the video is not known yet; wait for its PROBE job.", field=("videoId",)
        )
    if start_ms >= end_ms or end_ms - start_ms < MIN_CLIP_MS:
        raise BadInputError(f"end must lie at least {MIN_CLIP_MS / 1000} s after start.", field=("end",))
    if start_ms >= video.duration_ms or end_ms > video.duration_ms:
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"The range ends at {end_ms / 1000:.3f} s; the video has {video.duration_ms / 1000:.3f} s.",
            field=("end",),
        )
    if end_ms - start_ms > MAX_CLIP_MS:
        raise BadInputError(f"A clip may have {MAX_CLIP_MS // 1000} s.", field=("end",))


async def get_clip(session: AsyncSession, viewer: Viewer, clip_id: UUID) -> Clip:
    """The clip, if the viewer may see its video."""
    clip = await session.scalar(select(Clip).where(Clip.id == clip_id, *_visible(viewer)))
    if clip is None:
        raise NotFoundError("clip")
    return clip


def _visible(viewer: Viewer) -> list[ColumnElement[bool]]:
    living = select(Video.id).where(Video.id == Clip.video_id, Video.deleted_at.is_(None)).exists()
    return [Clip.project_id.in_(access.visible_projects(viewer)), living]


async def list_clips(session: AsyncSession, viewer: Viewer, page: PageRequest, video_id: UUID | None) -> Page[Clip]:
    """Clips that the viewer may see, oldest first."""
    statement = select(Clip).where(*_visible(viewer))
    if video_id is not None:
        statement = statement.where(Clip.video_id == video_id)
    return await fetch_page(session, statement, [(Clip.created_at, datetime), (Clip.id, UUID)], page)


async def count_clips(session: AsyncSession, viewer: Viewer, video_id: UUID | None) -> int:
    """How many clips that list holds."""
    statement = select(func.count()).select_from(Clip).where(*_visible(viewer))
    if video_id is not None:
        statement = statement.where(Clip.video_id == video_id)
    return (await session.execute(statement)).scalar_one()


async def clip_row(session: AsyncSession, clip_id: UUID) -> tuple[Clip, Video] | None:
    """The clip and its video for background work, which has no viewer; None when either is gone."""
    statement = (
        select(Clip, Video).join(Video, Video.id == Clip.video_id).where(Clip.id == clip_id, Video.deleted_at.is_(None))
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def record_clip(
    session: AsyncSession, clip_id: UUID, rendered: RenderedClip, stored: ObjectInfo, content_type: str
) -> None:
    """The clip's file is offered from now on."""
    await session.execute(
        update(Clip)
        .where(Clip.id == clip_id)
        .values(
            mode=rendered.mode,
            actual_start_ms=rendered.start_ms,
            actual_end_ms=rendered.end_ms,
            storage_key=stored.key,
            content_type=content_type,
            size_bytes=stored.size_bytes,
            duration_ms=rendered.duration_ms,
            width=rendered.width,
            height=rendered.height,
            rendered_at=datetime.now(UTC),
        )
    )


def filename_of(clip: Clip) -> str:
    """The name under which a browser saves the clip."""
    return f"{videos.slug(clip.title.replace('/', ' ') + '.x')}.{'mp4' if clip.width else 'm4a'}"


async def media_file(session: AsyncSession, clip_id: UUID) -> MediaFile | None:
    """The rendered file, for a signed URL; None until it was probed, and after its video was deleted."""
    row = await clip_row(session, clip_id)
    if row is None:
        return None
    clip, _ = row
    if clip.storage_key is None:
        return None
    return MediaFile(clip.storage_key, clip.content_type or "video/mp4", filename_of(clip))

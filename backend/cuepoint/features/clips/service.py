"""Use cases of clips: ask for one, read and list them, store the rendered file and its captions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import ClipMode, RenderedClip
from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.clips import places
from cuepoint.features.clips.models import CaptionFormat, Clip, ClipFile
from cuepoint.features.clips.options import check_form, conflict
from cuepoint.features.clips.requests import ClipRequest
from cuepoint.features.clips.spans import Range
from cuepoint.features.clips.status import ClipStatus, status_column
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.effective import JobOptions
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.presets.service import effective_options
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.subtitles import CONTENT_TYPES, TranscriptFormat
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.service import MediaFile
from cuepoint.viewer import Viewer

MAX_TITLE = places.MAX_TITLE


async def request_clip(
    session: AsyncSession, viewer: Viewer, request: ClipRequest, *, batch_id: UUID | None = None
) -> tuple[Clip, Job]:
    """The clip that is asked for and the job that cuts it, in the same transaction.

    Raises NotFoundError, BadInputError, CONFLICTING_OPTIONS, and what `places.find_span` raises.
    """
    video = await videos.get_video(session, viewer, request.video_id, ProjectRole.EDITOR)
    videos.require_files(video)
    span = await places.find_span(session, viewer, video, request)
    call = JobOptions(clip_mode=request.mode)
    said = await effective_options(session, video.project_id, call, request.preset_id)
    mode, said_mode = said.options.clip_mode or ClipMode.SMART, said.arguments(JobKind.CLIP_EXTRACTION)
    if mode is ClipMode.FAST and request.mode is None and (span.kept is not None or request.form.reasons_to_render()):
        mode, said_mode = ClipMode.SMART, {}  # a default gives way to what was asked for: nobody's word counts
    if request.mode is ClipMode.FAST and span.kept is not None:
        raise conflict("mode FAST copies, and removing silences means to join pieces. Leave mode out, or say RENDER.")
    check_form(request.form, request.mode, span.duration_ms, videos.stored_media_info(video))
    if request.form.captions is not None:
        await transcripts.active_revision(session, video.id)
    shown = checked_title(request.title, span.title)
    clip_id = uuid7()
    job = await jobs.enqueue(
        session,
        JobKind.CLIP_EXTRACTION,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=viewer.user_id,
        batch_id=batch_id,
        args={"clip_id": str(clip_id), **said_mode},
    )
    is_snapped = span.cut != span.asked
    clip = Clip(
        id=clip_id,
        project_id=video.project_id,
        video_id=video.id,
        moment_id=span.moment_id,
        job_id=job.id,
        created_by_id=viewer.user_id,
        title=shown,
        requested_start_ms=span.asked[0],
        requested_end_ms=span.asked[1],
        snapped_start_ms=span.cut[0] if is_snapped else None,
        snapped_end_ms=span.cut[1] if is_snapped else None,
        kept_ranges=None if span.kept is None else [list(kept) for kept in span.kept],
        mode=mode,
        requested_mode=mode,
        form=request.form.to_json(),
    )
    session.add(clip)
    await session.flush()
    await session.refresh(clip)
    return clip, job


def checked_title(given: str | None, default: str) -> str:
    """The title without line breaks. Raises BadInputError."""
    shown = " ".join(given.split()) if given is not None else default
    if not 1 <= len(shown) <= MAX_TITLE or "\x00" in shown:
        raise BadInputError(f"The title must have 1 to {MAX_TITLE} characters.", field=("title",))
    return shown


def cut_range(clip: Clip) -> Range:
    """What is cut: the range asked for, or where its borders were moved to."""
    if clip.snapped_start_ms is None or clip.snapped_end_ms is None:
        return clip.requested_start_ms, clip.requested_end_ms
    return clip.snapped_start_ms, clip.snapped_end_ms


async def get_clip(session: AsyncSession, viewer: Viewer, clip_id: UUID) -> Clip:
    """The clip, if the viewer may see its video."""
    clip = await session.scalar(select(Clip).where(Clip.id == clip_id, *_visible(viewer)))
    if clip is None:
        raise NotFoundError("clip")
    return clip


async def clips_by_id(session: AsyncSession, viewer: Viewer, clip_ids: Sequence[UUID]) -> dict[UUID, Clip]:
    """Those of the clips that the viewer may see."""
    statement = select(Clip).where(Clip.id.in_(clip_ids), *_visible(viewer))
    return {clip.id: clip for clip in await session.scalars(statement)}


def _visible(viewer: Viewer) -> list[ColumnElement[bool]]:
    living = select(Video.id).where(Video.id == Clip.video_id, Video.deleted_at.is_(None)).exists()
    return [access.sees_video(viewer, Clip.project_id, Clip.video_id), living, Clip.deleted_at.is_(None)]


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


async def count_by_status(session: AsyncSession, viewer: Viewer, video_id: UUID) -> dict[ClipStatus, int]:
    """How many clips of the video are how far. Raises NotFoundError for a video that the viewer may not see."""
    await videos.get_video(session, viewer, video_id)
    status = status_column()
    statement = (
        select(status, func.count())
        .select_from(Clip)
        .outerjoin(Job, Job.id == Clip.job_id)
        .where(Clip.video_id == video_id, Clip.deleted_at.is_(None))
        .group_by(status)
    )
    return {ClipStatus(row[0]): row[1] for row in await session.execute(statement)}


async def clip_row(session: AsyncSession, clip_id: UUID) -> tuple[Clip, Video] | None:
    """The clip and its video for background work, which has no viewer; None when either is gone."""
    living = (Video.deleted_at.is_(None), Clip.deleted_at.is_(None))
    statement = select(Clip, Video).join(Video, Video.id == Clip.video_id).where(Clip.id == clip_id, *living)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def record_request(session: AsyncSession, clip_id: UUID, mode: ClipMode) -> None:
    """The clip is to be cut this way from now on: its job was retried with another one."""
    shown = case(
        (Clip.rendered_at.is_(None), literal(mode, Clip.mode.type)), else_=Clip.mode
    )  # how the file that is there was cut stays
    await session.execute(update(Clip).where(Clip.id == clip_id).values(requested_mode=mode, mode=shown))


async def record_clip(
    session: AsyncSession, clip: Clip, rendered: RenderedClip, stored: ObjectInfo, content_type: str
) -> None:
    """The clip's file is offered from now on."""
    await session.execute(
        update(Clip)
        .where(Clip.id == clip.id)
        .values(
            mode=rendered.mode,
            mode_reason=rendered.reason,
            actual_start_ms=rendered.start_ms,
            actual_end_ms=rendered.end_ms,
            storage_key=stored.key,
            content_type=content_type,
            size_bytes=stored.size_bytes,
            duration_ms=rendered.duration_ms,
            width=rendered.width,
            height=rendered.height,
            loudness_lufs=rendered.loudness_lufs,
            rendered_at=datetime.now(UTC),
        )
    )


async def record_captions(session: AsyncSession, clip: Clip, format: CaptionFormat, stored: ObjectInfo) -> None:
    """The clip has this caption file; an earlier one of the format is replaced."""
    values = {"storage_key": stored.key, "size_bytes": stored.size_bytes}
    row = {"id": uuid7(), "clip_id": clip.id, "project_id": clip.project_id, "video_id": clip.video_id}
    await session.execute(
        insert(ClipFile)
        .values(row | values | {"format": format})
        .on_conflict_do_update(index_elements=["clip_id", "format"], set_=values)
    )


def filename_of(clip: Clip) -> str:
    """The name under which a browser saves the clip."""
    suffix = PurePath(clip.storage_key or "").suffix or (".mp4" if clip.width else ".m4a")
    return f"{_stem(clip)}{suffix}"


def caption_filename(clip: Clip, format: CaptionFormat) -> str:
    """The name of a caption file: players find it beside the clip."""
    return f"{_stem(clip)}.{format.value.lower()}"


def _stem(clip: Clip) -> str:
    return videos.slug(clip.title.replace("/", " ") + ".x")


async def media_file(session: AsyncSession, clip_id: UUID) -> MediaFile | None:
    """The rendered file, for a signed URL; None until it was probed, and after it or its video was deleted."""
    row = await clip_row(session, clip_id)
    if row is None:
        return None
    clip, _ = row
    if clip.storage_key is None:
        return None
    return MediaFile(clip.storage_key, clip.content_type or "video/mp4", filename_of(clip))


async def caption_file(session: AsyncSession, file_id: UUID) -> MediaFile | None:
    """A caption file, for a signed URL; None after its clip or video was deleted."""
    statement = (
        select(ClipFile, Clip)
        .join(Clip, Clip.id == ClipFile.clip_id)
        .join(Video, Video.id == Clip.video_id)
        .where(ClipFile.id == file_id, Video.deleted_at.is_(None), Clip.deleted_at.is_(None))
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    file, clip = row
    content_type = CONTENT_TYPES[TranscriptFormat(file.format.value)]
    return MediaFile(file.storage_key, content_type, caption_filename(clip, file.format))


async def caption_files(session: AsyncSession, clip_ids: Sequence[UUID]) -> dict[UUID, list[ClipFile]]:
    """The caption files of each of these clips, for callers that may see them; clips without any are left out."""
    found: dict[UUID, list[ClipFile]] = defaultdict(list)
    statement = select(ClipFile).where(ClipFile.clip_id.in_(clip_ids)).order_by(ClipFile.format)
    for file in await session.scalars(statement):
        found[file.clip_id].append(file)
    return dict(found)

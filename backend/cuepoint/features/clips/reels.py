"""Use cases of reels: ask for one of ranges, moments and clips of one project, read and list them, store the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import MediaInfo, ReelJoin, RenderedClip, TrackInfo
from cuepoint.adapters.media.forms import PLAIN, CaptionMode, ClipFit, ClipForm
from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips import places, service
from cuepoint.features.clips.models import Clip, Reel, ReelItem
from cuepoint.features.clips.options import check_form, conflict
from cuepoint.features.clips.transitions import check_joins, stored_form
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.moments import service as moments
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.service import MediaFile
from cuepoint.viewer import Viewer

MAX_ITEMS = 50
MAX_REEL_MS = 3600 * 1000
_PLAYABLE = ("video/", "audio/")


class ReelOrder(Enum):
    """In which order pieces are joined. Values are the names clients see."""

    GIVEN = "GIVEN"
    SOURCE_TIME = "SOURCE_TIME"


@dataclass(frozen=True)
class ReelPiece:
    """A piece that is wanted: exactly one of a range of a video, a moment, or a clip."""

    video_id: UUID | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    moment_id: UUID | None = None
    clip_id: UUID | None = None


@dataclass(frozen=True)
class ReelRequest:
    """A reel that is wanted. `loudness` of its form is what every piece is brought to. `transitions` are one for all
    joins, or one for each in the order that is shown; `cross_fade_ms` is the short form of one for all."""

    project_id: UUID
    pieces: Sequence[ReelPiece]
    title: str | None = None
    cross_fade_ms: int = 0
    form: ClipForm = PLAIN
    order: ReelOrder = ReelOrder.GIVEN
    transitions: Sequence[ReelJoin] = ()


@dataclass(frozen=True)
class _Piece:
    """A piece that was found. `length_ms` is that of its file: a clip without silences is shorter than its range."""

    item: ReelItem
    length_ms: int
    has_pictures: bool


@dataclass(frozen=True)
class Source:
    """A piece as it is read: the video or clip that it comes from, and its range in that file."""

    item: ReelItem
    video: Video | None
    clip: Clip | None


async def request_reel(session: AsyncSession, viewer: Viewer, request: ReelRequest) -> tuple[Reel, Job]:
    """The reel and the job that joins it, in the same transaction.

    Raises NotFoundError, BadInputError, CONFLICTING_OPTIONS, RANGE_OUTSIDE_MEDIA, and NOT_READY for a clip that was
    not rendered yet.
    """
    await access.require(session, viewer, request.project_id, ProjectRole.EDITOR)
    if not 1 <= len(request.pieces) <= MAX_ITEMS:
        raise BadInputError(f"A reel has 1 to {MAX_ITEMS} items, not {len(request.pieces)}.", field=("items",))
    reel_id = uuid7()
    pieces = [
        await _located(session, viewer, request.project_id, reel_id, number, piece)
        for number, piece in enumerate(request.pieces)
    ]
    if request.order is ReelOrder.SOURCE_TIME:
        pieces.sort(key=_source_time)
        for number, piece in enumerate(pieces):
            piece.item.position = number
    _check(request, pieces)
    job = await jobs.enqueue(
        session,
        JobKind.REEL_RENDERING,
        project_id=request.project_id,
        created_by_id=viewer.user_id,
        args={"reel_id": str(reel_id)},
    )
    reel = Reel(
        id=reel_id,
        project_id=request.project_id,
        job_id=job.id,
        created_by_id=viewer.user_id,
        title=service.checked_title(request.title, f"Reel of {len(pieces)}"),
        form=stored_form(request.form, request.transitions),
        cross_fade_ms=request.cross_fade_ms,
    )
    session.add(reel)
    await session.flush()
    session.add_all(piece.item for piece in pieces)
    await session.flush()
    await session.refresh(reel)
    return reel, job


def _source_time(piece: _Piece) -> tuple[UUID | None, int, int]:
    """Keys of videos rise with the time at which they were made."""
    return piece.item.video_id, piece.item.start_ms, piece.item.end_ms


async def _located(
    session: AsyncSession, viewer: Viewer, project_id: UUID, reel_id: UUID, number: int, piece: ReelPiece
) -> _Piece:
    try:
        return await _item(session, viewer, project_id, reel_id, number, piece)
    except CuepointError as error:
        error.field = ("items", str(number), *error.field)
        raise


async def _item(
    session: AsyncSession, viewer: Viewer, project_id: UUID, reel_id: UUID, number: int, piece: ReelPiece
) -> _Piece:
    has_range = piece.video_id is not None
    if sum((has_range, piece.moment_id is not None, piece.clip_id is not None)) != 1 or (
        has_range != (piece.start_ms is not None and piece.end_ms is not None)
    ):
        raise BadInputError("Give exactly one of: videoId with start and end, momentId, clipId.")
    if piece.clip_id is not None:
        clip = await service.get_clip(session, viewer, piece.clip_id)
        _same_project(clip.project_id, project_id, "clip")
        if clip.storage_key is None or clip.actual_start_ms is None or clip.actual_end_ms is None:
            raise CuepointError(ErrorCode.NOT_READY, "This clip has no file yet; wait for its job.", field=("clipId",))
        if not (clip.content_type or "").startswith(_PLAYABLE):
            raise CuepointError(
                ErrorCode.CONFLICTING_OPTIONS, "A GIF or WebP cannot be joined; take its range.", field=("clipId",)
            )
        times = {"start_ms": clip.actual_start_ms, "end_ms": clip.actual_end_ms}
        item = ReelItem(
            reel_id=reel_id, position=number, video_id=clip.video_id, clip_id=clip.id, is_clip=True, **times
        )
        length_ms = clip.duration_ms or clip.actual_end_ms - clip.actual_start_ms
        return _Piece(item, length_ms, has_pictures=clip.width is not None)
    if piece.moment_id is not None:
        moment = await moments.get_moment(session, viewer, piece.moment_id)
        video_id, start_ms, end_ms = moment.video_id, moment.start_ms, moment.end_ms
    else:
        video_id, start_ms, end_ms = piece.video_id, piece.start_ms, piece.end_ms  # type: ignore[assignment]
    video = await videos.get_video(session, viewer, video_id)
    _same_project(video.project_id, project_id, "video")
    videos.require_files(video)
    has_pictures = videos.stored_media_info(video).video is not None
    videos.require_time_line(video)
    places.check_range(video, start_ms, end_ms)
    times = {"start_ms": start_ms, "end_ms": end_ms}
    item = ReelItem(reel_id=reel_id, position=number, video_id=video.id, is_clip=False, **times)
    return _Piece(item, end_ms - start_ms, has_pictures)


def _same_project(actual: UUID, wanted: UUID, noun: str) -> None:
    """A reel shows what the members of its project may see, and nothing else."""
    if actual != wanted:
        raise NotFoundError(noun)


def _check(request: ReelRequest, pieces: Sequence[_Piece]) -> None:
    form = request.form
    total = sum(piece.length_ms for piece in pieces)
    if total > MAX_REEL_MS:
        raise BadInputError(f"A reel may have {MAX_REEL_MS // 1000} s.", field=("items",))
    joins = check_joins(request.cross_fade_ms, request.transitions, [piece.length_ms for piece in pieces])
    if form.captions is not None and form.captions.mode is CaptionMode.SIDECAR:
        raise conflict("A reel has no files beside it; burn or embed its captions.", "captions")
    if form.audio_track is not None:
        raise conflict("An audio track is of one video; make a clip with it, and put that into the reel.", "audioTrack")
    if form.fit is ClipFit.KEYFRAMES:
        raise conflict("Key frames are of one clip; make it, and put the clip into the reel.", "fit")
    if not form.format.has_pictures or form.format.is_animation:
        raise conflict(f"A reel is MP4, MOV or WEBM, not {form.format.value}.", "format")
    pictures = (TrackInfo(0, "VIDEO", "h264"),) if any(piece.has_pictures for piece in pieces) else ()
    joined = MediaInfo("mp4", total, 0, None, (*pictures, TrackInfo(1, "AUDIO", "aac")))
    check_form(form, None, total - sum(join.overlap_ms for join in joins), joined)


async def get_reel(session: AsyncSession, viewer: Viewer, reel_id: UUID) -> Reel:
    """The reel, if the viewer may see its project."""
    found = await reels_by_id(session, viewer, [reel_id])
    if reel_id not in found:
        raise NotFoundError("reel")
    return found[reel_id]


async def reels_by_id(session: AsyncSession, viewer: Viewer, reel_ids: Sequence[UUID]) -> dict[UUID, Reel]:
    """Those of the reels that the viewer may see."""
    statement = select(Reel).where(Reel.id.in_(reel_ids), *_visible(viewer))
    return {reel.id: reel for reel in await session.scalars(statement)}


def _visible(viewer: Viewer) -> list[ColumnElement[bool]]:
    return [Reel.project_id.in_(access.shown_projects(viewer)), Reel.deleted_at.is_(None)]


async def list_reels(session: AsyncSession, viewer: Viewer, page: PageRequest, project_id: UUID | None) -> Page[Reel]:
    """Reels that the viewer may see, oldest first."""
    statement = select(Reel).where(*_visible(viewer))
    if project_id is not None:
        statement = statement.where(Reel.project_id == project_id)
    return await fetch_page(session, statement, [(Reel.created_at, datetime), (Reel.id, UUID)], page)


async def count_reels(session: AsyncSession, viewer: Viewer, project_id: UUID | None) -> int:
    """How many reels that list holds."""
    statement = select(func.count()).select_from(Reel).where(*_visible(viewer))
    if project_id is not None:
        statement = statement.where(Reel.project_id == project_id)
    return (await session.execute(statement)).scalar_one()


async def items_of(session: AsyncSession, reel_ids: Sequence[UUID]) -> dict[UUID, list[ReelItem]]:
    """The pieces of each reel in order, for callers that may see the reels."""
    found: dict[UUID, list[ReelItem]] = defaultdict(list)
    statement = select(ReelItem).where(ReelItem.reel_id.in_(reel_ids))
    for item in await session.scalars(statement.order_by(ReelItem.reel_id, ReelItem.position)):
        found[item.reel_id].append(item)
    return dict(found)


async def reel_sources(session: AsyncSession, reel_id: UUID) -> tuple[Reel, list[Source]]:
    """The reel and its pieces for background work. Raises NotFoundError when it, or what a piece shows, is gone."""
    reel = await session.get(Reel, reel_id)
    if reel is None or reel.deleted_at is not None:
        raise NotFoundError("reel")
    statement = (
        select(ReelItem, Video, Clip)
        .outerjoin(Video, (Video.id == ReelItem.video_id) & Video.deleted_at.is_(None))
        .outerjoin(Clip, Clip.id == ReelItem.clip_id)
        .where(ReelItem.reel_id == reel_id)
        .order_by(ReelItem.position)
    )
    sources = [Source(row[0], row[1], row[2]) for row in await session.execute(statement)]
    for source in sources:
        if source.video is None:
            raise NotFoundError("video", field=("items", str(source.item.position)))
        if source.item.is_clip and source.clip is None:
            raise NotFoundError("clip", field=("items", str(source.item.position)))
    return reel, sources


async def record_reel(
    session: AsyncSession, reel_id: UUID, rendered: RenderedClip, stored: ObjectInfo, content_type: str
) -> None:
    """The reel's file is offered from now on."""
    await session.execute(
        update(Reel)
        .where(Reel.id == reel_id)
        .values(
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


def filename_of(reel: Reel) -> str:
    """The name under which a browser saves the reel."""
    return f"{videos.slug(reel.title.replace('/', ' ') + '.x')}{PurePath(reel.storage_key or '.mp4').suffix or '.mp4'}"


async def media_file(session: AsyncSession, reel_id: UUID) -> MediaFile | None:
    """The rendered file, for a signed URL; None until it was probed, and after it was deleted."""
    reel = await session.get(Reel, reel_id)
    if reel is None or reel.storage_key is None or reel.deleted_at is not None:
        return None
    return MediaFile(reel.storage_key, reel.content_type or "video/mp4", filename_of(reel))

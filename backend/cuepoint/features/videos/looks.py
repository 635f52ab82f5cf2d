"""Use cases of what is made to look at videos: storyboards, waveforms, posters and proxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base_looks import SoundPicture, StoryboardPack
from cuepoint.adapters.media.base_waveform import file_bytes
from cuepoint.adapters.media.ranges import shifted
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.kinds import dedupe_key
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos import repository
from cuepoint.features.videos.models import Rendition, RenditionKind, SoundMap, Storyboard, Video
from cuepoint.features.videos.service import MediaFile, get_rendition, get_video, require_files, stored_media_info
from cuepoint.features.videos.similarity import bands_of, hashes_of
from cuepoint.viewer import Viewer

POSTER_SIDES: Mapping[RenditionKind, int] = {
    RenditionKind.POSTER: 1280,
    RenditionKind.POSTER_MEDIUM: 640,
    RenditionKind.POSTER_SMALL: 320,
}
SMALLER_POSTERS = (RenditionKind.POSTER_MEDIUM, RenditionKind.POSTER_SMALL)
MAX_PICTURE_BYTES = 50 * 1024**2  # a JPEG of 36 megapixels has about 20 MB


@dataclass(frozen=True)
class BoardFile:
    """A storyboard's grid, and the file that holds its pictures."""

    board: Storyboard
    rendition: Rendition

    def sheet(self, number: int) -> MediaFile | None:
        """A sheet, by its number from 0."""
        return self._part(self.board.sheet_ends, number, 0, f"sheet-{number}.jpg")

    def tile(self, number: int) -> MediaFile | None:
        """A single tile, by its number from 0."""
        return self._part(self.board.tile_ends, number, self.board.sheet_ends[-1], f"tile-{number}.jpg")

    def small(self, number: int) -> MediaFile | None:
        """A tile in half its width, by its number from 0; the tile itself where a process of the release before this
        has replaced the file, and left what it does not know of in the row."""
        ends = self.board.small_ends
        if not ends or ends[-1] > self.rendition.size_bytes:
            return self.tile(number)
        return self._part(ends, number, self.board.tile_ends[-1], f"small-{number}.jpg")

    def _part(self, ends: Sequence[int], number: int, start: int, name: str) -> MediaFile | None:
        if not 0 <= number < len(ends):
            return None
        span = (ends[number - 1] if number else start, ends[number])
        return MediaFile(self.rendition.storage_key, "image/jpeg", name, span)


@dataclass(frozen=True)
class SmallerPosters:
    """Smaller copies of the poster that lies under that key."""

    poster_key: str
    copies: Sequence[Rendition]


@dataclass(frozen=True)
class DrawnTrack:
    """A waveform in a file of several: of which audio track it is, its first byte, and how the sound lies in time."""

    index: int | None  # None: the default one
    first_byte: int
    samples: int
    start_ms: int


async def replace_storyboard(
    session: AsyncSession, video_id: UUID, pack: StoryboardPack, rendition: Rendition, smaller: SmallerPosters | None
) -> None:
    """The video's storyboard is this one, and these are the smaller copies of its poster.

    Where the poster was replaced while they were made, those of the new one, which came with it, stay.
    """
    await _living(session, video_id)
    rendition_id = await repository.replace_rendition(session, rendition)
    facts = {
        "rendition_id": rendition_id,
        "tile_width": pack.tile_width,
        "tile_height": pack.tile_height,
        "columns": pack.columns,
        "rows": pack.rows,
        "interval_ms": pack.interval_ms,
        "sheet_ends": list(pack.sheet_ends),
        "tile_ends": list(pack.tile_ends),
        "small_ends": list(pack.small_ends),
        "hashes": pack.hashes,
        "bands": bands_of(hashes_of(pack.hashes)),
        "step_ms": pack.step_ms,
        "black_ranges": list(pack.black_ranges),
        "freeze_ranges": list(pack.freeze_ranges),
    }
    await _replace(session, Storyboard, video_id, facts)
    await _replace_smaller_posters(session, video_id, smaller)


async def _replace_smaller_posters(session: AsyncSession, video_id: UUID, smaller: SmallerPosters | None) -> None:
    poster = await get_rendition(session, video_id, RenditionKind.POSTER)
    if smaller is not None and poster is not None and poster.storage_key == smaller.poster_key:
        for copy in smaller.copies:
            await repository.replace_rendition(session, copy)


async def remove_storyboard(session: AsyncSession, video_id: UUID, smaller: SmallerPosters | None = None) -> None:
    """The video has no storyboard: it has no moving pictures. An image has a poster, and smaller copies of it."""
    await _living(session, video_id)
    await repository.remove_rendition(session, video_id, RenditionKind.STORYBOARD)
    await session.execute(delete(Storyboard).where(Storyboard.video_id == video_id))
    await _replace_smaller_posters(session, video_id, smaller)


async def replace_sound_map(
    session: AsyncSession,
    video_id: UUID,
    picture: SoundPicture,
    rendition: Rendition,
    posters: Sequence[Rendition] = (),
    *,
    samples: int,
    further: Sequence[DrawnTrack] = (),
    chosen: int | UUID | None = None,
) -> None:
    """The video's waveform is this one, and these are pictures of it where they stand for the video.

    `rendition.start_ms` is where the sound begins on the media's time line; `further` tracks lie in the same file.
    `chosen` is the `chosen_poster` that was looked at: another one that was chosen meanwhile stays.
    """
    video = await _living(session, video_id)
    if posters and video.chosen_poster == chosen:
        video.poster_upload_id = None  # an uploaded one was gone
        await session.flush()
        for poster in posters:
            await repository.replace_rendition(session, poster)
    rendition_id = await repository.replace_rendition(session, rendition)
    start_ms = rendition.start_ms or 0
    facts = {
        "rendition_id": rendition_id,
        "samples": samples,
        "start_ms": start_ms,
        "silences": shifted(picture.silences, start_ms),
        "sounds": shifted(picture.sounds, start_ms),
        "tracks": [asdict(track) for track in further],
    }
    await _replace(session, SoundMap, video_id, facts)


async def remove_sound_map(session: AsyncSession, video_id: UUID) -> None:
    """The video has no waveform: it has no sound."""
    await repository.remove_rendition(session, video_id, RenditionKind.WAVEFORM)
    await session.execute(delete(SoundMap).where(SoundMap.video_id == video_id))


async def maps_for_cuts(session: AsyncSession, video_id: UUID, accuracy_ms: int) -> tuple[int, list[int], list[int]]:
    """The length of the video, 0 where it is unknown; its silences; and its black ranges, where they are known to so
    many milliseconds."""
    black = case((Storyboard.step_ms <= accuracy_ms, Storyboard.black_ranges))
    statement = (
        select(Video.duration_ms, SoundMap.silences, black)
        .select_from(Video)
        .outerjoin(SoundMap, SoundMap.video_id == Video.id)
        .outerjoin(Storyboard, Storyboard.video_id == Video.id)
        .where(Video.id == video_id)
    )
    row = (await session.execute(statement)).one()
    return row[0] or 0, row[1] or [], row[2] or []


def drawn_track(row: SoundMap, file: Rendition, index: int | None) -> DrawnTrack | None:
    """Where the waveform of an audio track lies, with None that of the default one; None where it was not drawn.

    A process of the release before tracks replaces the file and leaves what it does not know of in the row.
    """
    if index is None:
        return DrawnTrack(None, 0, row.samples, row.start_ms)
    found = next((DrawnTrack(**track) for track in row.tracks if track["index"] == index), None)
    return None if found is None or found.first_byte + file_bytes(found.samples) > file.size_bytes else found


async def _living(session: AsyncSession, video_id: UUID) -> Video:
    video = await repository.locked_video(session, video_id, exclusively=False)
    if video is None:
        raise NotFoundError("video")
    return video


async def _replace(
    session: AsyncSession, entity: type[Storyboard | SoundMap], video_id: UUID, facts: dict[str, Any]
) -> None:
    statement = insert(entity).values(video_id=video_id, **facts)
    await session.execute(statement.on_conflict_do_update(index_elements=["video_id"], set_=facts))


async def request_poster(
    session: AsyncSession, viewer: Viewer, video_id: UUID, at_ms: int | None = None, *, upload_id: UUID | None = None
) -> tuple[Video, Job]:
    """The poster will be the picture shown at that time, or the one that was uploaded; later jobs keep to it.

    Raises BAD_USER_INPUT unless exactly one is given. Of a time: NOT_READY before the probe, UNSUPPORTED_MEDIA for
    sound alone, RANGE_OUTSIDE_MEDIA behind the end. Of an upload: see `picture_upload`.
    """
    if (at_ms is None) == (upload_id is None):
        raise BadInputError(
            "Give a moment of the video (`at`) or an uploaded picture (`uploadId`), and only one of them.",
            field=("at" if upload_id is None else "uploadId",),
        )
    video = await get_video(session, viewer, video_id, ProjectRole.EDITOR)
    require_files(video)
    if at_ms is not None:
        _check_moment(video, at_ms)
        return video, await _enqueue(session, viewer, video, JobKind.POSTER, {"at_ms": at_ms})
    assert upload_id is not None  # one of the two is given
    await picture_upload(session, video, upload_id)
    return video, await _enqueue(session, viewer, video, JobKind.POSTER, {"upload_id": str(upload_id)})


async def picture_upload(session: AsyncSession, video: Video, upload_id: UUID) -> Upload:
    """The upload, if it may be the poster of a video that the viewer may change; whether it is a picture is for the job
    to see.

    Raises NOT_FOUND also for an upload to another project than the video's, UPLOAD_INCOMPLETE, UPLOAD_EXPIRED,
    UPLOAD_ALREADY_USED for one that is a video by now, and UPLOAD_TOO_LARGE.
    """
    upload = await session.get(Upload, upload_id)
    if upload is None or upload.project_id != video.project_id:
        raise NotFoundError("upload to the project of the video", field=("uploadId",))
    uploads.check_whole(upload, datetime.now(UTC))
    if not upload.storage_key.startswith(uploads.OPEN_PREFIX):
        raise CuepointError(
            ErrorCode.UPLOAD_ALREADY_USED,
            "A video was made of this upload. Upload the picture again, and do not register it.",
            field=("uploadId",),
        )
    if upload.offset_bytes > MAX_PICTURE_BYTES:
        raise CuepointError(
            ErrorCode.UPLOAD_TOO_LARGE,
            f"A poster can have {MAX_PICTURE_BYTES} bytes, and this upload has {upload.offset_bytes}. Make it smaller.",
            field=("uploadId",),
        )
    return upload


def _check_moment(video: Video, at_ms: int) -> None:
    info = stored_media_info(video)
    if info.video is None:
        what = "an image: it is its own poster" if info.is_image else "sound alone: it has no picture"
        raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, f"This is {what}.", field=("videoId",))
    if video.duration_ms is not None and at_ms >= video.duration_ms:
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"The video ends at {video.duration_ms / 1000:.3f} s; choose a moment before that.",
            field=("at",),
        )


async def record_posters(
    session: AsyncSession, video_id: UUID, chosen: int | UUID, posters: Sequence[Rendition]
) -> None:
    """The video's posters are these, chosen by a person: the picture of a moment (milliseconds), or of an upload."""
    video = await _living(session, video_id)
    video.poster_at_ms = chosen if isinstance(chosen, int) else None
    video.poster_upload_id = chosen if isinstance(chosen, UUID) else None
    await session.flush()
    for poster in posters:
        await repository.replace_rendition(session, poster)


async def request_proxy(session: AsyncSession, viewer: Viewer, video_id: UUID) -> tuple[Video, Job]:
    """A proxy will be made, whether browsers play the original or not.

    Raises NOT_READY before the probe, UNSUPPORTED_MEDIA for an image.
    """
    video = await get_video(session, viewer, video_id, ProjectRole.EDITOR)
    require_files(video)
    if stored_media_info(video).is_image:
        raise CuepointError(
            ErrorCode.UNSUPPORTED_MEDIA, "This is an image: browsers show it as it is.", field=("videoId",)
        )
    return video, await _enqueue(session, viewer, video, JobKind.PROXY, {"is_wanted": True})


async def record_proxy(session: AsyncSession, video_id: UUID, proxy: Rendition) -> None:
    """The video's proxy is this one."""
    await _living(session, video_id)
    await repository.replace_rendition(session, proxy)


async def _enqueue(session: AsyncSession, viewer: Viewer, video: Video, kind: JobKind, args: dict[str, Any]) -> Job:
    """Asked for twice with the same wish, the unfinished job is the answer."""
    key = f"{dedupe_key(video.id, kind)}:{'-'.join(str(value) for value in args.values())}"
    return await jobs.enqueue(
        session,
        kind,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=viewer.user_id,
        args=args,
        media_ms=video.duration_ms,
        dedupe_key=key,
    )


async def board_file(session: AsyncSession, video_id: UUID) -> BoardFile | None:
    """The storyboard of a video, for a signed URL; None when there is none, or the video is deleted."""
    statement = (
        select(Storyboard, Rendition)
        .join(Rendition, Rendition.id == Storyboard.rendition_id)
        .join(Video, Video.id == Storyboard.video_id)
        .where(Storyboard.video_id == video_id, Video.deleted_at.is_(None))
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else BoardFile(*row)

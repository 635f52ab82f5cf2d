"""Use cases of what is made to look at videos: storyboards, waveforms, posters and proxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base_looks import SoundPicture, StoryboardPack
from cuepoint.adapters.media.ranges import shifted
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.kinds import dedupe_key
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import ProjectRole
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
) -> None:
    """The video's waveform is this one, and these are pictures of it where they stand for the video.

    `rendition.start_ms` is where the sound begins on the media's time line.
    """
    await _living(session, video_id)
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
    }
    await _replace(session, SoundMap, video_id, facts)


async def remove_sound_map(session: AsyncSession, video_id: UUID) -> None:
    """The video has no waveform: it has no sound."""
    await repository.remove_rendition(session, video_id, RenditionKind.WAVEFORM)


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


async def request_poster(session: AsyncSession, viewer: Viewer, video_id: UUID, at_ms: int) -> tuple[Video, Job]:
    """The poster will be the picture shown at that time; later runs of PROBE keep to it.

    Raises NOT_READY before the probe, UNSUPPORTED_MEDIA for sound alone, RANGE_OUTSIDE_MEDIA behind the end.
    """
    video = await get_video(session, viewer, video_id, ProjectRole.EDITOR)
    require_files(video)
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
    return video, await _enqueue(session, viewer, video, JobKind.POSTER, {"at_ms": at_ms})


async def record_posters(session: AsyncSession, video_id: UUID, at_ms: int, posters: Sequence[Rendition]) -> None:
    """The video's posters are these, chosen by a person."""
    video = await _living(session, video_id)
    video.poster_at_ms = at_ms
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

"""Background work on originals: probe, audio for recognition, and removal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads.keys import video_prefix
from cuepoint.features.videos import repository, service
from cuepoint.features.videos.content_types import content_type_of
from cuepoint.features.videos.models import Rendition, RenditionKind, Video


async def _video(ctx: TaskContext) -> Video:
    async with ctx.db.read() as session:
        video = await service.video_row(session, ctx.video_id)
    if video is None:
        raise NotFoundError("video")
    return video


@task(JobKind.PROBE)
async def probe(ctx: TaskContext) -> None:
    """What the container says is on the video's row, and a poster is stored."""
    video = await _video(ctx)
    ctx.report(0.05, "Reading the container")
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        info = await ctx.adapters.media.probe(path)
        if info.video is None and info.audio is None:
            raise CuepointError(
                ErrorCode.UNSUPPORTED_MEDIA,
                f"The file is a {info.container} container without a picture or sound track that can be decoded.",
            )
        ctx.report(0.4, "Choosing a poster")
        poster = await _poster(ctx, video, path, info) if info.video is not None else None
    content_type = content_type_of(info)
    async with ctx.finish(result={"durationMs": info.duration_ms, "warnings": list(info.warnings)}) as session:
        await service.record_media_info(session, video.id, info, content_type, poster)


async def _poster(ctx: TaskContext, video: Video, path: Path, info: MediaInfo) -> Rendition | None:
    target = ctx.temp_dir / "poster.jpg"
    poster = await ctx.adapters.media.poster(path, target, duration_ms=info.duration_ms)
    if poster is None:
        return None
    key = f"{video_prefix(video.project_id, video.id)}thumbnails/poster.jpg"
    stored = await ctx.adapters.storage.put_file(key, target)
    return Rendition(
        video_id=video.id,
        kind=RenditionKind.POSTER,
        storage_key=key,
        content_type="image/jpeg",
        size_bytes=stored.size_bytes,
        start_ms=poster.at_ms,
        width=poster.width,
        height=poster.height,
    )


@task(JobKind.AUDIO_EXTRACTION)
async def extract_audio(ctx: TaskContext) -> None:
    """The default audio track lies in storage as 16 kHz mono WAV; without one there is no rendition, and no error."""
    video = await _video(ctx)
    track = _audio_track(video)
    if track is None:
        async with ctx.finish(result={"reason": "NO_AUDIO"}):
            pass
        return
    target = ctx.temp_dir / "audio.wav"
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        audio = await ctx.adapters.media.extract_audio(
            path,
            target,
            track_index=track.index,
            duration_ms=video.duration_ms,
            on_progress=partial(report_media_time, ctx, "Extracting audio", video.duration_ms),
        )
    key = f"{video_prefix(video.project_id, video.id)}audio/asr.wav"
    stored = await ctx.adapters.storage.put_file(key, target)
    async with ctx.finish(result={"durationMs": audio.duration_ms}) as session:
        await repository.replace_rendition(
            session,
            Rendition(
                video_id=video.id,
                kind=RenditionKind.ASR_AUDIO,
                storage_key=key,
                content_type="audio/wav",
                size_bytes=stored.size_bytes,
                start_ms=audio.start_ms,
                duration_ms=audio.duration_ms,
            ),
        )


def report_media_time(ctx: TaskContext, stage: str, total_ms: int | None, processed_ms: int) -> None:
    """Progress of work that advances along the media's time line."""
    fraction = min(0.99, processed_ms / total_ms) if total_ms else 0.0
    ctx.report(fraction, stage, processed_ms=processed_ms, total_ms=total_ms)


def _audio_track(video: Video) -> TrackInfo | None:
    return service.stored_media_info(video).audio


@task(JobKind.VIDEO_DELETION)
async def delete_video(ctx: TaskContext) -> None:
    """Every file of the video is gone, then its row with all that hangs on it."""
    ctx.report(0.1, "Removing files")
    removed = await ctx.adapters.storage.delete_prefix(str(ctx.args["prefix"]))
    async with ctx.finish(result={"filesRemoved": removed}) as session:
        await service.remove_row(session, UUID(str(ctx.args["video_id"])))

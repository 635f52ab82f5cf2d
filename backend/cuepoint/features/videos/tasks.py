"""Background work on originals: probe, audio for recognition, and removal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID

from cuepoint.adapters.media.base import MediaInfo, PosterInfo
from cuepoint.adapters.media.base_looks import StillPicture
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.files.layout import owner_prefixes
from cuepoint.features.files.models import FileArea
from cuepoint.features.files.removal import remove_files
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.files.storing import store_file
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.freshness import MadeOf, fresh_by
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.videos import looks, repository, service
from cuepoint.features.videos.content_types import content_type_of
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.tracks import chosen_track


async def _video(ctx: TaskContext) -> Video:
    async with ctx.db.read() as session:
        video = await service.video_row(session, ctx.video_id)
    if video is None:
        raise NotFoundError("video")
    return video


async def original(ctx: TaskContext) -> tuple[Video, list[str | None]] | None:
    """The video and what its bytes are known by, for rules of freshness; None when it is gone."""
    async with ctx.db.read() as session:
        video = await service.video_row(session, ctx.video_id)
    return None if video is None else (video, [video.content_hash, video.storage_key])


async def stored_rendition(ctx: TaskContext, video: Video, kind: RenditionKind) -> Rendition | None:
    """The rendition, if its file is in storage too."""
    async with ctx.db.read() as session:
        found = await service.get_rendition(session, video.id, kind)
    if found is None or await ctx.adapters.storage.head(found.storage_key) is None:
        return None
    return found


async def keeps_poster(ctx: TaskContext, video: Video) -> bool:
    """Whether the poster is one that a person chose, and is there."""
    return video.chosen_poster is not None and await stored_rendition(ctx, video, RenditionKind.POSTER) is not None


@fresh_by(JobKind.PROBE, version=3)
async def probe_made_of(ctx: TaskContext) -> MadeOf | None:
    """The bytes of the original. What has pictures has a poster as well."""
    found = await original(ctx)
    if found is None:
        return None
    video, source = found
    is_there = video.media is not None
    if is_there and service.stored_media_info(video).picture is not None:
        is_there = await stored_rendition(ctx, video, RenditionKind.POSTER) is not None
    return MadeOf(source, is_there=is_there)


@task(JobKind.PROBE)
async def probe(ctx: TaskContext) -> None:
    """What the container says is on the video's row, and a poster is stored."""
    video = await _video(ctx)
    ctx.report(0.05, "Reading the container")
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        info = await ctx.adapters.media.probe(path)
        if info.picture is None and info.audio is None:
            raise CuepointError(
                ErrorCode.UNSUPPORTED_MEDIA,
                f"The file is a {info.container} container without a picture or sound track that can be decoded.",
            )
        track = await chosen_track(ctx, path, info, ctx.args.get("audio_track"), video.audio_track)
        ctx.report(0.4, "Choosing a poster")
        poster = await _poster(ctx, video, path, info) if info.picture else None
    content_type = content_type_of(info)
    async with ctx.finish(result={"durationMs": info.duration_ms, "warnings": list(info.warnings)}) as session:
        await service.record_media_info(
            session, video.id, info, content_type, poster, chosen=video.chosen_poster, audio_track=track
        )
        now = _audio_index(info.with_default_audio(track))
        if video.media is not None and _audio_index(service.stored_media_info(video)) != now:
            await looks.remove_sound_map(session, video.id)  # it was drawn of the other track


def _audio_index(info: MediaInfo) -> int | None:
    return None if info.audio is None else info.audio.index


async def _poster(ctx: TaskContext, video: Video, path: Path, info: MediaInfo) -> Rendition | None:
    """The best picture, or that of the moment which a person chose; None: what there is stays, as does what a person
    chose while its file is there. An uploaded one that is gone cannot be made again."""
    target = ctx.temp_dir / "poster.jpg"
    if await keeps_poster(ctx, video):
        return None
    poster: PosterInfo | StillPicture | None
    if video.poster_at_ms is None:
        poster = await ctx.adapters.media.poster(path, target, duration_ms=info.duration_ms)
    else:
        wanted = [(target, looks.POSTER_SIDES[RenditionKind.POSTER])]
        [poster] = await ctx.adapters.looks.stills(path, wanted, at_ms=video.poster_at_ms)
    if poster is None:
        return None
    stored = await store_file(
        ctx, FileArea.THUMBNAILS, project_id=video.project_id, owner_id=video.id, name="poster", path=target
    )
    return Rendition(
        video_id=video.id,
        kind=RenditionKind.POSTER,
        storage_key=stored.key,
        content_type="image/jpeg",
        size_bytes=stored.size_bytes,
        start_ms=poster.at_ms,
        width=poster.width,
        height=poster.height,
    )


@fresh_by(JobKind.AUDIO_EXTRACTION, version=1)
async def audio_made_of(ctx: TaskContext) -> MadeOf | None:
    """The original and the track that is taken of it."""
    found = await original(ctx)
    if found is None or found[0].media is None:
        return None
    video, source = found
    track = service.stored_media_info(video).audio
    audio = await stored_rendition(ctx, video, RenditionKind.ASR_AUDIO)
    return MadeOf([source, track and track.index], is_there=audio is not None)


@task(JobKind.AUDIO_EXTRACTION)
async def extract_audio(ctx: TaskContext) -> None:
    """The default audio track lies in storage as 16 kHz mono WAV; without one there is no rendition, and no error."""
    video = await _video(ctx)
    track = service.stored_media_info(video).audio
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
    stored = await store_file(
        ctx, FileArea.AUDIO, project_id=video.project_id, owner_id=video.id, name="asr", path=target
    )
    async with ctx.finish(result={"durationMs": audio.duration_ms}) as session:
        await repository.replace_rendition(
            session,
            Rendition(
                video_id=video.id,
                kind=RenditionKind.ASR_AUDIO,
                storage_key=stored.key,
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


@task(JobKind.VIDEO_DELETION)
async def delete_video(ctx: TaskContext) -> None:
    """The video's row is gone with all that hangs on it, then every file: a crash in between leaves them listed."""
    video_id = UUID(str(ctx.args["video_id"]))
    ctx.report(0.1, "Removing rows")
    async with ctx.save() as session:
        is_gone = await service.remove_row(session, video_id)
        if is_gone and ctx.project_id is not None:  # what no row names: left by an earlier release, or by a crash
            prefixes = owner_prefixes(ctx.project_id, video_id)
            await enqueue_removal(session, prefixes, project_id=ctx.project_id, video_id=video_id)
    ctx.report(0.3, "Removing files")
    done = await remove_files(ctx.db, ctx.adapters.storage, video_id=video_id)
    if done.failed:
        raise AdapterError(
            ErrorCode.STORAGE_UNAVAILABLE, f"{done.failed} files of the video were not removed yet.", retryable=True
        )
    async with ctx.finish(result={"filesRemoved": done.files}):
        pass

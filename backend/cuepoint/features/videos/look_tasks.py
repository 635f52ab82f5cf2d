"""Background work for people who look: storyboard, waveform, proxy, and a poster of one's choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from functools import partial
from pathlib import Path
from uuid import UUID

from cuepoint.adapters.media.base_looks import StillPicture
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.files.models import FileArea
from cuepoint.features.files.storing import store_file
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.freshness import MadeOf, fresh_by
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.videos import looks, service
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.playability import proxy_reason
from cuepoint.features.videos.tasks import keeps_poster, original, report_media_time, stored_rendition

SPEECH_RATE = 16_000
WAV_HEADER_BYTES = 44
# What is to blame on a track, and not on this machine.
_UNREADABLE = {
    ErrorCode.UNSUPPORTED_MEDIA,
    ErrorCode.MEDIA_TRUNCATED,
    ErrorCode.MEDIA_LIMIT_EXCEEDED,
    ErrorCode.RENDER_FAILED,
    ErrorCode.CHILD_CRASHED,
}


async def _video(ctx: TaskContext) -> Video:
    async with ctx.db.read() as session:
        video = await service.video_row(session, ctx.video_id)
    if video is None:
        raise NotFoundError("video")
    return video


async def _rendition(ctx: TaskContext, video_id: UUID, kind: RenditionKind) -> Rendition | None:
    async with ctx.db.read() as session:
        return await service.get_rendition(session, video_id, kind)


@fresh_by(JobKind.STORYBOARD, version=2)
async def storyboard_made_of(ctx: TaskContext) -> MadeOf | None:
    """The original, and the poster that is made smaller."""
    found = await original(ctx)
    if found is None or found[0].media is None:
        return None
    video, source = found
    poster = await _rendition(ctx, video.id, RenditionKind.POSTER)
    is_image = service.stored_media_info(video).is_image
    made = await stored_rendition(ctx, video, RenditionKind.POSTER_SMALL if is_image else RenditionKind.STORYBOARD)
    return MadeOf([source, poster and poster.storage_key], is_there=made is not None)


@task(JobKind.STORYBOARD)
async def make_storyboard(ctx: TaskContext) -> None:
    """The storyboard lies in storage as one file, its grid and the maps of the picture in a row, and the poster in
    smaller sizes; without a picture there is neither, and no error."""
    video = await _video(ctx)
    info = service.stored_media_info(video)
    pack, target = None, ctx.temp_dir / "storyboard.bin"
    if info.video is not None:
        async with ctx.adapters.storage.local_copy(video.storage_key) as path:
            pack = await ctx.adapters.looks.storyboard(
                path,
                target,
                duration_ms=video.duration_ms,
                on_progress=partial(report_media_time, ctx, "Looking through the pictures", video.duration_ms),
            )
    smaller = await _smaller_posters(ctx, video) if info.picture is not None else None
    if pack is None:
        none = {"of": "IMAGE"} if info.is_image else {"reason": "NO_PICTURE"}  # an image has its smaller posters
        async with ctx.finish(result=none) as session:
            await looks.remove_storyboard(session, video.id, smaller)
        return
    rendition = await _stored(ctx, video, RenditionKind.STORYBOARD, target, "application/octet-stream")
    result = {"tiles": len(pack.tile_ends), "sheets": len(pack.sheet_ends), "stepMs": pack.step_ms}
    async with ctx.finish(result=result) as session:
        await looks.replace_storyboard(session, video.id, pack, rendition, smaller)


async def _smaller_posters(ctx: TaskContext, video: Video) -> looks.SmallerPosters | None:
    poster = await _rendition(ctx, video.id, RenditionKind.POSTER)
    if poster is None:
        return None
    targets = {kind: ctx.temp_dir / f"{kind.value.lower()}.jpg" for kind in looks.SMALLER_POSTERS}
    wanted = [(target, looks.POSTER_SIDES[kind]) for kind, target in targets.items()]
    async with ctx.adapters.storage.local_copy(poster.storage_key) as path:
        made = await ctx.adapters.looks.shrink(path, wanted)
    copies = await _stored_posters(ctx, video, targets, made, poster.start_ms)
    return looks.SmallerPosters(poster.storage_key, copies)


async def _stored_posters(
    ctx: TaskContext,
    video: Video,
    targets: dict[RenditionKind, Path],
    made: list[StillPicture],
    at_ms: int | None,
) -> list[Rendition]:
    stored = []
    for (kind, target), still in zip(targets.items(), made, strict=True):
        rendition = await _stored(ctx, video, kind, target, "image/jpeg")
        rendition.start_ms, rendition.width, rendition.height = at_ms, still.width, still.height
        stored.append(rendition)
    return stored


@task(JobKind.POSTER)
async def take_poster(ctx: TaskContext) -> None:
    """The poster, in all sizes, is the picture shown at the time in the arguments, or the one of the upload there."""
    video = await _video(ctx)
    ctx.report(0.1, "Taking a poster")
    targets = {kind: ctx.temp_dir / f"{kind.value.lower()}.jpg" for kind in looks.POSTER_SIDES}
    chosen: int | UUID
    if "upload_id" in ctx.args:
        chosen, shown_ms = UUID(str(ctx.args["upload_id"])), None
        made = await _uploaded_picture(ctx, video, chosen, targets)
    else:
        chosen = int(ctx.args["at_ms"])
        wanted = [(target, looks.POSTER_SIDES[kind]) for kind, target in targets.items()]
        async with ctx.adapters.storage.local_copy(video.storage_key) as path:
            made = await ctx.adapters.looks.stills(path, wanted, at_ms=chosen)
        shown_ms = made[0].at_ms
    posters = await _stored_posters(ctx, video, targets, made, shown_ms)
    async with ctx.finish(result={"atMs": shown_ms}) as session:
        await looks.record_posters(session, video.id, chosen, posters)


async def _uploaded_picture(
    ctx: TaskContext, video: Video, upload_id: UUID, targets: dict[RenditionKind, Path]
) -> list[StillPicture]:
    """The picture that was uploaded, in all sizes; it is a foreign file like any other. Raises UNSUPPORTED_MEDIA for
    what is none, MEDIA_LIMIT_EXCEEDED for one of too many pixels, MEDIA_TRUNCATED, and what `picture_upload` raises."""
    async with ctx.db.read() as session:
        upload = await looks.picture_upload(session, video, upload_id)
    path, whole = ctx.temp_dir / "upload", targets[RenditionKind.POSTER]
    try:
        await _write(ctx.adapters.storage.read_upload(upload.storage_key), path)
    except NotFoundError:  # registered or removed meanwhile, which says more
        async with ctx.db.read() as session:
            await looks.picture_upload(session, video, upload_id)
        raise
    info = await ctx.adapters.media.probe(path)
    made = await ctx.adapters.media.poster(path, whole, duration_ms=None) if info.is_image else None
    if made is None:
        raise CuepointError(
            ErrorCode.UNSUPPORTED_MEDIA,
            f"The upload is a file of {info.container}, and no picture. Upload a PNG, JPEG, WebP or GIF.",
        )
    smaller = [(targets[kind], looks.POSTER_SIDES[kind]) for kind in looks.SMALLER_POSTERS]
    return [StillPicture(0, made.width, made.height), *await ctx.adapters.looks.shrink(whole, smaller)]


async def _write(pieces: AsyncIterable[bytes], path: Path) -> None:
    """These bytes are the file."""
    with await asyncio.to_thread(path.open, "wb") as file:
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)


@fresh_by(JobKind.WAVEFORM, version=2)
async def waveform_made_of(ctx: TaskContext) -> MadeOf | None:
    """The original's audio tracks, of which one is extracted, or that there is none. Of sound alone there is a poster
    as well."""
    found = await original(ctx)
    if found is None or found[0].media is None:
        return None
    video, source = found
    info = service.stored_media_info(video)
    audio = await _rendition(ctx, video.id, RenditionKind.ASR_AUDIO)
    if audio is None and info.audio is not None:
        return None
    kinds = [RenditionKind.WAVEFORM, *([RenditionKind.POSTER] if info.video is None else [])]
    made = [await stored_rendition(ctx, video, kind) for kind in kinds]
    return MadeOf([source, audio and audio.storage_key, info.video is None], is_there=None not in made)


@task(JobKind.WAVEFORM)
async def draw_waveform(ctx: TaskContext) -> None:
    """The waveforms of all audio tracks lie in storage as one file, and the silences of the default one in a row;
    without sound there is neither, and no error."""
    video = await _video(ctx)
    audio = await _rendition(ctx, video.id, RenditionKind.ASR_AUDIO)
    if audio is None:
        async with ctx.finish(result={"reason": "NO_AUDIO"}) as session:
            await looks.remove_sound_map(session, video.id)
        return
    target, image = ctx.temp_dir / "waveform.bin", ctx.temp_dir / "poster.jpg"
    is_drawn = service.stored_media_info(video).video is None and not await keeps_poster(ctx, video)
    async with ctx.adapters.storage.local_copy(audio.storage_key) as path:
        picture = await ctx.adapters.looks.listen(
            path,
            target,
            picture=image if is_drawn else None,
            on_progress=partial(report_media_time, ctx, "Drawing the sound", audio.duration_ms),
        )
    posters = await _posters_of_sound(ctx, video, image) if picture.level_bytes and is_drawn else []
    further = await _draw_further(ctx, video, target)
    rendition = await _stored(ctx, video, RenditionKind.WAVEFORM, target, "application/octet-stream")
    rendition.start_ms, rendition.duration_ms = audio.start_ms, audio.duration_ms
    async with ctx.finish(result={"silences": len(picture.silences) // 2}) as session:
        await looks.replace_sound_map(
            session,
            video.id,
            picture,
            rendition,
            posters,
            samples=_samples(audio.size_bytes),
            further=further,
            chosen=video.chosen_poster,
        )


def _samples(wav_bytes: int) -> int:
    return (wav_bytes - WAV_HEADER_BYTES) // 2


async def _draw_further(ctx: TaskContext, video: Video, target: Path) -> list[looks.DrawnTrack]:
    """The waveforms of the audio tracks but the default one, behind it in its file. What cannot be read has none."""
    info = service.stored_media_info(video)
    indexes = [track.index for track in info.tracks if track.type == "AUDIO" and track != info.audio]
    if not indexes:
        return []
    drawn = []
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        for index in indexes:
            on_progress = partial(report_media_time, ctx, f"Drawing audio track {index}", video.duration_ms)
            wav, levels = ctx.temp_dir / "track.wav", ctx.temp_dir / "track.bin"
            try:
                audio = await ctx.adapters.media.extract_audio(
                    path, wav, track_index=index, duration_ms=video.duration_ms, on_progress=on_progress
                )
                await ctx.adapters.looks.listen(wav, levels, on_progress=on_progress)
            except (CuepointError, AdapterError) as error:
                if error.code not in _UNREADABLE:
                    raise
                continue
            first_byte = await asyncio.to_thread(_append, target, levels)
            drawn.append(looks.DrawnTrack(index, first_byte, _samples(audio.size_bytes), audio.start_ms))
    return drawn


def _append(target: Path, more: Path) -> int:
    """Where the bytes of the other file, which are few, begin in this one now."""
    with target.open("ab") as file:
        start = file.tell()
        file.write(more.read_bytes())
    return start


async def _posters_of_sound(ctx: TaskContext, video: Video, image: Path) -> list[Rendition]:
    """The picture of the waveform in all sizes, for media without pictures."""
    targets = {kind: ctx.temp_dir / f"{kind.value.lower()}-of-sound.jpg" for kind in looks.POSTER_SIDES}
    wanted = [(target, looks.POSTER_SIDES[kind]) for kind, target in targets.items()]
    made = await ctx.adapters.looks.shrink(image, wanted)
    return await _stored_posters(ctx, video, targets, made, None)


@fresh_by(JobKind.PROXY, version=1)
async def proxy_made_of(ctx: TaskContext) -> MadeOf | None:
    """The original, and its audio track where one was chosen."""
    found = await original(ctx)
    if found is None or found[0].media is None:
        return None
    video, source = found
    made = await stored_rendition(ctx, video, RenditionKind.PROXY)
    return MadeOf(source if video.audio_track is None else [source, video.audio_track], is_there=made is not None)


@task(JobKind.PROXY)
async def make_proxy(ctx: TaskContext) -> None:
    """A copy that every browser plays lies in storage; none where the original plays, unless one is wanted."""
    video = await _video(ctx)
    info = service.stored_media_info(video)
    if not ctx.args.get("is_wanted") and proxy_reason(info) is None:
        async with ctx.finish(result={"reason": "NOT_NEEDED"}):
            pass
        return
    target = ctx.temp_dir / "proxy.mp4"
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        made = await ctx.adapters.looks.proxy(
            path,
            target,
            info=info,
            on_progress=partial(report_media_time, ctx, "Making a copy for browsers", video.duration_ms),
        )
    rendition = await _stored(ctx, video, RenditionKind.PROXY, target, made.content_type)
    rendition.duration_ms, rendition.width, rendition.height = made.duration_ms, made.width, made.height
    async with ctx.finish(result={"sizeBytes": made.size_bytes}) as session:
        await looks.record_proxy(session, video.id, rendition)


_AREAS = {RenditionKind.PROXY: FileArea.PROCESSED, RenditionKind.WAVEFORM: FileArea.AUDIO}


async def _stored(ctx: TaskContext, video: Video, kind: RenditionKind, path: Path, content_type: str) -> Rendition:
    stored = await store_file(
        ctx,
        _AREAS.get(kind, FileArea.THUMBNAILS),
        project_id=video.project_id,
        owner_id=video.id,
        name=kind.value,
        path=path,
    )
    return Rendition(
        video_id=video.id,
        kind=kind,
        storage_key=stored.key,
        content_type=content_type,
        size_bytes=stored.size_bytes,
    )

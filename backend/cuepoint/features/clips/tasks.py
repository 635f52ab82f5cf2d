"""Background work of clips and reels: cut, join, write captions, probe, store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import ClipMode, JoinedClip, MediaInfo, ReelJoin, ReelPart, RenderedClip
from cuepoint.adapters.media.forms import CaptionMode, CaptionText, ClipForm
from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.errors import NotFoundError
from cuepoint.features.clips import places, reels, service
from cuepoint.features.clips.captions import Stretch, caption_files, caption_text, said_in, stretches
from cuepoint.features.clips.models import CaptionFormat, Clip
from cuepoint.features.clips.options import content_type_of
from cuepoint.features.clips.reels import Source
from cuepoint.features.clips.spans import Range
from cuepoint.features.clips.transitions import asked_joins, each_join, reel_form
from cuepoint.features.files.models import FileArea
from cuepoint.features.files.storing import store_file
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.words import Word, timed_words
from cuepoint.features.videos.service import stored_media_info

_JOINED = "Removing silences joins {} pieces."


@dataclass(frozen=True)
class _Source:
    """What is rendered: the video itself, or its pieces joined into a file of their own."""

    path: Path
    info: MediaInfo
    range: Range
    joined: JoinedClip | None = None

    @property
    def begins_ms(self) -> Sequence[int]:
        """Where each of the pieces begins."""
        return self.joined.begins_ms if self.joined is not None else ()


@task(JobKind.CLIP_EXTRACTION)
async def extract_clip(ctx: TaskContext) -> None:
    """The clip's file lies in storage, its captions beside it; a second run replaces them."""
    async with ctx.db.read() as session:
        row = await service.clip_row(session, UUID(str(ctx.args["clip_id"])))
        if row is None:
            raise NotFoundError("clip")
        clip, video = row
        form = ClipForm.from_json(clip.form)
        words = await places.words_of(session, video.id) if form.captions is not None else []
    info = stored_media_info(video).with_audio_track(form.audio_track)
    content_type, suffix = content_type_of(form, has_pictures=info.video is not None)
    target = ctx.temp_dir / f"clip{suffix}"
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        source = await _source(ctx, clip, path, info)
        rendered = await _rendered(ctx, clip, form, source, words, target)
    project_id = video.project_id
    stored = await store_file(
        ctx, FileArea.EXPORTS, project_id=project_id, owner_id=video.id, name=f"{clip.title}.x", path=target
    )
    files = await _caption_files(ctx, clip, form, rendered, source, words)
    async with ctx.finish(result={"durationMs": rendered.duration_ms, "sizeBytes": stored.size_bytes}) as session:
        await service.record_clip(session, clip, rendered, stored, content_type)
        for kind, file in files:
            await service.record_captions(session, clip, kind, file)


@task(JobKind.REEL_RENDERING)
async def render_reel(ctx: TaskContext) -> None:
    """The reel's file lies in storage; a second run replaces it."""
    async with ctx.db.read() as session:
        reel, sources = await reels.reel_sources(session, UUID(str(ctx.args["reel_id"])))
        form = reel_form(reel)
        words = await _words_of(session, sources) if form.captions is not None else {}
    media = ctx.adapters.media
    async with AsyncExitStack() as stack:
        parts = [await _part(ctx, stack, source) for source in sources]
        on_progress = partial(_report, ctx, sum(part.end_ms - part.start_ms for part in parts))
        joined = ctx.temp_dir / "joined.mp4"
        joins = each_join(asked_joins(reel), len(parts))
        made = await media.join_parts(parts, joined, form=form, joins=joins, on_progress=on_progress)
    content_type, suffix = content_type_of(form, has_pictures=made.width is not None)
    target = ctx.temp_dir / f"reel{suffix}"
    rest = form.after_joining()
    if rest.reasons_to_render():
        captions = None
        if rest.captions is not None:
            shown = _reel_stretches(sources, words, made, joins)
            captions = caption_text([(said_in([part]), part.until_ms) for part in shown], rest.captions.mode)
        rendered: RenderedClip = await media.render_clip(
            joined,
            target,
            start_ms=0,
            end_ms=made.end_ms,
            info=await media.probe(joined),
            on_progress=on_progress,
            mode=ClipMode.RENDER,
            form=rest,
            captions=captions,
        )
        rendered = replace(rendered, loudness_lufs=made.loudness_lufs)
    else:
        rendered = made
        joined.replace(target)
    stored = await store_file(
        ctx, FileArea.EXPORTS, project_id=reel.project_id, owner_id=reel.id, name=f"{reel.title}.x", path=target
    )
    async with ctx.finish(result={"durationMs": rendered.duration_ms, "sizeBytes": stored.size_bytes}) as session:
        await reels.record_reel(session, reel.id, rendered, stored, content_type)


async def _words_of(session: AsyncSession, sources: Sequence[Source]) -> dict[UUID, list[Word]]:
    """What is said in the videos; a video without a transcript adds no captions."""
    ids = {source.video.id for source in sources if source.video is not None and source.clip is None}
    return {key: timed_words(await transcripts.active_segments(session, key)) for key in ids}


def _reel_stretches(
    sources: Sequence[Source], words: dict[UUID, list[Word]], made: JoinedClip, joins: Sequence[ReelJoin]
) -> list[Stretch]:
    """What is captioned of each piece: in a transition one ends, and the next begins, in the middle. Pieces that are
    clips have captions of their own, or none on purpose."""
    middles = (at_ms + join.overlap_ms // 2 for at_ms, join in zip(made.begins_ms[1:], joins, strict=True))
    borders = [0, *middles, made.end_ms]
    places = zip((source.item for source in sources), made.begins_ms, pairwise(borders), strict=True)
    return [
        Stretch(
            words.get(item.video_id, []),
            item.start_ms + first_ms - at_ms,
            min(item.end_ms, item.start_ms + until_ms - at_ms),
            first_ms,
        )
        for item, at_ms, (first_ms, until_ms) in places
        if not item.is_clip and item.video_id is not None
    ]


async def _part(ctx: TaskContext, stack: AsyncExitStack, source: Source) -> ReelPart:
    """A piece with its file at hand; a clip's file is shown whole."""
    if source.video is None:
        raise NotFoundError("video")
    if source.clip is None:
        path = await stack.enter_async_context(ctx.adapters.storage.local_copy(source.video.storage_key))
        return ReelPart(path, stored_media_info(source.video), source.item.start_ms, source.item.end_ms)
    if source.clip.storage_key is None:
        raise NotFoundError("clip")
    path = await stack.enter_async_context(ctx.adapters.storage.local_copy(source.clip.storage_key))
    info = await ctx.adapters.media.probe(path)
    return ReelPart(path, info, 0, info.duration_ms or source.item.end_ms - source.item.start_ms)


async def _source(ctx: TaskContext, clip: Clip, path: Path, info: MediaInfo) -> _Source:
    if clip.kept_ranges is None:
        return _Source(path, info, service.cut_range(clip))
    parts = [ReelPart(path, info, start, end) for start, end in clip.kept_ranges]
    total = sum(part.end_ms - part.start_ms for part in parts)
    joined = ctx.temp_dir / "joined.mp4"
    made = await ctx.adapters.media.join_parts(parts, joined, on_progress=partial(_report, ctx, total))
    return _Source(joined, await ctx.adapters.media.probe(joined), (0, made.end_ms), made)


async def _wanted_mode(ctx: TaskContext, clip: Clip) -> ClipMode:
    """How the job is to cut it, which a retry may have changed; the clip's row says the same afterwards."""
    given = ctx.args.get("mode")
    wanted = ClipMode(given) if given else clip.requested_mode or clip.mode
    if wanted is not clip.requested_mode:
        async with ctx.save() as session:
            await service.record_request(session, clip.id, wanted)
    return wanted


async def _rendered(
    ctx: TaskContext, clip: Clip, form: ClipForm, source: _Source, words: Sequence[Word], target: Path
) -> RenderedClip:
    """The clip, with its range in the video."""
    mode = await _wanted_mode(ctx, clip)
    start_ms, end_ms = source.range
    if source.joined is not None and not form.reasons_to_render():
        source.path.replace(target)
        made: RenderedClip = source.joined
    else:
        made = await ctx.adapters.media.render_clip(
            source.path,
            target,
            start_ms=start_ms,
            end_ms=end_ms,
            info=source.info,
            on_progress=partial(_report, ctx, end_ms - start_ms),
            mode=mode,
            form=form,
            captions=_captions(clip, form, source, words),
        )
    if clip.kept_ranges is None:
        return made
    reason = _JOINED.format(len(clip.kept_ranges))
    return replace(
        made,
        start_ms=clip.kept_ranges[0][0],
        end_ms=clip.kept_ranges[-1][1],
        reason=f"{reason} {made.reason}" if made.reason else reason,
    )


def _captions(clip: Clip, form: ClipForm, source: _Source, words: Sequence[Word]) -> CaptionText | None:
    if form.captions is None or form.captions.mode is CaptionMode.SIDECAR:
        return None
    said = said_in(stretches(words, clip.kept_ranges or [source.range], source.begins_ms))
    return caption_text([(said, source.range[1] - source.range[0])], form.captions.mode)


async def _caption_files(
    ctx: TaskContext, clip: Clip, form: ClipForm, rendered: RenderedClip, source: _Source, words: Sequence[Word]
) -> list[tuple[CaptionFormat, ObjectInfo]]:
    """Captions beside the clip, with the times of the frames that it really holds."""
    if form.captions is None or form.captions.mode is not CaptionMode.SIDECAR:
        return []
    said = said_in(stretches(words, clip.kept_ranges or [(rendered.start_ms, rendered.end_ms)], source.begins_ms))
    # Captions of an hour take a third of a second: not on the event loop.
    texts = await asyncio.to_thread(caption_files, said, rendered.duration_ms)
    files = []
    for kind, text in zip((CaptionFormat.SRT, CaptionFormat.VTT), texts, strict=True):
        path = ctx.temp_dir / f"captions.{kind.value.lower()}"
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        stored = await store_file(
            ctx,
            FileArea.EXPORTS,
            project_id=clip.project_id,
            owner_id=clip.video_id,
            name=f"{clip.title}.x",
            path=path,
        )
        files.append((kind, stored))
    return files


def _report(ctx: TaskContext, total_ms: int, processed_ms: int) -> None:
    ctx.report(
        min(0.99, processed_ms / total_ms), "Rendering", processed_ms=min(processed_ms, total_ms), total_ms=total_ms
    )

"""Background work on speech: recognition window by window, and the passages cut from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cuepoint.adapters.asr.base import AsrModelInfo, AsrWindow, WindowResult
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.freshness import MadeOf, fresh_by
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.quotas import service as quotas
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.chunking import chunk_segments
from cuepoint.features.transcripts.models import EmptyReason, Transcript
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Rendition, RenditionKind, Video

PLANNING_SHARE = 0.02  # planning runs at some hundred times real time, recognition at a few times


@fresh_by(JobKind.TRANSCRIPTION, version=1)
async def transcript_made_of(ctx: TaskContext) -> MadeOf | None:
    """The sound, and all that decides what a recogniser makes of it.

    What people have corrected since stays: their revision is the active one, and a run would replace it.
    """
    async with ctx.db.read() as session:
        video = await videos.video_row(session, ctx.video_id)
        if video is None or video.media is None:
            return None
        audio = await videos.get_rendition(session, video.id, RenditionKind.ASR_AUDIO)
        is_there = await service.has_active(session, video.id)
    if audio is None and videos.stored_media_info(video).audio is not None:
        return None
    sound = audio and [audio.storage_key, audio.size_bytes, audio.start_ms, audio.duration_ms]
    try:
        model = await asyncio.to_thread(ctx.adapters.transcriber.model_info)
    except CuepointError:  # no model: the body says which setting to change
        return None
    return MadeOf([sound, model.key, _wanted_language(ctx)], is_there=is_there)


def _wanted_language(ctx: TaskContext) -> str | None:
    """None: it is to be detected."""
    return ctx.args.get("language") or ctx.settings.whisper_language


@task(JobKind.TRANSCRIPTION)
async def transcribe(ctx: TaskContext) -> None:
    """The video has a new ACTIVE transcript. An attempt that broke off is continued at its first missing window."""
    video, audio = await _source(ctx)
    model = await asyncio.to_thread(ctx.adapters.transcriber.model_info)
    if audio is None:
        await _finish_empty(ctx, video, model, EmptyReason.NO_AUDIO)
        return
    async with ctx.db.write() as session:
        await quotas.check_media(session, ctx.job_id)
    async with ctx.adapters.storage.local_copy(audio.storage_key) as path:
        draft = await _draft(ctx, video, path, model)
        if draft is None:
            await _finish_empty(ctx, video, model, EmptyReason.NO_SPEECH)
            return
        await _recognise(ctx, video, audio, path, draft)
    ctx.report(0.99, "Activating the transcript")
    async with ctx.finish(result={"language": draft.language, "windows": len(draft.windows)}) as session:
        await service.activate(session, draft.id)
        await quotas.record_media(session, ctx.job_id, video.duration_ms or 0)


async def _source(ctx: TaskContext) -> tuple[Video, Rendition | None]:
    """The video and its audio for recognition; None when it has no audio track."""
    async with ctx.db.read() as session:
        video = await videos.video_row(session, ctx.video_id)
        if video is None:
            raise NotFoundError("video")
        audio = await videos.get_rendition(session, video.id, RenditionKind.ASR_AUDIO)
    if audio is None and videos.stored_media_info(video).audio is not None:
        raise CuepointError(
            ErrorCode.NOT_READY, "The audio has not been extracted yet; run the AUDIO_EXTRACTION job before this one."
        )
    return video, audio


async def _finish_empty(ctx: TaskContext, video: Video, model: AsrModelInfo, reason: EmptyReason) -> None:
    async with ctx.finish(result={"emptyReason": reason.value}) as session:
        await service.activate_empty(session, video_id=video.id, job_id=ctx.job_id, model=model, reason=reason)


async def _draft(ctx: TaskContext, video: Video, path: Path, model: AsrModelInfo) -> Transcript | None:
    """The draft to go on with, planned if this is the first attempt; None when there is no speech."""
    async with ctx.db.read() as session:
        draft = await service.find_draft(session, job_id=ctx.job_id, model=model, language=_wanted_language(ctx))
    if draft is not None:
        return draft
    ctx.report(0.0, "Finding speech", processed_ms=0, total_ms=video.duration_ms)
    plan = await ctx.adapters.transcriber.plan(path, language=_wanted_language(ctx))
    if not plan.windows:
        return None
    async with ctx.save() as session:
        return await service.begin_or_resume_draft(
            session, video_id=video.id, job_id=ctx.job_id, model=model, plan=plan
        )


async def _recognise(ctx: TaskContext, video: Video, audio: Rendition, path: Path, draft: Transcript) -> None:
    """Every window that the draft lacks is recognised and stored, one by one."""
    windows = service.planned_windows(draft)
    offset_ms = audio.start_ms or 0
    pending = list(enumerate(windows))[draft.windows_done :]
    _report(ctx, video, offset_ms, windows, draft.windows_done)
    async with _results(ctx, path, pending, draft.language) as results:
        async for result in results:
            async with ctx.save() as session:
                await service.append_window(
                    session,
                    draft.id,
                    result.index,
                    result.segments,
                    offset_ms=offset_ms,
                    media_end_ms=video.duration_ms,
                )
            _report(ctx, video, offset_ms, windows, result.index + 1)


@asynccontextmanager
async def _results(
    ctx: TaskContext, path: Path, pending: Sequence[tuple[int, AsrWindow]], language: str | None
) -> AsyncIterator[AsyncIterator[WindowResult]]:
    """The recogniser's results; whatever ends the loop, a cancel included, stops its work at once."""
    results = ctx.adapters.transcriber.transcribe(path, pending, language=language)
    try:
        yield results
    finally:
        if isinstance(results, AsyncGenerator):
            await results.aclose()


def _report(ctx: TaskContext, video: Video, offset_ms: int, windows: Sequence[AsrWindow], done: int) -> None:
    """Progress by the speech recognised, which is what takes the time; silence costs nothing."""
    lengths = [window.end_ms - window.start_ms for window in windows]
    fraction = PLANNING_SHARE + (0.99 - PLANNING_SHARE) * sum(lengths[:done]) / sum(lengths)
    processed_ms = offset_ms + windows[done - 1].end_ms if done else 0
    if video.duration_ms is not None:
        processed_ms = min(processed_ms, video.duration_ms)
    ctx.report(
        fraction,
        f"Recognising speech, window {min(done + 1, len(windows))} of {len(windows)}",
        processed_ms=max(0, processed_ms),
        total_ms=video.duration_ms,
    )


@task(JobKind.SEGMENTATION)
async def segment(ctx: TaskContext) -> None:
    """The ACTIVE transcript is cut into passages; an empty one has none."""
    async with ctx.db.read() as session:
        video = await videos.video_row(session, ctx.video_id)
        if video is None:
            raise NotFoundError("video")
        transcript = await service.active_revision(session, video.id)
        segments = await service.segments_of(session, transcript.id)
    ctx.report(0.1, "Cutting passages", processed_ms=0, total_ms=video.duration_ms)
    chunks = await asyncio.to_thread(chunk_segments, segments)
    async with ctx.finish(result={"chunks": len(chunks)}) as session:
        await service.replace_chunks(session, transcript.id, chunks)

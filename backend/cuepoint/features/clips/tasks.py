"""Background work of clips: cut, probe, store."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from cuepoint.errors import NotFoundError
from cuepoint.features.clips import service
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads.keys import video_prefix
from cuepoint.features.videos.service import stored_media_info


@task(JobKind.CLIP_EXTRACTION)
async def extract_clip(ctx: TaskContext) -> None:
    """The clip's file lies in storage under a name that follows from its id: a second run replaces it."""
    async with ctx.db.read() as session:
        row = await service.clip_row(session, UUID(str(ctx.args["clip_id"])))
    if row is None:
        raise NotFoundError("clip")
    clip, video = row
    info = stored_media_info(video)
    total = clip.requested_end_ms - clip.requested_start_ms
    target = ctx.temp_dir / ("clip.mp4" if info.video is not None else "clip.m4a")
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        rendered = await ctx.adapters.media.render_clip(
            path,
            target,
            start_ms=clip.requested_start_ms,
            end_ms=clip.requested_end_ms,
            info=info,
            on_progress=partial(_report, ctx, total),
            mode=clip.mode,
        )
    key = f"{video_prefix(video.project_id, video.id)}clips/{clip.id.hex}{target.suffix}"
    stored = await ctx.adapters.storage.put_file(key, target)
    content_type = "video/mp4" if rendered.width else "audio/mp4"
    async with ctx.finish(result={"durationMs": rendered.duration_ms, "sizeBytes": stored.size_bytes}) as session:
        await service.record_clip(session, clip.id, rendered, stored, content_type)


def _report(ctx: TaskContext, total_ms: int, processed_ms: int) -> None:
    ctx.report(min(0.99, processed_ms / total_ms), "Rendering", processed_ms=processed_ms, total_ms=total_ms)

"""Background work of audio files: write one, and store it."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from cuepoint.errors import NotFoundError
from cuepoint.features.files.models import FileArea
from cuepoint.features.files.storing import store_file
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.videos import audio_files
from cuepoint.features.videos.tasks import report_media_time


@task(JobKind.AUDIO_EXPORT)
async def write_audio(ctx: TaskContext) -> None:
    """The track lies in storage in the format that was asked for; its time 0 is that of the media."""
    file_id = UUID(str(ctx.args["audio_file_id"]))
    async with ctx.db.read() as session:
        found = await audio_files.audio_row(session, file_id)
    if found is None:
        raise NotFoundError("audio file")
    row, video = found
    target = ctx.temp_dir / f"audio{audio_files.SUFFIXES[row.format][0]}"
    async with ctx.adapters.storage.local_copy(video.storage_key) as path:
        made = await ctx.adapters.looks.export_audio(
            path,
            target,
            request=audio_files.audio_request(row),
            duration_ms=video.duration_ms,
            on_progress=partial(report_media_time, ctx, "Writing the sound", video.duration_ms),
        )
    stored = await store_file(
        ctx, FileArea.EXPORTS, project_id=video.project_id, owner_id=row.id, name=video.title, path=target
    )
    async with ctx.finish(result={"sizeBytes": made.size_bytes}) as session:
        await audio_files.record_audio(session, file_id, stored.key, made)

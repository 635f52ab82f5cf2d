"""A section of a source: the whole is fetched, as a server cannot cut, then only the wanted part is kept."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from cuepoint.adapters.media.base import MediaInfo
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.files.removal import remove_files
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.imports.downloading import CUT, begin_download
from cuepoint.features.imports.from_sites import file_as_source
from cuepoint.features.imports.models import Import
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.uploads import fetching
from cuepoint.features.uploads.keys import original_key
from cuepoint.features.uploads.models import Upload


def wants_section(row: Import) -> bool:
    """Whether the stored bytes still have to be cut."""
    return row.validator != CUT and (row.start_ms is not None or row.end_ms is not None)


async def keep_section(ctx: TaskContext, row: Import, upload_id: UUID) -> None:
    """The bytes of the whole upload are those of the section: exact to the frame, as MP4.

    Raises RANGE_OUTSIDE_MEDIA, and what the media tools raise for a file that is none.
    """
    async with ctx.db.read() as session:
        upload = await session.get_one(Upload, upload_id)
    whole, target = original_key(upload), ctx.temp_dir / "section.mp4"
    await ctx.adapters.storage.finish_upload(upload.storage_key, whole)
    await _cut(ctx, row, whole, target)
    async with ctx.save() as session:
        locked = await fetching.locked_upload(session, ctx.settings, upload_id)
        fetching.restart(locked)
        await enqueue_removal(session, [whole], project_id=upload.project_id)
    await remove_files(ctx.db, ctx.adapters.storage, keys=[whole])
    name = f"{upload.filename.rpartition('.')[0] or upload.filename}.mp4"
    async with begin_download(ctx, row) as download:
        await download.take(await file_as_source(target, name, CUT))


async def _cut(ctx: TaskContext, row: Import, key: str, target: Path) -> None:
    async with ctx.adapters.storage.local_copy(key) as path:
        ctx.report(0.95, "Cutting the section")
        info = await ctx.adapters.media.probe(path)
        start_ms, end_ms = _range(row, info)

        def on_progress(processed_ms: int) -> None:
            ctx.report(0.96, "Cutting the section", processed_ms=processed_ms, total_ms=end_ms - start_ms)

        await ctx.adapters.media.render_clip(
            path, target, start_ms=start_ms, end_ms=end_ms, info=info, on_progress=on_progress
        )


def _range(row: Import, info: MediaInfo) -> tuple[int, int]:
    start_ms = row.start_ms or 0
    length = info.duration_ms
    end_ms = length if row.end_ms is None else row.end_ms if length is None else min(row.end_ms, length)
    if end_ms is None or start_ms >= end_ms:
        shown = "unknown" if length is None else f"{length / 1000:.3f} s"
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"The section begins at {start_ms / 1000:.3f} s; the length of the source is {shown}.",
            field=("start",),
        )
    return start_ms, end_ms

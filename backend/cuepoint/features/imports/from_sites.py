"""The bytes of a page's video: an extractor brings the file, which then goes the way of every other."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

from cuepoint.adapters.fetch.base import Caption, Opened
from cuepoint.features.imports.downloading import MEBI, Download
from cuepoint.features.imports.models import Import, ImportCaption, ImportKind
from cuepoint.features.imports.service import record_source
from cuepoint.features.jobs.context import TaskContext

READ_BYTES = 4 << 20


async def take_from_site(ctx: TaskContext, row: Import, download: Download) -> None:
    """The video of the page is taken, with what the page tells of it.

    Raises UNSUPPORTED_MEDIA for a page without a video, or where no extractor is installed.
    """

    def on_bytes(done: int, total: int | None) -> None:
        whole = f" of {total / MEBI:.1f}" if total else ""
        ctx.report(min(0.8, 0.8 * done / total) if total else 0.0, f"Fetching, {done / MEBI:.1f}{whole} MiB")

    ctx.report(0.0, "Reading the page")
    found = await ctx.adapters.sites.download(row.address, ctx.temp_dir, on_bytes)
    name = f"{found.title or 'video'}{found.path.suffix}"[-255:]
    row.kind, row.title, row.uploader = ImportKind.SITE, found.title, found.uploader
    row.language, row.extractor, row.extractor_version = found.language, found.extractor, found.extractor_version
    row.chapters = [dataclasses.asdict(chapter) for chapter in found.chapters]
    captions = [await _caption(row, position, caption) for position, caption in enumerate(found.captions)]
    async with ctx.save() as session:
        await record_source(session, row, captions)
    await download.take(await file_as_source(found.path, name, None))


async def file_as_source(path: Path, name: str, validator: str | None) -> Opened:
    """A file of this attempt as what a fetcher opens."""
    size = (await asyncio.to_thread(path.stat)).st_size
    return Opened(
        start=0,
        size_bytes=size,
        validator=validator,
        filename=name,
        content_type=None,
        is_page=False,
        stream=_pieces(path),
    )


async def _caption(row: Import, position: int, caption: Caption) -> ImportCaption:
    text = await asyncio.to_thread(caption.path.read_text, encoding="utf-8", errors="replace")
    return ImportCaption(
        import_id=row.id,
        position=position,
        language=caption.language,
        extension=caption.extension,
        text=text.replace("\x00", ""),
    )


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, READ_BYTES):
            yield piece
    finally:
        file.close()

"""Background work of imports: fetch a file, read a playlist, look through a source."""

from __future__ import annotations

from uuid import UUID

from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.imports.captions import spoken_captions
from cuepoint.features.imports.downloading import PageFoundError, begin_download
from cuepoint.features.imports.from_sites import take_from_site
from cuepoint.features.imports.models import Import
from cuepoint.features.imports.passes import look_through
from cuepoint.features.imports.playlists import expand_playlist
from cuepoint.features.imports.sections import keep_section, wants_section
from cuepoint.features.imports.service import import_row, record_fetched
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.transcripts.service import adopt_captions
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.keys import original_key
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos.intake import find_duplicate, settle_video


@task(JobKind.INGEST)
async def ingest(ctx: TaskContext) -> None:
    """The video has its bytes; or it is gone, where the project has them already and LINK was asked for."""
    async with ctx.db.read() as session:
        row = await import_row(session, UUID(str(ctx.args["import_id"])))
    async with begin_download(ctx, row) as download:
        try:
            await download.run()
        except PageFoundError:
            await take_from_site(ctx, row, download)
    if wants_section(row):
        await keep_section(ctx, row, download.upload_id)
    await _settle(ctx, row, download.upload_id)


async def _settle(ctx: TaskContext, row: Import, upload_id: UUID) -> None:
    """The bytes are moved to where they belong, then the video gets them, and the site's captions as its transcript.
    REJECT drops them."""
    async with ctx.db.read() as session:
        upload = await session.get_one(Upload, upload_id)
    key = original_key(upload)
    try:
        is_moved = await _move(ctx, row, upload, key)
        captions = await spoken_captions(ctx, row, key) if is_moved else None
        hashes = {"contentHash": upload.content_hash, "sha256": upload.declared_sha256}
        facts = {"sizeBytes": upload.offset_bytes, **hashes, "extractor": row.extractor}
        facts = facts | {"extractorVersion": row.extractor_version} if row.extractor else facts
        async with ctx.finish(result={name: value for name, value in facts.items() if value is not None}) as session:
            locked = await session.get_one(Upload, upload.id, with_for_update=True, populate_existing=True)
            linked = await settle_video(
                session, locked, title=row.title, on_duplicate=row.on_duplicate, job_id=ctx.job_id
            )
            if linked is None and captions is not None and row.video_id is not None:
                await adopt_captions(session, video_id=row.video_id, job_id=ctx.job_id, captions=captions)
            await record_fetched(session, row, None if linked is None else linked.id)
    except CuepointError as error:
        if error.code is ErrorCode.DUPLICATE_VIDEO:
            await uploads.give_up(ctx.db, ctx.adapters.storage, upload.id, key)
        raise


async def _move(ctx: TaskContext, row: Import, upload: Upload, key: str) -> bool:
    async with ctx.db.read() as session:
        duplicate = await find_duplicate(session, upload, row.on_duplicate)
    if duplicate is not None and row.on_duplicate is not OnDuplicate.KEEP:
        return False
    await ctx.adapters.storage.finish_upload(upload.storage_key, key)
    return True


@task(JobKind.PLAYLIST_IMPORT)
async def import_playlist(ctx: TaskContext) -> None:
    """Each entry of the playlist is an import of its own."""
    await expand_playlist(ctx)


@task(JobKind.IMPORT_PASS)
async def pass_source(ctx: TaskContext) -> None:
    """Files that were there at the last pass already, and have not changed, are imports."""
    await look_through(ctx)

"""Playlists and channels: one request becomes a batch of imports, each started or refused for itself."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.fetch.base import Fetcher, SiteEntry
from cuepoint.db.base import uuid7
from cuepoint.errors import AdapterError, BadInputError, CuepointError, QueueFullError
from cuepoint.features.imports.models import Import, ImportKind
from cuepoint.features.imports.service import Wish, create_import, note_refusal, wish_of
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.presets.service import effective_options
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.videos.service import StartOptions
from cuepoint.viewer import Viewer

MAX_ENTRIES = 500
DEFAULT_ENTRIES = 25
MAX_SHOWN = 200
_USER = re.compile(r"//[^/]*@")


async def ingest_playlist(
    session: AsyncSession,
    viewer: Viewer,
    fetcher: Fetcher,
    project_id: UUID,
    url: str,
    *,
    limit: int,
    auto_start: bool,
    on_duplicate: OnDuplicate,
    preset_id: UUID | None = None,
) -> Job:
    """A job that reads the playlist and makes an import of each of its first `limit` entries, all of one batch."""
    if not 1 <= limit <= MAX_ENTRIES:
        raise BadInputError(f"A playlist's limit lies between 1 and {MAX_ENTRIES}.", field=("limit",))
    wish = wish_of(fetcher, url, auto_start=auto_start, on_duplicate=on_duplicate)
    if wish.kind is not ImportKind.HTTP:
        raise BadInputError("A playlist is a page: its URL begins with http:// or https://.", field=("url",))
    await access.require(session, viewer, project_id, ProjectRole.EDITOR)
    if preset_id is not None:
        await effective_options(session, project_id, preset_id=preset_id)
    list_id = uuid7()
    row = Import(
        id=list_id,
        project_id=project_id,
        created_by_id=viewer.user_id,
        kind=ImportKind.SITE,
        address=wish.address,
        shown_url=wish.shown,
        on_duplicate=on_duplicate,
    )
    session.add(row)
    await session.flush()
    job = await jobs.enqueue(
        session,
        JobKind.PLAYLIST_IMPORT,
        project_id=project_id,
        created_by_id=viewer.user_id,
        batch_id=list_id,
        args={
            "import_id": str(list_id),
            "limit": limit,
            "auto_start": auto_start,
            "preset_id": None if preset_id is None else str(preset_id),
        },
    )
    row.job_id = job.id
    await session.flush()
    return job


async def expand_playlist(ctx: TaskContext) -> None:
    """Each entry has its import; one that is refused says why in its row. A second run adds what the first did not."""
    list_id = UUID(str(ctx.args["import_id"]))
    async with ctx.db.read() as session:
        row = await session.get_one(Import, list_id)
        known = set(await session.scalars(select(Import.id).where(Import.batch_id == list_id)))
    ctx.report(0.1, "Reading the playlist")
    found = await ctx.adapters.sites.playlist(row.address, int(ctx.args["limit"]))
    started, refused = len(known), 0
    for index, entry in enumerate(found.entries):
        import_id = uuid5(list_id, f"{index} {entry.url}")
        if import_id in known:
            continue
        ctx.report(0.1 + 0.9 * index / len(found.entries), f"{index} of {len(found.entries)} entries")
        is_started = await _start(ctx, row, entry, import_id)
        started, refused = started + is_started, refused + (not is_started)
    facts = {"started": started, "refused": refused, "extractor": found.extractor}
    async with ctx.finish(result={**facts, "extractorVersion": found.extractor_version}) as session:
        stored = await session.get_one(Import, list_id)
        stored.title, stored.address = found.title, row.shown_url
        stored.extractor, stored.extractor_version = found.extractor, found.extractor_version


def _preset(ctx: TaskContext) -> UUID | None:
    given = ctx.args.get("preset_id")
    return None if given is None else UUID(str(given))


def harmless(url: str) -> str:
    """A URL that was refused, for people: without user name, password and query."""
    return _USER.sub("//", url.partition("?")[0])[:MAX_SHOWN]


async def _start(ctx: TaskContext, row: Import, entry: SiteEntry, import_id: UUID) -> bool:
    """Whether the entry was started; the refusal is in its row otherwise."""
    how = StartOptions(preset_id=_preset(ctx), batch_id=row.id)
    shown = harmless(entry.url)
    wish = Wish(shown, shown, ImportKind.SITE, "video", how=how, import_id=import_id)
    try:
        wish = wish_of(
            ctx.adapters.fetcher,
            entry.url,
            auto_start=bool(ctx.args["auto_start"]),
            on_duplicate=row.on_duplicate,
            how=how,
        )
        wish = replace(wish, import_id=import_id, name=(entry.title or wish.name)[:255])
        async with ctx.save() as session:
            await create_import(session, ctx.settings, row.project_id, row.created_by_id, wish)
    except CuepointError as error:
        if isinstance(error, QueueFullError):
            pause = error.retry_after_seconds
            raise AdapterError(error.code, error.message, retryable=True, retry_after_seconds=pause) from error
        refused = replace(wish, import_id=import_id)
        async with ctx.save() as session:
            await note_refusal(session, row.project_id, row.created_by_id, refused, error)
        return False
    return True

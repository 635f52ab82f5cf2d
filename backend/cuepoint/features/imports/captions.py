"""Captions of a site as the first transcript of its video: which of them, and where they lie in what was fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select

from cuepoint.errors import AdapterError, CuepointError
from cuepoint.features.imports.models import Import, ImportCaption, ImportKind
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.transcripts.captions import FORMATS, Captions, primary_language, read_cues

# What sites that list them with those of people call captions of a machine (Vimeo: en-x-autogen).
AUTOMATIC = ("auto", "asr")


async def spoken_captions(ctx: TaskContext, row: Import, key: str) -> Captions | None:
    """What the site's captions say in the file that lies under `key`; None: there are none of what is spoken, or the
    file is no media of a known length."""
    if row.kind is not ImportKind.SITE:
        return None
    async with ctx.db.read() as session:
        of_row = select(ImportCaption).where(ImportCaption.import_id == row.id).order_by(ImportCaption.position)
        stored = (await session.scalars(of_row)).all()
    language = ctx.args.get("language") or row.language or ctx.settings.whisper_language
    chosen = choose(stored, language)
    length_ms = None if chosen is None else await _length(ctx, key)
    if chosen is None or length_ms is None:
        return None
    return Captions(
        cues=await asyncio.to_thread(read_cues, chosen.text),
        language=chosen.language,
        origin=f"{row.extractor} {chosen.language}",
        offset_ms=-(row.start_ms or 0),
        media_end_ms=length_ms,
    )


def choose(captions: Sequence[ImportCaption], language: str | None) -> ImportCaption | None:
    """Those that people made of what is spoken: in that very language, else in a variant of it. Where it is unknown,
    the only language that there is; of several, each may be a translation."""
    usable = [one for one in captions if one.extension in FORMATS and not _is_automatic(one.language)]
    if language is None:
        languages = {primary_language(one.language) for one in usable}
        return usable[0] if len(languages) == 1 else None
    exact = (one for one in usable if one.language.lower() == language.lower())
    variants = (one for one in usable if primary_language(one.language) == primary_language(language))
    return next(exact, None) or next(variants, None)


def _is_automatic(language: str) -> bool:
    return any(word in language.lower() for word in AUTOMATIC)


async def _length(ctx: TaskContext, key: str) -> int | None:
    async with ctx.adapters.storage.local_copy(key) as path:
        try:
            return (await ctx.adapters.media.probe(path)).duration_ms
        except (CuepointError, AdapterError):  # PROBE, which follows, says what is wrong
            return None

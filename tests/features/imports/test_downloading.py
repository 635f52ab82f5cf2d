"""A download that begins anew: nothing of the former answer counts."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from blake3 import blake3

from cuepoint.adapters.fetch.base import Opened
from cuepoint.errors import AdapterError
from cuepoint.features.imports.downloading import CUT, begin_download
from cuepoint.features.imports.models import Import
from cuepoint.features.imports.sections import wants_section
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads.models import Upload
from tests.features.imports.conftest import World
from tests.support.builders.attempts import begin_attempt


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def opened(size_bytes: int | None, *pieces: bytes) -> Opened:
    return Opened(0, size_bytes, None, "film.mp4", "video/mp4", False, stream(*pieces))


class Careless:
    """A source that goes on in the middle whenever it is asked with a validator, whatever that says."""

    @asynccontextmanager
    async def open(self, address: str, *, start: int, validator: str | None) -> AsyncIterator[Opened]:
        begins = start if validator is not None else 0
        yield Opened(begins, 8, None, "film.mp4", "video/mp4", False, stream(b"abcdefgh"[begins:]))


class TestDownload:
    async def test_half_a_section_is_never_gone_on_with(self, world: World) -> None:
        made = await world.ingest("/file/film.mp4", auto_start=False, start_ms=1000)
        first, _ = await begin_attempt(world.db, world.settings, JobKind.INGEST)
        async with begin_download(first, made.row) as download:
            with pytest.raises(AdapterError):  # it dies while it stores the section
                await download.take(dataclasses.replace(opened(4, b"cu"), validator=CUT))

        second, _ = await begin_attempt(world.db, world.settings, JobKind.INGEST)
        cast(Any, second.adapters).fetcher = Careless()
        row: Import = await world.one(Import, made.row.id)
        async with begin_download(second, row) as download:
            await download.run()

        upload: Upload = await world.one(Upload, download.upload_id)
        assert upload.content_hash == blake3(b"abcdefgh").hexdigest()
        assert wants_section(row)

    async def test_a_source_that_grew_is_taken_whole(self, world: World) -> None:
        made = await world.ingest("/file/film.mp4", auto_start=False)
        context, _ = await begin_attempt(world.db, world.settings, JobKind.INGEST)

        async with begin_download(context, made.row) as download:
            with pytest.raises(AdapterError):
                await download.take(opened(4, b"ab"))
            await download.take(opened(None, b"abcd", b"efgh"))

        upload: Upload = await world.one(Upload, download.upload_id)
        assert (upload.size_bytes, upload.offset_bytes) == (8, 8)
        assert upload.content_hash == blake3(b"abcdefgh").hexdigest()

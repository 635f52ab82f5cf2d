"""A download that begins anew: nothing of the former answer counts."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from cuepoint.adapters.fetch.base import Opened
from cuepoint.errors import AdapterError
from cuepoint.features.imports.downloading import begin_download
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads.models import Upload
from tests.features.imports.conftest import World
from tests.support.builders.attempts import begin_attempt


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def opened(size_bytes: int | None, *pieces: bytes) -> Opened:
    return Opened(0, size_bytes, None, "film.mp4", "video/mp4", False, stream(*pieces))


class TestDownload:
    async def test_a_source_that_grew_is_taken_whole(self, world: World) -> None:
        made = await world.ingest("/file/film.mp4", auto_start=False)
        context, _ = await begin_attempt(world.db, world.settings, JobKind.INGEST)

        async with begin_download(context, made.row) as download:
            with pytest.raises(AdapterError):
                await download.take(opened(4, b"ab"))
            await download.take(opened(None, b"abcd", b"efgh"))

        upload: Upload = await world.one(Upload, download.upload_id)
        assert (upload.size_bytes, upload.offset_bytes) == (8, 8)
        assert upload.content_hash == hashlib.sha256(b"abcdefgh").hexdigest()

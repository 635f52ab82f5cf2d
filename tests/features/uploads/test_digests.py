"""Hashes on their way: they go on in order, and are given up where that cannot be known."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.files.hashes import FileDigest
from cuepoint.features.uploads.digests import Checksum, RunningDigests, Watched
from tests.support.uploads import BLAKE3, DATA, SHA256


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def digest_of(data: bytes) -> FileDigest:
    digest = FileDigest(with_sha256=True)
    digest.update(data)
    return digest


class TestRunningDigests:
    def test_goes_on_at_the_offset_it_was_kept_at(self) -> None:
        running, key = RunningDigests(), uuid7()
        running.keep(key, digest_of(DATA[:4]))

        found = running.take(key, 4, with_sha256=False)

        assert found is not None
        found.update(DATA[4:])
        assert found.found() == (BLAKE3, SHA256)
        assert running.take(key, 4, with_sha256=False) is None

    @pytest.mark.parametrize("offset", [3, 5])
    def test_is_unknown_at_another_offset(self, offset: int) -> None:
        running, key = RunningDigests(), uuid7()
        running.keep(key, digest_of(DATA[:4]))

        assert running.take(key, offset, with_sha256=False) is None
        assert running.take(key, 4, with_sha256=False) is None  # for good: somebody else has gone on with the upload

    def test_begins_anew_at_the_beginning(self) -> None:
        running, key = RunningDigests(), uuid7()
        running.keep(key, digest_of(DATA[:4]))

        found = running.take(key, 0, with_sha256=False)

        assert (found and found.position) == 0

    @pytest.mark.parametrize("with_sha256", [True, False])
    def test_has_a_sha256_if_it_is_asked_for(self, with_sha256: bool) -> None:
        found = RunningDigests().take(uuid7(), 0, with_sha256=with_sha256)

        assert (found and found.found().sha256 is not None) is with_sha256

    def test_forgets_the_oldest(self) -> None:
        running, keys = RunningDigests(most=2), [uuid7() for _ in range(3)]
        for key in keys:
            running.keep(key, digest_of(b"x"))

        assert [running.take(key, 1, with_sha256=False) is None for key in keys] == [True, False, False]


class TestWatched:
    @pytest.mark.parametrize("name", ["sha1", "sha256"])
    async def test_hashes_what_passes(self, name: str) -> None:
        digest = FileDigest(with_sha256=True)
        watched = Watched(stream(b"012", b"3456789"), digest, Checksum(name, hashlib.new(name, DATA).digest()))

        passed = [piece async for piece in watched]

        assert passed == [b"012", b"3456789"]
        assert (digest.found(), digest.position) == ((BLAKE3, SHA256), 10)
        assert watched.is_as_promised()

    async def test_less_than_promised_is_not_as_promised(self) -> None:
        watched = Watched(stream(b"012"), None, Checksum("sha1", hashlib.new("sha1", DATA).digest()))

        assert [piece async for piece in watched] == [b"012"]
        assert not watched.is_as_promised()

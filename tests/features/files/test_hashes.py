"""Hashes of files, against vectors that others have published."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuepoint.features.files.hashes import READ_BYTES, FileDigest, hash_of, is_hash
from tests.support.uploads import BLAKE3, DATA, SHA256

# Of the empty input, from BLAKE3's own test_vectors.json.
EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


class TestFileDigest:
    def test_of_nothing_is_as_published(self) -> None:
        assert FileDigest(with_sha256=False).found() == (EMPTY, None)

    @pytest.mark.parametrize(("with_sha256", "sha256"), [(False, None), (True, SHA256)])
    def test_is_the_same_however_the_bytes_are_cut(self, with_sha256: bool, sha256: str | None) -> None:
        digest = FileDigest(with_sha256=with_sha256)

        for piece in (DATA[:3], bytearray(DATA[3:9]), DATA[9:]):
            digest.update(piece)

        assert (digest.found(), digest.position) == ((BLAKE3, sha256), len(DATA))


class TestHashOf:
    def test_reads_the_whole_file(self, tmp_path: Path) -> None:
        path, data = tmp_path / "file", bytes(READ_BYTES) + DATA
        path.write_bytes(data)
        digest = FileDigest(with_sha256=False)
        digest.update(data)

        assert hash_of(path) == digest.found().blake3


class TestIsHash:
    @pytest.mark.parametrize(
        ("value", "is_one"), [(EMPTY, True), (EMPTY.upper(), False), (EMPTY[1:], False), (f"{EMPTY}\n", False)]
    )
    def test_takes_64_small_digits(self, value: str, is_one: bool) -> None:
        assert is_hash(value) is is_one

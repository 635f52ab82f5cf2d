"""Where files lie: ids, a slug and a hash, and nothing of what people type."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuepoint.adapters.storage.keys import checked_key
from cuepoint.features.files.layout import file_key, hash_in, owner_prefixes, slug
from cuepoint.features.files.models import FileArea

PROJECT, OWNER = UUID(int=1), UUID(int=2)
HASH = "0123456789abcdef" * 4


class TestFileKey:
    def test_names_project_area_owner_slug_and_hash(self) -> None:
        key = file_key(PROJECT, FileArea.EXPORTS, OWNER, "Match Day #1.mov", HASH, ".mp4")

        assert key == f"projects/{PROJECT.hex}/exports/{OWNER.hex}/match-day-1-0123456789ab.mp4"

    @given(st.text(max_size=300))
    def test_no_text_reaches_a_path(self, name: str) -> None:
        key = file_key(PROJECT, FileArea.UPLOADS, OWNER, name, HASH)

        assert checked_key(key) == key
        assert re.fullmatch(r"[a-z0-9-]{1,40}-0123456789ab", key.rsplit("/", 1)[1])
        assert hash_in(key) == "0123456789ab"

    @pytest.mark.parametrize("suffix", ["/x", ".MP4", "mp4", "..", ".a/b", ".verylongsuffix"])
    def test_refuses_a_suffix_that_is_none(self, suffix: str) -> None:
        with pytest.raises(ValueError, match="not a suffix"):
            file_key(PROJECT, FileArea.UPLOADS, OWNER, "a", HASH, suffix)

    @pytest.mark.parametrize("content_hash", ["", "ab", "Z" * 64, "a" * 63 + "/"])
    def test_refuses_a_hash_that_is_none(self, content_hash: str) -> None:
        with pytest.raises(ValueError, match="not a hash"):
            file_key(PROJECT, FileArea.UPLOADS, OWNER, "a", content_hash)


class TestSlug:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("../../etc/passwd", "passwd"), ("Ünïcode.mp4", "n-code"), ("日本.mp4", "video"), ("a" * 60, "a" * 40)],
    )
    def test_keeps_letters_and_digits(self, name: str, expected: str) -> None:
        assert slug(name) == expected


class TestOwnerPrefixes:
    def test_names_every_area_and_the_place_of_earlier_releases(self) -> None:
        prefixes = owner_prefixes(PROJECT, OWNER)

        assert len(prefixes) == len(FileArea) + 1
        assert f"projects/{PROJECT.hex}/videos/{OWNER.hex}/" in prefixes
        assert all(prefix.endswith(f"/{OWNER.hex}/") for prefix in prefixes)


class TestHashIn:
    @pytest.mark.parametrize(
        "key", ["projects/p/videos/v/clips/0123456789abcdef.mp4", "a/b-0123.mp4", "a/b-0123456789ab/c"]
    )
    def test_none_where_the_name_has_none(self, key: str) -> None:
        assert hash_in(key) is None

"""Storage keys name files below their directory, whatever is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuepoint.adapters.storage.keys import checked_key, path_below

GOOD = ["a", "videos/0190a/original/film.mp4", "clips/9_16-crop.v2.mp4", "x/" * 100 + "y", "a=b+c@d"]
BAD = [
    "",
    "/etc/passwd",
    "..",
    "a/../b",
    "a/./b",
    ".hidden",
    "a//b",
    "a/",
    "a\x00b",
    "a\n",
    "-rf",
    "a/-o",
    "ü",
    "a b",
    "a\\b",
    "a%2e",
    "a#1",
    "c:a",
    "a/" * 500 + "b",
    "y" * 201,
]


class TestCheckedKey:
    @pytest.mark.parametrize("key", GOOD)
    def test_takes_what_we_make(self, key: str) -> None:
        assert checked_key(key) == key

    @pytest.mark.parametrize("key", BAD)
    def test_refuses_the_rest(self, key: str) -> None:
        with pytest.raises(ValueError, match="not a storage key"):
            checked_key(key)


class TestPathBelow:
    def test_is_the_plain_path(self, tmp_path: Path) -> None:
        assert path_below(tmp_path, "a/b.mp4") == tmp_path / "a" / "b.mp4"

    @pytest.mark.parametrize("target", ["/etc/passwd", "../outside"])
    def test_a_link_that_leads_out_is_refused(self, tmp_path: Path, target: str) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "link").symlink_to(target)

        with pytest.raises(ValueError, match="symbolic link"):
            path_below(root, "link")
        with pytest.raises(ValueError, match="symbolic link"):
            path_below(root, "link/inner")

    def test_a_root_that_is_itself_a_link_is_fine(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "root").symlink_to("disk")

        assert path_below(tmp_path / "root", "a") == tmp_path / "root" / "a"

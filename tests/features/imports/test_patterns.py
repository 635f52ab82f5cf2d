from __future__ import annotations

import pytest

from cuepoint.errors import BadInputError
from cuepoint.features.imports.patterns import compile_pattern


class TestCompilePattern:
    @pytest.mark.parametrize(
        ("pattern", "name", "matches"),
        [
            ("*.mp4", "a.mp4", True),
            ("*.mp4", "A.MP4", True),
            ("*.mp4", "deep/a.mp4", False),
            ("**.mp4", "deep/a.mp4", True),
            ("**/a.mp4", "a.mp4", True),
            ("**/a.mp4", "x/y/a.mp4", True),
            ("**", "anything/at/all", True),
            ("**/", "a/b/", True),
            ("**/b", "ab", False),
            ("x/**/y", "x/y", True),
            ("x/**/y", "x/1/2/y", True),
            ("x/**/y", "xy", False),
            ("*", "", True),
            ("take-?.mov", "take-1.mov", True),
            ("take-?.mov", "take-12.mov", False),
            ("a.b", "axb", False),
            ("[a].mp4", "a.mp4", False),
        ],
    )
    def test_means(self, pattern: str, name: str, matches: bool) -> None:
        assert compile_pattern(pattern).matches(name) is matches

    @pytest.mark.parametrize("pattern", ["", "a" * 201, "a\nb"])
    def test_refuses(self, pattern: str) -> None:
        with pytest.raises(BadInputError):
            compile_pattern(pattern)

    def test_the_worst_pattern_on_the_longest_name_ends(self) -> None:
        assert compile_pattern("**a" * 60 + "b").matches("a" * 2000) is False

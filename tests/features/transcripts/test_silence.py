"""How much of what was recognised lies in silence."""

from __future__ import annotations

import pytest

from cuepoint.features.transcripts.silence import is_silent

SILENCES = [0, 1_000, 2_000, 3_000, 3_050, 5_000]


class TestIsSilent:
    @pytest.mark.parametrize(
        ("start_ms", "end_ms", "silent"),
        [
            (100, 900, True),
            (0, 1_000, True),
            (1_000, 2_000, False),
            (100, 1_047, True),
            (100, 1_048, False),
            (2_000, 5_000, True),
            (2_900, 3_100, False),
            (6_000, 7_000, False),
        ],
        ids=["inside", "all of it", "between", "95 %", "less", "over a short sound", "three quarters", "behind"],
    )
    def test_a_range(self, start_ms: int, end_ms: int, silent: bool) -> None:
        assert is_silent(start_ms, end_ms, SILENCES) is silent

    def test_without_any_silence(self) -> None:
        assert not is_silent(0, 1_000, [])

"""What finders are given of a transcript."""

from __future__ import annotations

from uuid import UUID

import pytest

from cuepoint.features.moments.finder import MomentLimits
from cuepoint.features.moments.material import default_limits, material_of
from cuepoint.features.transcripts.models import TranscriptChunk
from tests.support.builders.search import axis
from tests.support.builders.transcripts import segment_row, segment_rows, utterance


def chunk(number: int, start_ms: int, end_ms: int) -> TranscriptChunk:
    return TranscriptChunk(id=UUID(int=number), position=number, start_ms=start_ms, end_ms=end_ms, text="passage")


class TestMaterialOf:
    def test_sentences_span_segments_and_keep_their_text(self) -> None:
        material = material_of(segment_rows("One two", "three. Four", "five?"), [], {})

        assert [(s.text, s.start_ms, s.end_ms) for s in material.sentences] == [
            ("One two three.", 0, 1300),
            ("Four five?", 1300, 2300),
        ]

    def test_passages_without_a_vector_are_left_out(self) -> None:
        material = material_of([], [chunk(1, 0, 1000), chunk(2, 1000, 2000)], {UUID(int=2): axis(1)})

        assert [(p.start_ms, p.end_ms) for p in material.passages] == [(1000, 2000)]

    def test_endless_sentences_are_cut_where_passages_are(self) -> None:
        row = segment_row(utterance("word " * 200))

        material = material_of([row], [chunk(1, 0, 15_000), chunk(2, 15_000, 60_000)], {})

        assert [(s.start_ms, s.end_ms) for s in material.sentences] == [(0, 15_000), (15_000, 60_000)]

    def test_no_segments_give_nothing(self) -> None:
        assert material_of([], [], {}).sentences == []


class TestDefaultLimits:
    @pytest.mark.parametrize(
        ("duration_ms", "expected"),
        [
            (1_000, MomentLimits(4, 125, 10_000)),
            (20_000, MomentLimits(4, 2_500, 10_000)),
            (81_474, MomentLimits(4, 8_000, 27_158)),
            (600_000, MomentLimits(8, 8_000, 60_000)),
            (36_000_000, MomentLimits(10, 8_000, 60_000)),
            (0, MomentLimits(3, 1, 10_000)),
        ],
    )
    def test_they_follow_the_length(self, duration_ms: int, expected: MomentLimits) -> None:
        assert default_limits(duration_ms) == expected

    def test_what_is_given_stands(self) -> None:
        assert default_limits(81_474, count=2, min_ms=30_000) == MomentLimits(2, 30_000, 30_000)
        assert default_limits(600_000, max_ms=5_000) == MomentLimits(8, 5_000, 5_000)

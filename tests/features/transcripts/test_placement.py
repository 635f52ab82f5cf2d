"""Recognised segments on the media's time line."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cuepoint.adapters.asr.base import AsrSegment, AsrWord
from cuepoint.features.transcripts.placement import place_segments
from tests.support.builders.transcripts import utterance

times = st.integers(-2_000, 10_000)
words = st.lists(
    st.builds(AsrWord, st.sampled_from(["a", "b c", " ", "\x00", ""]), times, times, st.just(0.5)), max_size=5
)
segments = st.lists(
    st.builds(
        AsrSegment,
        times,
        times,
        st.sampled_from(["some text", " ", "nul\x00"]),
        words.map(tuple),
        st.just(-0.1),
        st.just(0.1),
        st.just(1.0),
    ),
    max_size=5,
)


class TestPlaceSegments:
    def test_times_are_moved_to_where_the_audio_begins(self) -> None:
        placed = place_segments([utterance("Hello there.", 1000)], offset_ms=250)

        assert [(s.start_ms, s.end_ms) for s in placed] == [(1250, 1850)]
        assert placed[0].words == (AsrWord("Hello", 1250, 1550, 0.9), AsrWord("there.", 1550, 1850, 0.9))

    def test_audio_before_the_media_is_clamped_to_its_begin(self) -> None:
        placed = place_segments([utterance("Hello there.", 0)], offset_ms=-100)

        assert [(w.start_ms, w.end_ms) for w in placed[0].words] == [(0, 200), (200, 500)]

    def test_a_segment_beyond_the_end_of_the_media_is_cut_there(self) -> None:
        placed = place_segments([utterance("Hello there.", 0)], offset_ms=0, media_end_ms=400)

        assert [(w.start_ms, w.end_ms) for w in placed[0].words] == [(0, 300), (300, 400)]
        assert placed[0].end_ms == 400

    def test_a_segment_behind_the_end_of_the_media_is_left_out(self) -> None:
        assert place_segments([utterance("Hello there.", 500)], offset_ms=0, media_end_ms=500) == []

    def test_overlapping_segments_are_pushed_apart(self) -> None:
        placed = place_segments([utterance("One two.", 0), utterance("Three four.", 450)], offset_ms=0)

        assert [(s.start_ms, s.end_ms) for s in placed] == [(0, 600), (600, 1050)]
        assert [(w.start_ms, w.end_ms) for w in placed[1].words] == [(600, 750), (750, 1050)]

    def test_nothing_begins_before_the_earliest_time(self) -> None:
        placed = place_segments([utterance("One two.", 0)], offset_ms=0, earliest_ms=200)

        assert placed[0].start_ms == 200

    def test_text_is_one_line_without_nul(self) -> None:
        said = replace(utterance("One two."), text=" One\n\x00two. ")

        assert place_segments([said], offset_ms=0)[0].text == "One two."

    @given(segments, st.integers(-500, 500), st.one_of(st.none(), st.integers(0, 9_000)))
    def test_invariants_hold_whatever_comes(self, said: list[AsrSegment], offset_ms: int, end_ms: int | None) -> None:
        placed = place_segments(said, offset_ms=offset_ms, media_end_ms=end_ms)

        for segment in placed:
            assert 0 <= segment.start_ms < segment.end_ms <= (end_ms if end_ms is not None else 20_000)
            assert all(w.text and segment.start_ms <= w.start_ms < w.end_ms <= segment.end_ms for w in segment.words)
            assert all(a.end_ms <= b.start_ms for a, b in pairwise(segment.words))
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(placed))

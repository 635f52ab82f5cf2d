"""Times of segments and words: anchored on time tokens, ordered, inside their window."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cuepoint.adapters.asr.anchors import RawSegment, RawWord, anchored_segments, token_anchors
from cuepoint.adapters.asr.base import AsrWindow, AsrWord

WINDOW = AsrWindow(10_000, 30_000)
TIME = 1_000  # first time token of these tests


def raw(
    *words: tuple[str, float, float], anchors: tuple[int | None, int | None] = (None, None), logprob: float = -0.2
) -> RawSegment:
    return RawSegment(
        text=" " + " ".join(text for text, _, _ in words),
        start=words[0][1],
        end=words[-1][2],
        words=tuple(RawWord(f" {text}", start, end, 0.9) for text, start, end in words),
        anchor_start_ms=anchors[0],
        anchor_end_ms=anchors[1],
        avg_logprob=logprob,
        no_speech_prob=0.01,
        compression_ratio=1.2,
    )


class TestTokenAnchors:
    def test_first_and_last_time_token_in_the_window(self) -> None:
        assert token_anchors([TIME + 15, 7, 8, TIME + 100], seek=0, first_time_token=TIME) == (300, 2_000)

    def test_the_seek_of_a_second_pass_counts(self) -> None:
        assert token_anchors([TIME, 7, TIME + 50], seek=250, first_time_token=TIME) == (2_500, 3_500)

    def test_a_segment_without_an_end_token(self) -> None:
        assert token_anchors([TIME + 1, 7, 8], seek=0, first_time_token=TIME) == (20, None)

    def test_one_time_token_alone_is_a_begin(self) -> None:
        assert token_anchors([TIME + 1], seek=0, first_time_token=TIME) == (20, None)

    def test_text_alone_has_none(self) -> None:
        assert token_anchors([7, 8], seek=0, first_time_token=TIME) == (None, None)
        assert token_anchors([], seek=0, first_time_token=TIME) == (None, None)


class TestAnchoredSegments:
    def test_the_first_and_the_last_word_lie_on_the_anchors(self) -> None:
        segment = raw(("Hello", 0.11, 0.7), ("world.", 0.7, 1.4), anchors=(300, 1_260))

        (result,) = anchored_segments([segment], WINDOW)

        assert (result.start_ms, result.end_ms, result.text) == (10_300, 11_260, "Hello world.")
        assert result.words == (AsrWord("Hello", 10_300, 10_700, 0.9), AsrWord("world.", 10_700, 11_260, 0.9))

    def test_without_anchors_the_words_count(self) -> None:
        (result,) = anchored_segments([raw(("Hello", 0.11, 0.7))], WINDOW)

        assert (result.start_ms, result.end_ms) == (10_110, 10_700)

    def test_an_anchor_that_contradicts_its_word_is_not_believed(self) -> None:
        segment = raw(("Hello", 0.1, 0.4), ("world.", 0.5, 0.9), anchors=(400, 500))

        (result,) = anchored_segments([segment], WINDOW)

        assert (result.start_ms, result.end_ms) == (10_100, 10_900)

    def test_numpy_numbers_become_plain_ones(self) -> None:
        word = RawWord(" Hi", np.float64(0.1), np.float64(0.5), np.float32(0.5))
        segment = RawSegment(" Hi", np.float64(0.1), np.float64(0.5), (word,), None, None, -0.1, 0.0, 1.0)

        (result,) = anchored_segments([segment], WINDOW)

        assert type(result.start_ms) is int
        assert type(result.words[0].end_ms) is int
        assert type(result.words[0].probability) is float

    def test_what_the_model_disbelieves_is_dropped(self) -> None:
        kept = raw(("yes", 1.0, 1.5), logprob=-1.0)
        dropped = raw(("no", 0.0, 0.5), logprob=-1.01)

        assert [segment.text for segment in anchored_segments([dropped, kept], WINDOW)] == ["yes"]

    def test_empty_text_is_dropped(self) -> None:
        assert anchored_segments([raw(("", 0.0, 0.5))], WINDOW) == ()

    def test_words_at_one_instant_are_dropped(self) -> None:
        assert anchored_segments([raw(("a", 1.0, 1.0), ("b", 1.0, 1.0))], WINDOW) == ()

    def test_a_segment_without_words_keeps_its_times(self) -> None:
        segment = RawSegment(" Hi", 1.0, 2.0, (), 1_020, 1_980, -0.1, 0.0, 1.0)

        (result,) = anchored_segments([segment], WINDOW)

        assert (result.start_ms, result.end_ms, result.words) == (11_020, 11_980, ())

    def test_times_end_with_the_window(self) -> None:
        (result,) = anchored_segments([raw(("late", 19.5, 20.3), anchors=(19_600, 20_400))], WINDOW)

        assert (result.start_ms, result.end_ms) == (29_600, 30_000)

    @given(
        st.lists(
            st.tuples(
                st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=1, max_size=6),
                st.one_of(st.none(), st.integers(0, 20_000)),
                st.one_of(st.none(), st.integers(0, 20_000)),
            ),
            max_size=6,
        )
    )
    @settings(derandomize=True, deadline=None, max_examples=300)
    def test_whatever_the_library_says_times_are_in_order(
        self, pieces: list[tuple[list[tuple[float, float]], int | None, int | None]]
    ) -> None:
        segments = anchored_segments(
            [raw(*(("w", start, end) for start, end in words), anchors=(a, b)) for words, a, b in pieces], WINDOW
        )

        at = WINDOW.start_ms
        for segment in segments:
            assert at <= segment.start_ms < segment.end_ms <= WINDOW.end_ms
            at = segment.start_ms
            for word in segment.words:
                assert at <= word.start_ms < word.end_ms
                at = word.end_ms
            assert segment.words[0].start_ms == segment.start_ms
            assert segment.words[-1].end_ms == segment.end_ms
            at = segment.end_ms

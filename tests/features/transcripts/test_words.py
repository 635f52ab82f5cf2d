"""Words as one timed sequence, and their text as it was written."""

from __future__ import annotations

from cuepoint.features.transcripts.models import TranscriptSegment
from cuepoint.features.transcripts.words import Word, joined, timed_words
from tests.support.builders.transcripts import segment_rows


def row(text: str, words: list[str], start_ms: int = 0, end_ms: int = 1000) -> TranscriptSegment:
    starts = [start_ms + index * 100 for index in range(len(words))]
    return TranscriptSegment(
        text=text,
        start_ms=start_ms,
        end_ms=end_ms,
        word_texts=words,
        word_starts_ms=starts,
        word_ends_ms=[start + 100 for start in starts],
    )


class TestTimedWords:
    def test_words_of_all_segments_in_order(self) -> None:
        words = timed_words(segment_rows("Hello there.", "Good bye."))

        assert words == [
            Word("Hello", 0, 300),
            Word("there.", 300, 600),
            Word("Good", 1000, 1300),
            Word("bye.", 1300, 1600),
        ]

    def test_text_between_words_is_as_in_the_segment(self) -> None:
        words = timed_words([row("I can't, twenty-one.", ["I", "can", "'t,", "twenty", "-one."])])

        assert joined(words) == "I can't, twenty-one."

    def test_chinese_has_no_spaces_inside_or_between_segments(self) -> None:
        words = timed_words([row("今天天气", ["今天", "天气"]), row("很好。", ["很", "好。"], start_ms=1000)])

        assert joined(words) == "今天天气很好。"

    def test_korean_keeps_its_spaces(self) -> None:
        words = timed_words([row("안녕", ["안녕"]), row("친구", ["친구"], start_ms=1000)])

        assert joined(words) == "안녕 친구"

    def test_a_word_that_the_text_lacks_is_set_apart(self) -> None:
        words = timed_words([row("one three", ["one", "two", "three"])])

        assert joined(words) == "one two three"

    def test_a_segment_without_words_shares_its_time_by_length(self) -> None:
        words = timed_words([row("a bbb", [], start_ms=100, end_ms=900)])

        assert words == [Word("a", 100, 300), Word("bbb", 300, 900)]

    def test_more_words_than_milliseconds_keeps_what_fits(self) -> None:
        words = timed_words([row("a b c", [], start_ms=5, end_ms=7)])

        assert words == [Word("a", 5, 6), Word("b", 6, 7)]

    def test_blank_words_are_left_out(self) -> None:
        assert timed_words([row(" ", [" "]), row("", [])]) == []

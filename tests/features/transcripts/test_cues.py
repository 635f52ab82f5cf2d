"""The layout of captions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuepoint.features.transcripts.cues import MAX_CHARACTERS_PER_LINE, MAX_LINES, MAX_MS, MIN_MS, Cue, lay_out
from cuepoint.features.transcripts.words import Word


def said(text: str, start_ms: int = 0, *, word_ms: int = 300) -> list[Word]:
    """Words one after the other."""
    return [
        Word(word, start_ms + index * word_ms, start_ms + (index + 1) * word_ms)
        for index, word in enumerate(text.split())
    ]


@st.composite
def timed(draw: st.DrawFn) -> list[Word]:
    """Any words in order, with gaps."""
    words: list[Word] = []
    time = 0
    for text in draw(st.lists(st.text("ab.,!é", min_size=1, max_size=60), max_size=40)):
        time += draw(st.sampled_from([0, 0, 50, 400, 2000]))
        end = time + draw(st.sampled_from([1, 80, 300, 1200, 9000]))
        words.append(Word(text, time, end))
        time = end
    return words


class TestLayOut:
    def test_nothing_said_gives_no_cue(self) -> None:
        assert lay_out([]) == []

    def test_a_sentence_is_a_cue_with_its_words_times(self) -> None:
        words = [*said("Hello there my friend.", 500), *said("How are you today?", 2100)]

        assert lay_out(words) == [
            Cue(500, 1700, ("Hello there my friend.",)),
            Cue(2100, 3300, ("How are you today?",)),
        ]

    def test_two_lines_are_cut_after_punctuation_rather_than_in_the_middle(self) -> None:
        cues = lay_out(said("When the rain had stopped at last, we all went out into the garden."))

        assert [cue.lines for cue in cues] == [
            ("When the rain had stopped at last,", "we all went out into the garden.")
        ]

    def test_a_long_sentence_is_cut_after_a_clause(self) -> None:
        text = (
            "The captain of the ship had not slept for three long days and nights, "
            "because the storm would not let anybody on board rest for an hour."
        )

        cues = lay_out(said(text, word_ms=200))

        assert [" ".join(cue.lines) for cue in cues] == [text[:69], text[70:]]

    def test_a_long_sentence_without_a_clause_is_cut_into_even_parts(self) -> None:
        cues = lay_out(said(" ".join(["words"] * 20), word_ms=200))

        assert [len(" ".join(cue.lines)) for cue in cues] == [59, 59]

    def test_a_flash_of_a_sentence_joins_the_next_one(self) -> None:
        cues = lay_out(said("No. I did not see him there.", word_ms=200))

        assert [cue.lines for cue in cues] == [("No. I did not see him there.",)]

    def test_a_short_cue_stays_until_it_can_be_read(self) -> None:
        cues = lay_out([*said("No.", 0), *said("I did not see him there.", 2000)])

        assert (cues[0].start_ms, cues[0].end_ms) == (0, MIN_MS)

    def test_the_last_cue_ends_with_the_media(self) -> None:
        cues = lay_out(said("No.", 1000), media_end_ms=1500)

        assert (cues[0].start_ms, cues[0].end_ms) == (1000, 1500)

    def test_text_is_not_shown_long_before_it_is_said(self) -> None:
        cues = lay_out([*said("And the winner is"), *said("you.", 4000)])

        assert [(cue.start_ms, cue.lines) for cue in cues] == [(0, ("And the winner is",)), (4000, ("you.",))]

    def test_a_word_longer_than_a_line_is_cut(self) -> None:
        cues = lay_out([Word("x" * 100, 0, 3000)])

        assert [cue.lines for cue in cues] == [("x" * 34,), ("x" * 34, "x" * 32)]

    def test_a_drawn_out_word_is_not_shown_for_ever(self) -> None:
        cues = lay_out([Word("Goooal!", 0, 12_000)])

        assert (cues[0].start_ms, cues[0].end_ms) == (0, MAX_MS)

    @pytest.mark.parametrize("end_ms", [None, 10_000_000])
    @given(words=timed())
    def test_limits_hold_whatever_is_said(self, words: list[Word], end_ms: int | None) -> None:
        cues = lay_out(words, media_end_ms=end_ms)

        assert "".join("".join(cue.lines) for cue in cues).replace(" ", "") == "".join(
            word.text if len(word.text) <= (word.end_ms - word.start_ms) * MAX_CHARACTERS_PER_LINE else word.text[:42]
            for word in words
        )
        assert all(1 <= len(cue.lines) <= MAX_LINES for cue in cues)
        assert all(len(line) <= MAX_CHARACTERS_PER_LINE for cue in cues for line in cue.lines)
        assert all(cue.start_ms < cue.end_ms <= cue.start_ms + MAX_MS for cue in cues)
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(cues))
        assert all(a.end_ms - a.start_ms >= MIN_MS or a.end_ms == b.start_ms for a, b in pairwise(cues))

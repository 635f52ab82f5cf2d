"""Places found by what is said: words, borders, silences, and a whole video cut by a rule."""

from __future__ import annotations

import pytest

from cuepoint.features.clips.spans import (
    AutoRule,
    ClipSnap,
    Maps,
    SilenceRule,
    divided,
    find_text,
    settled,
    snapped,
    without_silences,
)
from cuepoint.features.transcripts.words import Word, timed_words
from tests.support.builders.transcripts import segment_rows


def said(*texts: str, pause_ms: int = 400) -> list[Word]:
    """Sentences; each word takes 300 ms."""
    return timed_words(segment_rows(*texts, pause_ms=pause_ms))


class TestFindText:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("The seed", [(0, 600)]),
            ("  the SEED!! ", [(0, 600)]),
            ("grows. It grows", [(600, 1900)]),
            ("grows", [(600, 900), (1600, 1900)]),
            ("row", []),
            ("seed the", []),
            ("...", []),
            ("ＳＥＥＤ", [(300, 600)]),
            ("slow-ly", [(1900, 2200)]),
        ],
    )
    def test_words_in_their_order(self, text: str, found: list[tuple[int, int]]) -> None:
        assert find_text(said("The seed grows.", "It grows slowly!"), text) == found

    def test_a_word_that_is_stored_in_parts(self) -> None:
        words = [Word("do", 0, 100), Word("n't", 100, 200, ""), Word("go", 200, 300)]

        assert find_text(words, "don't go") == [(0, 300)]

    def test_without_spaces(self) -> None:
        words = [Word(c, at * 100, at * 100 + 100, "") for at, c in enumerate("种子在土里")]

        assert find_text(words, "在土") == [(200, 400)]

    def test_places_do_not_overlap(self) -> None:
        assert find_text(said("no no no no no"), "no no") == [(0, 600), (600, 1200)]


class TestSnapped:
    WORDS = said("One two three.", "Four five six.")  # 0-900, 1300-2200

    @pytest.mark.parametrize(
        ("given", "snap", "found"),
        [
            ((350, 1450), ClipSnap.NONE, (350, 1450)),
            ((350, 1450), ClipSnap.WORD, (300, 1600)),
            ((1000, 1200), ClipSnap.WORD, (1000, 1200)),
            ((950, 1450), ClipSnap.WORD, (950, 1600)),
            ((350, 700), ClipSnap.SENTENCE, (0, 900)),
            ((350, 1450), ClipSnap.SENTENCE, (0, 2200)),
            ((5000, 6000), ClipSnap.SENTENCE, (5000, 6000)),
        ],
        ids=str,
    )
    def test_grows_to_what_it_touches(self, given: tuple[int, int], snap: ClipSnap, found: tuple[int, int]) -> None:
        assert snapped(self.WORDS, *given, snap) == found


class TestSettled:
    WORDS = said("One two three.", "Four five six.")  # 0-900, 1300-2200

    @pytest.mark.parametrize(
        ("given", "silences", "black", "found"),
        [
            ((0, 900), [(950, 1250)], [], (0, 1000)),
            ((1300, 2200), [(950, 1250), (2300, 9000)], [], (1200, 2350)),
            ((1300, 2200), [(800, 1400), (2100, 9000)], [], (1300, 2200)),  # words win over what the map says
            ((1100, 2300), [(950, 1250), (2200, 9000)], [], (1100, 2300)),
            ((450, 2000), [(300, 700), (1900, 2100)], [], (450, 2000)),  # inside words
            ((3000, 7000), [(3340, 3600), (6700, 6900)], [], (3000, 6850)),  # one is too far
            ((0, 10_000), [(9900, 10_000)], [], (0, 9950)),
            ((3000, 7000), [], [(2900, 3200), (6800, 7100)], (3200, 6800)),
            ((3000, 7000), [], [(2900, 3400), (6600, 7100)], (3000, 7000)),
            ((1200, 2300), [], [(1000, 1400), (2100, 2400)], (1200, 2300)),  # nothing but black up to the words
            ((3000, 7000), [(2800, 3000)], [(2700, 2900)], (2950, 7000)),
            ((3000, 3150), [(3200, 3400)], [(2990, 3140)], (3000, 3150)),  # nothing would be left
        ],
        ids=str,
    )
    def test_borders_go_into_silence_and_out_of_black(
        self,
        given: tuple[int, int],
        silences: list[tuple[int, int]],
        black: list[tuple[int, int]],
        found: tuple[int, int],
    ) -> None:
        assert settled(self.WORDS, Maps(silences, black, 10_000), *given) == found


class TestWithoutSilences:
    WORDS = said("One two.", "Three four.", "Five six.", pause_ms=1000)  # 0-600, 1600-2200, 3200-3800

    @pytest.mark.parametrize(
        ("given", "rule", "left"),
        [
            ((0, 4000), SilenceRule(700, 150), [(0, 750), (1450, 2350), (3050, 3950)]),
            ((100, 2000), SilenceRule(700, 150), [(100, 750), (1450, 2000)]),
            ((0, 4000), SilenceRule(700, 0), [(0, 600), (1600, 2200), (3200, 3800)]),
            ((0, 4000), SilenceRule(1500, 150), [(0, 3950)]),
            ((0, 4000), SilenceRule(1000, 500), [(0, 4000)]),
            ((600, 1600), SilenceRule(700, 150), []),
        ],
        ids=str,
    )
    def test_keeps_the_words_and_their_margins(
        self, given: tuple[int, int], rule: SilenceRule, left: list[tuple[int, int]]
    ) -> None:
        assert without_silences(self.WORDS, *given, rule) == left


class TestDivided:
    def test_pieces_end_and_begin_with_sentences(self) -> None:
        words = said(*["One two three four five."] * 8, pause_ms=500)  # a sentence every 2 s

        pieces = divided(words, 16_000, AutoRule(length_ms=4_000, overlap_ms=0))

        assert pieces == [(0, 3_500), (4_000, 7_500), (8_000, 11_500), (12_000, 15_500)]

    def test_an_overlap_takes_up_the_sentence_before(self) -> None:
        words = said(*["One two three four five."] * 8, pause_ms=500)

        pieces = divided(words, 16_000, AutoRule(length_ms=4_000, overlap_ms=2_000, max_clips=3))

        assert pieces == [(0, 3_500), (2_000, 5_500), (4_000, 7_500)]

    def test_a_sentence_that_is_longer_than_a_piece_goes_on_in_the_next(self) -> None:
        words = said("word " * 40 + "end.", "One two three four five.", pause_ms=500)  # 0-12.3 s, 12.8-14.3 s

        pieces = divided(words, 15_000, AutoRule(length_ms=4_000, overlap_ms=1_000))

        assert pieces == [(0, 4_000), (3_000, 7_000), (6_000, 10_000), (9_000, 12_300), (12_800, 15_000)]

    def test_no_piece_is_longer_than_a_clip_may_be(self) -> None:
        words = [Word("All", 0, 3_000_000), Word("of", 3_000_000, 3_700_000), Word("it.", 3_700_000, 3_900_000)]

        pieces = divided(words, 3_900_000, AutoRule(length_ms=3_600_000, overlap_ms=0))

        assert pieces == [(0, 3_600_000), (3_600_000, 3_900_000)]

    def test_without_speech_by_the_clock(self) -> None:
        rule = AutoRule(length_ms=10_000, overlap_ms=2_000, max_clips=10)

        assert divided([], 25_000, rule) == [(0, 10_000), (8_000, 18_000), (16_000, 25_000)]
        assert divided([], 5_000, rule) == [(0, 5_000)]

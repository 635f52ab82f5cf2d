"""Moments by scoring: each signal alone, the choice among candidates, titles and reasons, and the narrations."""

from __future__ import annotations

import pytest

from cuepoint.adapters.embedding.static import StaticEmbedder
from cuepoint.features.moments.finder import MomentLimits, MomentMaterial, Sentence
from cuepoint.features.moments.material import default_limits
from cuepoint.features.moments.scoring import TranscriptScorer, find_moments, shortened
from tests.support.builders.moments import SPACE_TALK, STORIES, narrated, spoken, told

PLAIN = [
    "We plant the seeds in the soil.",
    "The soil needs some more water.",
    "Then the seeds grow in the soil.",
    "We water the soil in the evening.",
    "The seeds need the soil and water.",
    "In the soil the seeds stay wet.",
]
TWO = MomentLimits(1, 8_000, 9_000)  # exactly two sentences of 4 s with 0.4 s between them


class TestSignals:
    def test_stressed_sentences_win(self) -> None:
        texts = [*PLAIN[:2], "Remember, never water the soil at noon!", *PLAIN[2:]]

        (moment,) = find_moments(spoken(*texts), TWO)

        assert 2 in range(moment.first, moment.last + 1)
        assert moment.signals["emphasis"] == pytest.approx(0.7 * 0.976 + 0.3 * 0.976 / 2, abs=0.001)
        assert "is stressed by “remember”" in moment.reason.lower()

    def test_an_announcement_belongs_before_its_matter(self) -> None:
        texts = [*PLAIN[:3], "This is the most important part.", *PLAIN[3:]]

        (moment,) = find_moments(spoken(*texts), TWO)

        assert (moment.first, moment.last) == (3, 4)

    def test_a_question_comes_with_its_answer(self) -> None:
        texts = [*PLAIN[:3], "How often do we water the soil?", *PLAIN[3:]]

        (moment,) = find_moments(spoken(*texts), TWO)

        assert (moment.first, moment.last) == (3, 4)
        assert moment.signals["question"] == 1.0
        assert "asks a question and goes on to the answer" in moment.reason.lower()

    def test_a_question_at_the_end_counts_nothing(self) -> None:
        moments = find_moments(spoken(*PLAIN, "How often do we water the soil?"), MomentLimits(10, 8_000, 9_000))

        assert {moment.signals["question"] for moment in moments} == {0.0}

    def test_a_long_pause_opens_a_moment(self) -> None:
        (moment,) = find_moments(spoken(*PLAIN, pauses={3: 2.5}), TWO)

        assert (moment.first, moment.last) == (3, 4)
        assert moment.signals["pause"] == pytest.approx(0.6)
        assert "is set apart by a pause of 2.5 s" in moment.reason.lower()

    def test_dense_speech_wins_over_slow_speech(self) -> None:
        dense = "Rockets carry satellites, telescopes, astronauts and robots beyond gravity."
        denser = "Engineers test hulls, valves, cables, sensors, computers, parachutes and shields."
        (moment,) = find_moments(spoken(*PLAIN[:3], dense, denser, *PLAIN[3:]), TWO)

        assert (moment.first, moment.last) == (3, 4)
        assert moment.signals["density"] == 1.0

    def test_scores_and_signals_lie_between_0_and_1(self) -> None:
        for moment in find_moments(spoken(*PLAIN, "Amazing! Is it? Yes!"), MomentLimits(10, 1, 60_000)):
            assert 0 <= moment.score <= 1
            assert set(moment.signals) == {"topic", "emphasis", "density", "question", "pause"}
            assert all(0 <= value <= 1 for value in moment.signals.values())


class TestChoice:
    def test_moments_do_not_overlap_and_come_best_first(self) -> None:
        moments = find_moments(spoken(*PLAIN * 5), MomentLimits(10, 8_000, 20_000))

        covered = [index for moment in moments for index in range(moment.first, moment.last + 1)]
        assert len(covered) == len(set(covered))
        assert [moment.score for moment in moments] == sorted((moment.score for moment in moments), reverse=True)

    def test_durations_keep_to_the_limits(self) -> None:
        material = spoken(*PLAIN * 5)

        for moment in find_moments(material, MomentLimits(10, 8_000, 20_000)):
            start_ms, end_ms = material.sentences[moment.first].start_ms, material.sentences[moment.last].end_ms
            assert 8_000 <= end_ms - start_ms <= 20_000

    def test_wide_limits_are_tried_in_steps(self) -> None:
        material = spoken(*PLAIN * 60)

        (moment,) = find_moments(material, MomentLimits(1, 1_000, 600_000))

        assert 1_000 <= material.sentences[moment.last].end_ms - material.sentences[moment.first].start_ms <= 600_000

    def test_count_is_an_upper_bound(self) -> None:
        assert len(find_moments(spoken(*PLAIN * 5), MomentLimits(2, 8_000, 9_000))) == 2
        assert len(find_moments(spoken(*PLAIN[:4]), MomentLimits(10, 8_000, 9_000))) <= 2

    def test_no_sentences_give_no_moments(self) -> None:
        assert find_moments(MomentMaterial([], []), TWO) == []

    def test_a_transcript_that_is_too_short_is_one_moment(self) -> None:
        (moment,) = find_moments(spoken("Hello.", "Bye.", seconds=1.0), MomentLimits(3, 8_000, 60_000))

        assert (moment.first, moment.last) == (0, 1)

    def test_of_sentences_that_are_too_long_the_shortest_is_taken(self) -> None:
        long = [Sentence(0, 90_000, "One endless sentence."), Sentence(90_000, 160_000, "A somewhat shorter one.")]

        (moment,) = find_moments(MomentMaterial(long, []), MomentLimits(3, 8_000, 60_000))

        assert (moment.first, moment.last) == (1, 1)

    def test_the_same_input_gives_the_same_moments(self) -> None:
        material = spoken(*PLAIN * 5)

        assert find_moments(material, TWO) == find_moments(material, TWO)

    def test_words_without_meaning_do_no_harm(self) -> None:
        assert len(find_moments(spoken(*["Uh, so, and that."] * 6), TWO)) == 1


class TestTitle:
    def test_it_is_the_sentence_that_says_most(self) -> None:
        texts = [*PLAIN[:3], "A storm destroyed the apple trees.", PLAIN[3]]

        (moment,) = find_moments(spoken(*texts), MomentLimits(1, 20_000, 60_000))

        assert moment.title == "A storm destroyed the apple trees"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Short.", "Short"),
            ("What a goal!", "What a goal!"),
            ("word " * 20, "word word word word word word word word word word word word…"),
            ("a" * 70, "a" * 60 + "…"),
            ("x" * 60 + ".", "x" * 60),
            (f"{'x' * 50}, and more than that", f"{'x' * 50}, and more…"),
        ],
    )
    def test_long_sentences_end_at_a_word(self, text: str, expected: str) -> None:
        assert shortened(text) == expected


class TestReason:
    def test_a_dull_transcript_says_so(self) -> None:
        texts = ["The soil needs water."] * 4

        moments = find_moments(spoken(*texts), MomentLimits(2, 4_000, 5_000))

        assert moments[-1].reason in {
            "The best of a transcript in which nothing stands out.",
            "Says much in little time.",
        }


@pytest.mark.models
class TestNarrations:
    async def test_the_four_stories_are_found(self) -> None:
        material = await narrated(STORIES, StaticEmbedder())

        moments = await TranscriptScorer().find(material, default_limits(81_474))

        texts = [told(material, moment) for moment in moments]
        assert len(moments) == 4
        for subject in (
            "storm destroyed the apple trees",
            "Slowly fry the mushrooms",
            "What an amazing goal",
            "The whales",
        ):
            assert sum(subject in text for text in texts) == 1, subject

    async def test_no_moment_mixes_two_stories(self) -> None:
        material = await narrated(STORIES, StaticEmbedder())
        chapters = [(0, 23_000), (24_000, 45_000), (46_000, 65_000), (65_500, 82_000)]

        moments = await TranscriptScorer().find(material, default_limits(81_474))

        spans = [(material.sentences[m.first].start_ms, material.sentences[m.last].end_ms) for m in moments]
        assert all(any(low <= start and end <= high for low, high in chapters) for start, end in spans)

    async def test_the_space_talk_has_moments_of_both_halves(self) -> None:
        material = await narrated(SPACE_TALK, StaticEmbedder())

        moments = await TranscriptScorer().find(material, default_limits(76_000))

        texts = [told(material, moment) for moment in moments]
        assert len(moments) == 4
        assert any("orbit" in text or "planet" in text for text in texts)
        assert any("computer" in text or "website" in text for text in texts)

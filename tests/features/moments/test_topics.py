"""Borders of subjects."""

from __future__ import annotations

import numpy as np
import pytest

from cuepoint.features.moments.finder import MomentMaterial, Passage
from cuepoint.features.moments.language import content_words
from cuepoint.features.moments.topics import border_strengths
from tests.support.builders.moments import spoken
from tests.support.builders.search import axis

GARDEN = ["Plant the seeds in the garden soil.", "The garden soil needs water.", "Seeds love wet garden soil."]
GOAL = ["The team scored a goal.", "A goal for the home team.", "The team won by one goal."]


def strengths(material: MomentMaterial) -> list[float]:
    return list(border_strengths(material, [content_words(sentence.text) for sentence in material.sentences]))


class TestBorderStrengths:
    def test_the_change_of_subject_is_the_strongest_inner_border(self) -> None:
        found = strengths(spoken(*GARDEN, *GOAL))

        assert found[0] == found[6] == 0.5
        assert int(np.argmax(found[1:6])) + 1 == 3
        assert found[3] == 1.0
        assert max(found[1], found[5]) == 0.0

    def test_vectors_show_a_change_that_words_hide(self) -> None:
        plain = spoken(*["Words about nothing in particular here."] * 8)
        places = plain.sentences
        halves = [(places[0], places[3], axis(1, 0.1)), (places[4], places[7], axis(0.1, 1))]
        passages = [Passage(first.start_ms, last.end_ms, vector) for first, last, vector in halves]

        found = strengths(MomentMaterial(places, passages))

        assert max(strengths(plain)[1:8]) == 0.0
        assert found[4] == 1.0

    def test_one_subject_has_no_border(self) -> None:
        assert strengths(spoken(*["The garden soil needs water."] * 6)) == [0.5, 0, 0, 0, 0, 0, 0.5]

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_few_sentences_have_ends_only(self, count: int) -> None:
        assert strengths(spoken(*[*GARDEN[:1], *GOAL][:count])) == [0.5, *[0.0] * (count - 1), 0.5]

    def test_a_day_of_speech_takes_seconds(self) -> None:
        material = spoken(*(GARDEN + GOAL) * 500)

        assert len(strengths(material)) == 3001

"""What single sentences say about themselves."""

from __future__ import annotations

import pytest

from cuepoint.features.moments.language import (
    announcing_phrase,
    content_words,
    emphasis,
    is_announcement,
    is_question,
)


class TestContentWords:
    def test_inflections_share_a_stem_and_stop_words_are_gone(self) -> None:
        assert content_words("She plants the seeds; the plant's seed is planted.") == [
            "plant",
            "seed",
            "plant",
            "seed",
            "plant",
        ]

    def test_contractions_of_stop_words_carry_nothing(self) -> None:
        assert content_words("It's what we're doing, isn't it? You’ll see.") == ["isn"]

    def test_other_scripts_have_words(self) -> None:
        assert content_words("Погода была плохая") == ["погода", "была", "плохая"]


class TestEmphasis:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("We water the tomatoes.", 0.0),
            ("We water the tomatoes!", 0.6),
            ("This is the most important part.", 0.94),
            ("Remember, salt comes last.", 0.9),
            ("It was the biggest fish.", 0.4),
            ("The storm destroyed it.", 0.4),
            ("What an amazing goal!", 0.76),
            ("It grew by 80 percent.", 0.2),
            ("They scored three goals.", 0.2),
            ("I remember him well.", 0.0),
        ],
    )
    def test_cues_add_up(self, text: str, expected: float) -> None:
        assert emphasis(text) == pytest.approx(expected)

    def test_never_exceeds_one(self) -> None:
        assert 0.9 < emphasis("Remember: the best, most amazing thing is 100 percent secret!") < 1


class TestAnnouncements:
    def test_a_short_announcement_has_no_matter_of_its_own(self) -> None:
        assert is_announcement("This is the most important part.")
        assert not is_announcement("The most important part of the engine is the valve that controls pressure.")
        assert not is_announcement("The soup tastes wonderful.")

    def test_the_phrase_is_quoted(self) -> None:
        assert announcing_phrase("Now, here's the trick: fry it slowly.") == "here's the trick"
        assert announcing_phrase("Fry it slowly.") is None


class TestIsQuestion:
    @pytest.mark.parametrize("text", ["Are you ready?", "He asked: “why?”", "本当ですか？", "Ready? "])
    def test_questions(self, text: str) -> None:
        assert is_question(text)

    def test_statements(self) -> None:
        assert not is_question("What? No.")

"""Passages: where they are cut, their ids, and whether searches find the right one."""

from __future__ import annotations

from uuid import UUID

import pytest

from cuepoint.adapters.embedding.static import StaticEmbedder
from cuepoint.features.transcripts.chunking import (
    MAX_MS,
    MAX_WORDS,
    Chunk,
    chunk_ids,
    chunk_segments,
    is_sentence_end,
)
from cuepoint.features.transcripts.models import TranscriptSegment
from cuepoint.features.transcripts.words import timed_words
from tests.support.builders.transcripts import segment_rows
from tests.support.speech import VIDEO, load_truth

VIDEO_ID = UUID("01990000-0000-7000-8000-000000000001")
EIGHT_WORDS = "This is a sentence of just eight words."


def sample() -> list[TranscriptSegment]:
    """The bundled sample as a recogniser without errors would give it."""
    return [
        TranscriptSegment(
            position=position,
            start_ms=sentence.start_ms,
            end_ms=sentence.end_ms,
            text=sentence.text,
            word_texts=[word.text for word in sentence.words],
            word_starts_ms=[word.start_ms for word in sentence.words],
            word_ends_ms=[word.end_ms for word in sentence.words],
        )
        for position, sentence in enumerate(load_truth(VIDEO))
    ]


class TestChunkSegments:
    def test_nothing_said_gives_no_passage(self) -> None:
        assert chunk_segments([]) == []

    def test_a_passage_has_the_times_of_its_first_and_last_word(self) -> None:
        chunks = chunk_segments(segment_rows("Hello there.", "How are you?", start_ms=700))

        assert chunks == [Chunk(700, 2600, "Hello there. How are you?")]

    def test_short_sentences_are_joined_to_about_eighteen_words(self) -> None:
        chunks = chunk_segments(segment_rows(*[EIGHT_WORDS] * 6))

        assert [len(chunk.text.split()) for chunk in chunks] == [16, 16, 16]

    def test_a_topic_pause_is_a_border(self) -> None:
        before = segment_rows(*[EIGHT_WORDS] * 3)
        after = segment_rows(*[EIGHT_WORDS] * 3, start_ms=before[-1].end_ms + 1200)

        chunks = chunk_segments([*before, *after])

        assert [len(chunk.text.split()) for chunk in chunks] == [24, 24]

    def test_a_lone_short_sentence_joins_its_neighbours_even_across_a_pause(self) -> None:
        before = segment_rows(EIGHT_WORDS, EIGHT_WORDS)
        after = segment_rows("Thank you.", start_ms=before[-1].end_ms + 1500)

        assert len(chunk_segments([*before, *after])) == 1

    def test_a_sentence_that_fits_is_never_cut(self) -> None:
        sentence = " ".join(["word,"] * (MAX_WORDS - 1)) + " end."

        chunks = chunk_segments(segment_rows(EIGHT_WORDS, sentence, EIGHT_WORDS))

        assert [chunk.text for chunk in chunks] == [EIGHT_WORDS, sentence, EIGHT_WORDS]

    def test_a_sentence_may_go_over_several_segments(self) -> None:
        chunks = chunk_segments(segment_rows("I went to the shop and then", "I went home."))

        assert [chunk.text for chunk in chunks] == ["I went to the shop and then I went home."]

    def test_a_sentence_that_is_too_long_is_cut_after_a_comma(self) -> None:
        words = ["word"] * 80
        words[33] = "comma,"

        chunks = chunk_segments(segment_rows(" ".join(words)))

        assert [len(chunk.text.split()) for chunk in chunks] == [34, 46]
        assert chunks[0].text.endswith("comma,")

    def test_speech_without_punctuation_is_cut_within_the_limits(self) -> None:
        segments = segment_rows(*["word " * 50] * 20)

        chunks = chunk_segments(segments)

        assert all(len(chunk.text.split()) <= MAX_WORDS for chunk in chunks)
        assert all(chunk.end_ms - chunk.start_ms <= MAX_MS for chunk in chunks)
        assert sum(len(chunk.text.split()) for chunk in chunks) == 1000

    def test_every_word_of_the_sample_is_in_one_passage_in_order(self) -> None:
        chunks = chunk_segments(sample())

        words = [word for chunk in chunks for word in chunk.text.split()]
        assert words == [word.text for word in timed_words(sample())]
        assert [len(chunk.text.split()) for chunk in chunks] == [20, 22, 18, 17, 19, 23, 17, 16, 22, 23, 20]

    def test_no_passage_of_the_sample_goes_over_two_stories(self) -> None:
        starts = [chunk.start_ms for chunk in chunk_segments(sample())]

        assert {300, 24_375, 46_353, 66_026} <= set(starts)

    @pytest.mark.models
    @pytest.mark.parametrize(
        ("query", "answer"),
        [
            ("bad weather ruined the orchard", "A terrible storm destroyed the apple trees in the garden."),
            ("the official punished a player", "The referee shows a red card to the defender."),
            ("animals under the ship", "The whales swim under the sailing boat."),
            ("baking", "Heat the oven before you bake the bread."),
        ],
    )
    async def test_a_search_of_the_sample_finds_what_a_person_would_point_at(self, query: str, answer: str) -> None:
        texts = [chunk.text for chunk in chunk_segments(sample())]
        embedder = StaticEmbedder()

        vectors = await embedder.embed([*texts, query])

        assert answer in texts[int((vectors[:-1] @ vectors[-1]).argmax())]


class TestIsSentenceEnd:
    @pytest.mark.parametrize("text", ["end.", "what?", "“no!”", "(yes.)", "好。", "wait…", "1984."])
    def test_closing_punctuation(self, text: str) -> None:
        assert is_sentence_end(text)

    @pytest.mark.parametrize("text", ["word", "comma,", "Mr.", "(Dr.", "J.", "e.g.", "U.S.", "3.5"])
    def test_what_looks_like_it(self, text: str) -> None:
        assert not is_sentence_end(text)


class TestChunkIds:
    def test_the_same_text_has_the_same_id_wherever_it_stands(self) -> None:
        here = chunk_ids(VIDEO_ID, [Chunk(0, 1, "One."), Chunk(1, 2, "Two.")])
        there = chunk_ids(VIDEO_ID, [Chunk(50, 60, "New."), Chunk(70, 80, "Two."), Chunk(90, 95, "One.")])

        assert there[1:] == here[::-1]

    def test_a_repeated_text_has_an_id_of_its_own_each_time(self) -> None:
        ids = chunk_ids(VIDEO_ID, [Chunk(0, 1, "One."), Chunk(1, 2, "One.")])

        assert len(set(ids)) == 2

    def test_another_video_has_other_ids(self) -> None:
        chunks = [Chunk(0, 1, "One.")]

        assert chunk_ids(VIDEO_ID, chunks) != chunk_ids(UUID(int=7), chunks)

    def test_ids_never_change_from_version_to_version(self) -> None:
        # uuid5(video, "<sha256 of the text>:<count>"): stored vectors hang on it.
        assert chunk_ids(VIDEO_ID, [Chunk(0, 1, "One.")]) == [UUID("6d29e8e6-0095-52e5-b9bb-241c648d2930")]

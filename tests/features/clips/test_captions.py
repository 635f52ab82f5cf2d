"""The words of a clip's captions, with the times of the clip."""

from __future__ import annotations

import pytest

from cuepoint.adapters.media.caption_layout import lay_out
from cuepoint.adapters.media.forms import CaptionMode
from cuepoint.adapters.media.glyphs import fonts_in
from cuepoint.features.clips.captions import caption_files, caption_text, said_in, stretches
from cuepoint.features.transcripts.words import timed_words
from tests.support.builders.transcripts import segment_rows

WORDS = timed_words(segment_rows("One two three.", "Four five six."))  # 0-900, 1300-2200


class TestSaidIn:
    def test_words_count_from_the_start_of_the_clip(self) -> None:
        said = said_in(stretches(WORDS, [(300, 1600)]))

        assert [(word.text, word.start_ms, word.end_ms) for word in said] == [
            ("two", 0, 300),
            ("three.", 300, 600),
            ("Four", 1000, 1300),
        ]

    def test_a_word_of_which_most_is_cut_off_is_left_out(self) -> None:
        said = said_in(stretches(WORDS, [(160, 740)]))

        assert [(word.text, word.start_ms, word.end_ms) for word in said] == [("two", 140, 440)]

    def test_pieces_follow_each_other(self) -> None:
        said = said_in(stretches(WORDS, [(0, 300), (1900, 2200)]))

        assert [(word.text, word.start_ms, word.end_ms) for word in said] == [("One", 0, 300), ("six.", 300, 600)]

    def test_pieces_begin_where_the_file_says(self) -> None:
        said = said_in(stretches(WORDS, [(0, 310), (1900, 2200)], (0, 320)))

        assert [(word.text, word.start_ms, word.end_ms) for word in said] == [("One", 0, 300), ("six.", 320, 620)]


class TestCaptionText:
    def test_sentences_to_burn(self) -> None:
        made = caption_text([(said_in(stretches(WORDS, [(0, 2200)])), 2200)], CaptionMode.BURN)

        assert [[word.text for word in sentence] for sentence in made.sentences] == [
            ["One", "two", "three."],
            ["Four", "five", "six."],
        ]

    def test_a_file_to_embed(self) -> None:
        made = caption_text([(said_in(stretches(WORDS, [(0, 2200)])), 2200)], CaptionMode.EMBED)

        assert made.vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
        assert caption_text([], CaptionMode.EMBED).vtt == ""

    def test_no_caption_goes_on_into_the_next_scene(self) -> None:
        scenes = [(said_in([part]), part.until_ms) for part in stretches(WORDS, [(0, 600), (1300, 1900)])]

        burned = caption_text(scenes, CaptionMode.BURN)
        embedded = caption_text(scenes, CaptionMode.EMBED)

        assert [[word.text for word in sentence] for sentence in burned.sentences] == [["One", "two"], ["Four", "five"]]
        assert embedded.vtt == (
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.600\nOne two\n\n00:00:00.600 --> 00:00:01.200\nFour five\n\n"
        )

    @pytest.mark.parametrize("mode", [CaptionMode.BURN, CaptionMode.EMBED])
    def test_captions_end_with_their_scene_where_the_next_one_is_silent_at_first(self, mode: CaptionMode) -> None:
        parts = stretches(WORDS, [(0, 650), (900, 1900)])  # said until 600 and from 1050

        made = caption_text([(said_in([part]), part.until_ms) for part in parts], mode)

        if mode is CaptionMode.BURN:
            cues = [(cue.start_ms, cue.end_ms) for cue in lay_out(made.sentences, 20.0, fonts_in(), made.ends_ms)]
            assert cues == [(0, 650), (1050, 1650)]
        else:
            assert made.vtt == (
                "WEBVTT\n\n00:00:00.000 --> 00:00:00.650\nOne two\n\n00:00:01.050 --> 00:00:01.650\nFour five\n\n"
            )


class TestCaptionFiles:
    def test_both_formats_say_the_same(self) -> None:
        srt, vtt = caption_files(said_in(stretches(WORDS, [(1300, 2200)])), 900)

        assert srt == "1\n00:00:00,000 --> 00:00:00,900\nFour five six.\n\n"
        assert vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nFour five six.\n\n"

"""Transcripts as files, compared with golden ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cuepoint.features.transcripts.subtitles import CONTENT_TYPES, TranscriptFormat, render
from tests.support.builders.transcripts import segment_row, utterance

GOLDEN = Path(__file__).parent / "golden"
FACTS = {"language": "en", "revision": 1, "notice": None}
SEGMENTS = [
    segment_row(utterance("Welcome back, friends.", 500), 0),
    segment_row(utterance("Is 3 < 4 & 5 > 4 --> yes?", 2000), 1),
    segment_row(
        utterance(
            "The captain of the ship had not slept for three long days and nights, because the storm would not let "
            "anybody on board rest.",
            6000,
            word_ms=250,
        ),
        2,
    ),
    segment_row(utterance("No.", 14_000, word_ms=200), 3),
    segment_row(utterance("Thank you for watching.", 3_600_000), 4),
]


class TestRender:
    @pytest.mark.parametrize("format", TranscriptFormat)
    def test_equals_the_golden_file(self, format: TranscriptFormat) -> None:
        golden = GOLDEN / f"transcript.{format.value.lower()}"

        assert render(format, SEGMENTS, facts=FACTS) == golden.read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("format", "content"),
        [
            (TranscriptFormat.SRT, ""),
            (TranscriptFormat.VTT, "WEBVTT\n\n"),
            (TranscriptFormat.TXT, ""),
        ],
    )
    def test_an_empty_transcript_is_a_valid_file(self, format: TranscriptFormat, content: str) -> None:
        assert render(format, [], facts=FACTS) == content

    def test_json_of_an_empty_transcript_says_so(self) -> None:
        content = render(TranscriptFormat.JSON, [], facts={"emptyReason": "NO_SPEECH"})

        assert json.loads(content) == {"emptyReason": "NO_SPEECH", "segments": []}

    def test_the_end_of_the_media_is_not_passed(self) -> None:
        content = render(TranscriptFormat.SRT, [SEGMENTS[3]], facts=FACTS, media_end_ms=14_300)

        assert content == "1\n00:00:14,000 --> 00:00:14,300\nNo.\n\n"

    def test_every_format_has_a_content_type(self) -> None:
        assert set(CONTENT_TYPES) == set(TranscriptFormat)

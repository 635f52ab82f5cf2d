"""A transcript as a file: SubRip, WebVTT, plain text or JSON; without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import pairwise

import orjson

from cuepoint.features.transcripts.chunking import TOPIC_PAUSE_MS, split_sentences
from cuepoint.features.transcripts.cues import Cue, lay_out
from cuepoint.features.transcripts.models import TranscriptSegment
from cuepoint.features.transcripts.words import joined, timed_words

MS_PER_HOUR = 3_600_000


class TranscriptFormat(Enum):
    """Formats of `transcriptFile`."""

    SRT = "SRT"
    VTT = "VTT"
    TXT = "TXT"
    JSON = "JSON"


CONTENT_TYPES = {
    TranscriptFormat.SRT: "application/x-subrip",
    TranscriptFormat.VTT: "text/vtt",
    TranscriptFormat.TXT: "text/plain",
    TranscriptFormat.JSON: "application/json",
}


def render(
    format: TranscriptFormat,
    segments: Sequence[TranscriptSegment],
    *,
    facts: Mapping[str, object],
    media_end_ms: int | None = None,
) -> str:
    """The whole file. `facts` are the members of the JSON object that stand before its segments."""
    match format:
        case TranscriptFormat.SRT:
            return to_srt(lay_out(timed_words(segments), media_end_ms=media_end_ms))
        case TranscriptFormat.VTT:
            return to_vtt(lay_out(timed_words(segments), media_end_ms=media_end_ms))
        case TranscriptFormat.TXT:
            return to_txt(segments)
        case TranscriptFormat.JSON:
            return to_json(segments, facts)


def to_srt(cues: Sequence[Cue]) -> str:
    """SubRip. It knows no escapes: an arrow in the text, which would read as a time line, becomes a character."""
    return "".join(
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n"
        + "".join(f"{line.replace('-->', '→')}\n" for line in cue.lines)
        + "\n"
        for number, cue in enumerate(cues, start=1)
    )


def to_vtt(cues: Sequence[Cue]) -> str:
    """WebVTT; `&`, `<` and `>` are escaped, so that text is never taken for markup or a time line."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n"
        + "".join(f"{_escaped(line)}\n" for line in cue.lines)
        + "\n"
        for cue in cues
    )


def to_txt(segments: Sequence[TranscriptSegment]) -> str:
    """Plain text: a paragraph up to each topic pause."""
    sentences = split_sentences(timed_words(segments))
    if not sentences:
        return ""
    text = joined(sentences[0])
    for before, after in pairwise(sentences):
        is_new_topic = after[0].start_ms - before[-1].end_ms >= TOPIC_PAUSE_MS
        text += ("\n\n" if is_new_topic else after[0].lead) + joined(after)
    return text + "\n"


def to_json(segments: Sequence[TranscriptSegment], facts: Mapping[str, object]) -> str:
    """JSON with the names of the GraphQL API: times in seconds with 3 decimals."""
    content = {
        **facts,
        "segments": [
            {
                "startSeconds": segment.start_ms / 1000,
                "endSeconds": segment.end_ms / 1000,
                "text": segment.text,
                "avgLogprob": round(segment.avg_logprob, 4),
                "noSpeechProb": round(segment.no_speech_prob, 4),
                "compressionRatio": round(segment.compression_ratio, 4),
                "words": [
                    {
                        "text": text,
                        "startSeconds": start_ms / 1000,
                        "endSeconds": end_ms / 1000,
                        "probability": round(probability, 4),
                    }
                    for text, start_ms, end_ms, probability in zip(
                        segment.word_texts,
                        segment.word_starts_ms,
                        segment.word_ends_ms,
                        segment.word_probabilities,
                        strict=True,
                    )
                ],
            }
            for segment in segments
        ],
    }
    return orjson.dumps(content).decode() + "\n"


def _time(ms: int, separator: str) -> str:
    hours, rest = divmod(ms, MS_PER_HOUR)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{rest:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

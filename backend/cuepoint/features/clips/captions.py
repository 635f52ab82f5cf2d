"""The words of a clip's captions, with the times of the clip: a stretch of a transcript, or several in a row; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cuepoint.adapters.media.forms import CaptionMode, CaptionText, CaptionWord
from cuepoint.features.transcripts.chunking import split_sentences
from cuepoint.features.transcripts.cues import lay_out
from cuepoint.features.transcripts.subtitles import to_srt, to_vtt
from cuepoint.features.transcripts.words import Word


@dataclass(frozen=True)
class Stretch:
    """`[start_ms, end_ms)` of a transcript begins at `at_ms` of the clip."""

    words: Sequence[Word]
    start_ms: int
    end_ms: int
    at_ms: int


def stretches(words: Sequence[Word], ranges: Iterable[tuple[int, int]]) -> list[Stretch]:
    """Ranges of one transcript that follow one another without a gap in the clip."""
    found: list[Stretch] = []
    at_ms = 0
    for start_ms, end_ms in ranges:
        found.append(Stretch(words, start_ms, end_ms, at_ms))
        at_ms += end_ms - start_ms
    return found


def said_in(parts: Iterable[Stretch]) -> list[Word]:
    """The words of which the greater part is heard, with the times of the clip."""
    said: list[Word] = []
    for part in parts:
        shift = part.at_ms - part.start_ms
        for word in part.words:
            start, end = max(word.start_ms, part.start_ms), min(word.end_ms, part.end_ms)
            if end - start > 0 and (end - start) * 2 >= word.end_ms - word.start_ms:
                said.append(Word(word.text, start + shift, end + shift, word.lead))
    return said


def caption_text(words: Sequence[Word], mode: CaptionMode, duration_ms: int) -> CaptionText:
    """What the renderer needs of them."""
    if mode is CaptionMode.EMBED:
        return CaptionText(vtt=to_vtt(lay_out(words, media_end_ms=duration_ms)) if words else "")
    sentences = split_sentences(words)
    return CaptionText(
        sentences=tuple(
            tuple(CaptionWord(word.text, word.start_ms, word.end_ms, word.lead) for word in sentence)
            for sentence in sentences
        )
    )


def caption_files(words: Sequence[Word], duration_ms: int) -> tuple[str, str]:
    """The same as SubRip and as WebVTT."""
    cues = lay_out(words, media_end_ms=duration_ms)
    return to_srt(cues), to_vtt(cues)

"""The words of a transcript as one timed sequence, and their text as it was written; without I/O.

Stored words carry no spaces. Where one belongs follows from the segment's own text: "don't" may be two words without a
space between them, and Chinese has none at all. A segment without words gets them from its text, its time shared out
by length.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cuepoint.features.transcripts.models import TranscriptSegment


@dataclass(frozen=True)
class Word:
    """A word with its punctuation, `[start_ms, end_ms)` on the media's time line; `lead` is what stands before it."""

    text: str
    start_ms: int
    end_ms: int
    lead: str = " "


def timed_words(segments: Iterable[TranscriptSegment]) -> list[Word]:
    """All words of the segments, in order."""
    words: list[Word] = []
    for segment in segments:
        found = _words(segment) if segment.word_texts else _shared_out(segment)
        if found:
            first = found[0]
            glued = bool(words) and _is_unspaced(words[-1].text[-1]) and _is_unspaced(first.text[0])
            words.append(Word(first.text, first.start_ms, first.end_ms, "" if glued else " "))
            words.extend(found[1:])
    return words


def joined(words: Sequence[Word]) -> str:
    """The text of a run of words; its first word has nothing before it."""
    return "".join(word.lead + word.text for word in words).strip()


def _words(segment: TranscriptSegment) -> list[Word]:
    words: list[Word] = []
    position = 0
    for text, start_ms, end_ms in zip(segment.word_texts, segment.word_starts_ms, segment.word_ends_ms, strict=True):
        if not text.strip():
            continue
        found = segment.text.find(text, position)
        lead = "" if found == position and words else " "
        if found >= 0:
            position = found + len(text)
        words.append(Word(text, start_ms, end_ms, lead))
    return words


def _shared_out(segment: TranscriptSegment) -> list[Word]:
    texts = segment.text.split()[: segment.end_ms - segment.start_ms]
    total = sum(len(text) for text in texts)
    words: list[Word] = []
    done = 0
    for index, text in enumerate(texts):
        start = words[-1].end_ms if words else segment.start_ms
        done += len(text)
        share = segment.start_ms + (segment.end_ms - segment.start_ms) * done // total
        end = min(max(share, start + 1), segment.end_ms - (len(texts) - index - 1))
        words.append(Word(text, start, end))
    return words


def _is_unspaced(character: str) -> bool:
    """Whether the script of this character writes no spaces between words (Chinese, Japanese)."""
    return unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"

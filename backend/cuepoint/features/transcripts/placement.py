"""Recognised segments on the media's time line, and the invariants of stored times; without I/O.

What holds afterwards, whatever a recogniser gives: segments in order and within the media, none overlaps another,
words in order and inside their segment, `start_ms < end_ms` everywhere. Where there is no room left (a segment beyond
the end of the media, or more words than milliseconds) a segment is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cuepoint.adapters.asr.base import AsrSegment, AsrWord


def place_segments(
    segments: Iterable[AsrSegment], *, offset_ms: int, earliest_ms: int = 0, media_end_ms: int | None = None
) -> list[AsrSegment]:
    """The segments moved by `offset_ms` (where the audio begins in the media), none before `earliest_ms`."""
    placed: list[AsrSegment] = []
    for segment in segments:
        words = [word for word in segment.words if _clean(word.text)]
        start = max(segment.start_ms + offset_ms, earliest_ms)
        end = segment.end_ms + offset_ms
        if media_end_ms is not None:
            end = min(end, media_end_ms)
        text = _clean(segment.text)
        if not text or end - start < max(1, len(words)):
            continue
        placed.append(
            replace(
                segment, start_ms=start, end_ms=end, text=text, words=tuple(_place_words(words, offset_ms, start, end))
            )
        )
        earliest_ms = end
    return placed


def _clean(text: str) -> str:
    """Text on one line; Postgres stores no NUL."""
    return " ".join(text.replace("\x00", "").split())


def _place_words(words: Sequence[AsrWord], offset_ms: int, earliest_ms: int, end_ms: int) -> Iterable[AsrWord]:
    for index, word in enumerate(words):
        still_to_come = len(words) - index - 1
        start = min(max(word.start_ms + offset_ms, earliest_ms), end_ms - still_to_come - 1)
        stop = min(max(word.end_ms + offset_ms, start + 1), end_ms - still_to_come)
        yield AsrWord(_clean(word.text), start, stop, word.probability)
        earliest_ms = stop

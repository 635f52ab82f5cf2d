"""Segment and word times, without I/O: the model's own time tokens as anchors, then order that clients can rely on.

faster-whisper replaces a segment's time tokens by the alignment of its words, and that counts part of a pause to the
first word after it: 0.19 s too early in the mean. The tokens are still there and exact to 20 ms, so the first word
begins and the last word ends where they say. What holds afterwards: segments in order and inside their window, words
in order and inside their segment, `start_ms < end_ms` everywhere, nothing overlaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cuepoint.adapters.asr.base import AsrSegment, AsrWindow, AsrWord
from cuepoint.adapters.asr.parameters import MIN_AVG_LOGPROB, MS_PER_SECOND

FRAME_MS = 10  # `Segment.seek` counts mel frames
TIME_TOKEN_MS = 20  # one step of Whisper's time tokens


@dataclass(frozen=True)
class RawWord:
    """A word as the library gives it: seconds from the window's start."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class RawSegment:
    """A segment as the library gives it: seconds from the window's start, and the anchors of its time tokens in ms."""

    text: str
    start: float
    end: float
    words: tuple[RawWord, ...]
    anchor_start_ms: int | None
    anchor_end_ms: int | None
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


def token_anchors(tokens: Sequence[int], *, seek: int, first_time_token: int) -> tuple[int | None, int | None]:
    """Begin and end of a segment by its first and last token, in ms from the window's start; None where it has none."""
    offset = seek * FRAME_MS
    if not tokens:
        return None, None
    start, end = tokens[0] - first_time_token, tokens[-1] - first_time_token
    has_end = end >= 0 and len(tokens) > 1
    return (
        offset + start * TIME_TOKEN_MS if start >= 0 else None,
        offset + end * TIME_TOKEN_MS if has_end else None,
    )


def anchored_segments(raw: Iterable[RawSegment], window: AsrWindow) -> tuple[AsrSegment, ...]:
    """Segments of one window with times in the file. Those the model itself disbelieves are dropped."""
    segments: list[AsrSegment] = []
    earliest = window.start_ms
    for piece in raw:
        if piece.avg_logprob < MIN_AVG_LOGPROB or not piece.text.strip():
            continue
        words = [word for word in piece.words if word.text.strip()]
        start, end = (window.start_ms + time for time in _borders(piece, words))
        start, end = max(start, earliest), min(end, window.end_ms)
        if end - start < max(1, len(words)):  # no room for its words: repeated tokens at one instant, not speech
            continue
        segments.append(
            AsrSegment(
                start_ms=start,
                end_ms=end,
                text=piece.text.strip(),
                words=_placed(words, window.start_ms, start, end),
                avg_logprob=float(piece.avg_logprob),
                no_speech_prob=float(piece.no_speech_prob),
                compression_ratio=float(piece.compression_ratio),
            )
        )
        earliest = end
    return tuple(segments)


def _ms(seconds: float) -> int:
    return round(float(seconds) * MS_PER_SECOND)


def _borders(piece: RawSegment, words: Sequence[RawWord]) -> tuple[int, int]:
    """Begin and end of a segment from the window's start; an anchor that contradicts its word is not believed."""
    start = _ms(words[0].start if words else piece.start)
    end = _ms(words[-1].end if words else piece.end)
    if piece.anchor_start_ms is not None and piece.anchor_start_ms < (_ms(words[0].end) if words else end):
        start = piece.anchor_start_ms
    if piece.anchor_end_ms is not None and piece.anchor_end_ms > (_ms(words[-1].start) if words else start):
        end = piece.anchor_end_ms
    return start, end


def _placed(words: Sequence[RawWord], offset: int, start: int, end: int) -> tuple[AsrWord, ...]:
    """The words within `[start, end)`: the first begins there, the last ends there, each lasts 1 ms or more."""
    placed: list[AsrWord] = []
    earliest = start
    for index, word in enumerate(words):
        still_to_come = len(words) - index - 1
        begin = start if index == 0 else min(max(offset + _ms(word.start), earliest), end - still_to_come - 1)
        stop = min(max(offset + _ms(word.end), begin + 1), end - still_to_come)
        if still_to_come == 0:
            stop = end
        placed.append(AsrWord(word.text.strip(), begin, stop, float(word.probability)))
        earliest = stop
    return tuple(placed)

"""Planning, without I/O: speech regions of a file, and windows of at most 30 s that begin and end in silence.

Method: a voice activity detector gives regions of speech with every pause of 100 ms and more. Regions are joined while
they fit into one window; when no more fits, the window ends in the longest pause of its second half, because a long
pause is a sentence's end. A pause of 5 s or more always ends a window. Speech without any pause for the length of a
window is cut into equal parts, and both sides are marked. Windows never overlap, so texts need no merging.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cuepoint.adapters.asr.base import AsrWindow
from cuepoint.adapters.asr.parameters import (
    BORDER_MS,
    MAX_PAUSE_MS,
    MAX_WINDOW_MS,
    MIN_SPEECH_MS,
    PAD_MS,
    PIECE_MS,
)

MAX_SPEECH_MS = MAX_WINDOW_MS - 2 * PAD_MS


@dataclass(frozen=True)
class SpeechRegion:
    """Speech without a pause, `[start_ms, end_ms)` of the file; `is_cut_*` where speech goes on across that border."""

    start_ms: int
    end_ms: int
    is_cut_before: bool = False
    is_cut_after: bool = False

    @property
    def duration_ms(self) -> int:
        """Length of the region."""
        return self.end_ms - self.start_ms


Detect = Callable[[int, int], list[SpeechRegion]]


def find_regions(detect: Detect, duration_ms: int) -> list[SpeechRegion]:
    """Speech regions of a whole file, asked of `detect(start_ms, end_ms)` piece by piece (2 min at most each).

    `detect` answers in the file's own milliseconds. Speech that may go on behind the end of a piece is left to the
    next one, which then begins in the pause before that speech.
    """
    regions: list[SpeechRegion] = []
    start = 0
    while start < duration_ms:
        end = min(start + PIECE_MS, duration_ms)
        found = detect(start, end)
        following = end
        if end < duration_ms:
            following = _next_start(found, start, end)
            found = [region for region in found if region.start_ms < following]
        for region in found:
            touches = bool(regions) and region.start_ms <= regions[-1].end_ms
            regions.append(SpeechRegion(regions.pop().start_ms, region.end_ms) if touches else region)
        start = following
    return regions


def _next_start(found: Sequence[SpeechRegion], start: int, end: int) -> int:
    """Where the next piece begins: in silence, if there is any in this piece."""
    if not found or found[-1].end_ms <= end - BORDER_MS:
        return end - BORDER_MS
    pause_start = found[-2].end_ms if len(found) > 1 else start
    middle = (pause_start + found[-1].start_ms) // 2
    return middle if middle > start else end


def plan_windows(regions: Sequence[SpeechRegion], duration_ms: int) -> tuple[AsrWindow, ...]:
    """Windows that hold all of the speech, in order, without overlap, none longer than 30 s."""
    parts = [part for region in regions for part in _split(region)]
    windows: list[AsrWindow] = []
    first = 0
    while first < len(parts):
        last = _last_part(parts, first)
        group = parts[first : last + 1]
        if sum(part.duration_ms for part in group) >= MIN_SPEECH_MS:
            silence_from = parts[first - 1].end_ms if first else 0
            silence_to = parts[last + 1].start_ms if last + 1 < len(parts) else duration_ms
            before = group[0].start_ms - silence_from
            after = silence_to - group[-1].end_ms
            windows.append(
                AsrWindow(
                    start_ms=group[0].start_ms - min(PAD_MS, before if first == 0 else before // 2),
                    end_ms=group[-1].end_ms + min(PAD_MS, after if last + 1 == len(parts) else after // 2),
                    is_cut_in_speech=group[0].is_cut_before or group[-1].is_cut_after,
                )
            )
        first = last + 1
    return tuple(windows)


def _split(region: SpeechRegion) -> list[SpeechRegion]:
    """The region, or parts of equal length where it is longer than a window can hold."""
    count = -(-region.duration_ms // MAX_SPEECH_MS)
    borders = [region.start_ms + region.duration_ms * part // count for part in range(count + 1)]
    return [
        SpeechRegion(start, end, is_cut_before=start > region.start_ms, is_cut_after=end < region.end_ms)
        for start, end in pairwise(borders)
    ]


def _last_part(parts: Sequence[SpeechRegion], first: int) -> int:
    """Index of the last part of the window that begins with `first`."""
    last = first
    while last + 1 < len(parts):
        if parts[last + 1].start_ms - parts[last].end_ms >= MAX_PAUSE_MS:
            return last
        if parts[last + 1].end_ms - parts[first].start_ms > MAX_SPEECH_MS:
            break
        last += 1
    else:
        return last
    ends = [
        index for index in range(first, last + 1) if parts[index].end_ms - parts[first].start_ms >= MAX_SPEECH_MS // 2
    ]
    return max(ends or [last], key=lambda index: (parts[index + 1].start_ms - parts[index].end_ms, index))


def longest_windows(windows: Sequence[AsrWindow], count: int) -> list[AsrWindow]:
    """The `count` longest windows, longest first; of equal ones the earlier."""
    return sorted(windows, key=lambda window: (window.start_ms - window.end_ms, window.start_ms))[:count]


def vote(ballots: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[str, float]:
    """The language with the highest mean probability, weighted by duration, and that probability.

    A ballot is (duration of the window in ms, probability of each language). Needs at least one.
    """
    total = sum(duration for duration, _ in ballots)
    languages = {language for _, probabilities in ballots for language in probabilities}
    mean = {
        language: sum(duration * probabilities.get(language, 0.0) for duration, probabilities in ballots) / total
        for language in languages
    }
    winner = max(sorted(mean), key=lambda language: mean[language])
    return winner, mean[winner]

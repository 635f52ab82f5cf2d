"""Where the screen is black, and where it stands still, told by small copies of pictures along the time line; pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy

from cuepoint.adapters.media.ranges import ranges_of, without_short

Grey = numpy.ndarray[Any, Any]

# ffmpeg's blackdetect: a pixel is black up to 10 % of the range, a picture with 98 % of such pixels.
BLACK_LUMA, BLACK_SHARE = 16 + 22, 0.98
# Mean and largest difference of two small grey pictures that show the same; codec noise stays below 0.5 and 6.
SAME_MEAN, SAME_LARGEST = 0.75, 10
MIN_BLACK_MS, MIN_FREEZE_MS = 100, 500
MIDDLE, SMALL = (160, 90), (32, 18)  # sizes of the copies that are asked for


@dataclass
class PictureMaps:
    """Black and unchanged pictures, gathered picture by picture."""

    _black: list[tuple[int, bool]] = field(default_factory=list)
    _frozen: list[int] = field(default_factory=list)
    _first: Grey | None = None  # of the pictures that show the same
    _since: int = 0
    _count: int = 0

    def add(self, at_ms: int, middle: Grey, small: Grey) -> None:
        """One more picture, as grey copies of the two sizes."""
        self._black.append((at_ms, float((middle <= BLACK_LUMA).mean()) >= BLACK_SHARE))
        shown = small.astype(numpy.int16)
        if self._first is not None and _is_same(shown, self._first):
            self._count += 1
            return
        self._close(at_ms)
        self._first, self._since, self._count = shown, at_ms, 1  # the first of them: a slow fade is no standstill

    def ranges(self, end_ms: int) -> tuple[list[int], list[int]]:
        """(black, frozen)."""
        self._close(end_ms)
        black = without_short(ranges_of(self._black, end_ms), MIN_BLACK_MS)
        return black, without_short(self._frozen, MIN_FREEZE_MS)

    def step_ms(self, end_ms: int) -> int:
        """The longest gap between two looks."""
        times = [at for at, _ in self._black] + [end_ms]
        return max((b - a for a, b in itertools.pairwise(times)), default=0)

    def _close(self, at_ms: int) -> None:
        if self._count > 1:
            self._frozen += (self._since, max(at_ms, self._since))
        self._count = 0


def _is_same(one: Grey, other: Grey) -> bool:
    difference = numpy.abs(one - other)
    return float(difference.mean()) <= SAME_MEAN and int(difference.max()) <= SAME_LARGEST

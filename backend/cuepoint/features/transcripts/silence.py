"""Whether what was recognised lies where nothing is to be heard; pure. Recognisers make up words in silence.

Silence is what the map of the video's sound calls so: it is told by loudness, and known to 50 ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

# What is said ends with a sound, and both are placed to 50 to 200 ms: less than all of a segment is enough.
SILENT_SHARE = Fraction(95, 100)


def is_silent(start_ms: int, end_ms: int, silences: Sequence[int]) -> bool:
    """Whether so much of the range lies in silences: [start, end, ...] in order."""
    covered = 0
    for place in range(bisect_right(silences, start_ms) // 2 * 2, len(silences), 2):
        begin, end = silences[place], silences[place + 1]
        if begin >= end_ms:
            break
        covered += min(end, end_ms) - max(begin, start_ms)
    return covered >= SILENT_SHARE * (end_ms - start_ms)

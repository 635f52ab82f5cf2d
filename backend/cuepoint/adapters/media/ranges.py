"""Ranges of media time as flat arrays [start, end, ...] of milliseconds; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def ranges_of(looks: Iterable[tuple[int, bool]], end_ms: int) -> list[int]:
    """Where a property holds: it is looked at in time order, and lasts from a look that has it to one that has not."""
    ranges: list[int] = []
    is_open = False
    for at_ms, has_it in looks:
        if has_it is not is_open:
            ranges.append(at_ms)
            is_open = has_it
    if is_open:
        ranges.append(max(end_ms, ranges[-1]))
    return without_short(ranges, 1)


def without_short(ranges: Sequence[int], least_ms: int) -> list[int]:
    """Those of at least that length."""
    return [t for start, end in pairs(ranges) if end - start >= least_ms for t in (start, end)]


def joined(ranges: Sequence[int], gap_ms: int) -> list[int]:
    """Neighbours nearer than the gap are one."""
    kept: list[int] = []
    for start, end in pairs(ranges):
        if kept and start - kept[-1] < gap_ms:
            kept[-1] = max(end, kept[-1])
        else:
            kept += (start, end)
    return kept


def complement(ranges: Sequence[int], end_ms: int) -> list[int]:
    """What of [0, end) is in none of them."""
    edges = [0, *ranges, end_ms]
    return without_short(edges, 1)


def shifted(ranges: Sequence[int], by_ms: int) -> list[int]:
    """The same ranges later; what would lie before 0 begins at 0."""
    return without_short([max(0, t + by_ms) for t in ranges], 1)


def pairs(ranges: Sequence[int]) -> list[tuple[int, int]]:
    """(start, end) of each."""
    return list(zip(ranges[::2], ranges[1::2], strict=True))

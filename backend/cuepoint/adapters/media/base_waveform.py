"""The format of waveform files, part of the port: which bytes to read for a picture of so many columns; pure.

A file holds three levels, from the finest to the coarsest, of stretches of 10 ms, 100 ms and 1 s: two planes of int8
each, the least and then the greatest samples.
"""

from __future__ import annotations

RATE = 16_000  # samples a second of the sound that it is made of
STRETCHES_PER_SECOND = (100, 10, 1)


def level_sizes(samples: int) -> tuple[int, ...]:
    """How many stretches each level has."""
    return tuple(-(-samples // (RATE // rate)) for rate in STRETCHES_PER_SECOND)


def file_bytes(samples: int) -> int:
    """How many bytes the three levels of a sound have."""
    return sum(2 * size for size in level_sizes(samples))


def read_span(samples: int, wanted: int) -> tuple[int, int, int]:
    """(first byte, behind the last byte, stretches) of the coarsest level that has as many stretches as wanted."""
    sizes = level_sizes(samples)
    level = max((i for i, size in enumerate(sizes) if size >= wanted), default=0)
    start = sum(2 * size for size in sizes[:level])
    return start, start + 2 * sizes[level], sizes[level]


def peaks(planes: bytes, stretches: int, wanted: int) -> list[int]:
    """[least, greatest, least, greatest, ...] of `wanted` equal parts, or of all stretches where there are fewer."""
    parts = min(wanted, stretches)
    least, greatest = memoryview(planes)[:stretches].cast("b"), memoryview(planes)[stretches:].cast("b")
    found: list[int] = []
    for part in range(parts):
        start, end = part * stretches // parts, (part + 1) * stretches // parts
        found += (min(least[start:end]), max(greatest[start:end]))
    return found

"""How much two videos show the same, by the gradient hashes of their tiles; pure.

A hash has 64 bits; pictures that look alike differ in few of them, whatever their size, rate and compression. For the
database each hash is cut into four bands of 16 bits: two hashes that differ in up to three bits share at least one
band, so that an index over bands finds the candidates. Plain pictures (black, a fade) say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

HASH_BYTES = 8
MAX_PROBES = 64  # tiles of one video that are looked for in another
NEAR_BITS = 6  # of 64: the same picture encoded anew differs in 0 to 4, another one in 20 to 44
PLAIN_BITS = 6  # fewer set bits, or fewer unset: nothing to see


def hashes_of(stored: bytes) -> list[int]:
    """The hashes that say something, each once, in the order of the tiles."""
    values = (int.from_bytes(stored[place : place + HASH_BYTES]) for place in range(0, len(stored), HASH_BYTES))
    return [value for value in dict.fromkeys(values) if PLAIN_BITS <= value.bit_count() <= 64 - PLAIN_BITS]


def probes_of(hashes: Sequence[int]) -> list[int]:
    """At most 64 of them, evenly spread."""
    if len(hashes) <= MAX_PROBES:
        return list(hashes)
    return [hashes[number * len(hashes) // MAX_PROBES] for number in range(MAX_PROBES)]


def bands_of(hashes: Sequence[int]) -> list[int]:
    """The bands of all hashes, each once, in order: which quarter it is, and its 16 bits."""
    return sorted({quarter << 16 | value >> 16 * quarter & 0xFFFF for value in hashes for quarter in range(4)})


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """0 to 1: the share of one video's pictures that the other shows too, of the two shares the greater: an excerpt
    is all in the whole."""
    if not one or not other:
        return 0.0
    return max(_share(one, other), _share(other, one))


def _share(looked_for: Sequence[int], there: Sequence[int]) -> float:
    probes = probes_of(looked_for)
    found = sum(1 for probe in probes if any((probe ^ value).bit_count() <= NEAR_BITS for value in there))
    return found / len(probes)

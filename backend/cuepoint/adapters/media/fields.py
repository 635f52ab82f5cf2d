"""H.264 whose pictures lie in two packets, one for each field (broadcasts): which packet is the second of a picture.

Decoders make one picture of both. What is read are the sequence parameter set and the first words of each slice (ITU-T
H.264, 7.3.2.1.1 and 7.3.3); where the set rules fields out, slices are not read at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from av.packet import Packet

from cuepoint.adapters.media.bitstreams import NotSmartError, h264_header, units_of

_SLICES, _SPS = (1, 5), 7
# Profiles whose sets state the format of chroma and may hold scaling lists.
_HIGH_PROFILES = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)
_HEADER_BYTES, _SET_BYTES = 32, 1024  # as far as they are read; twelve scaling lists have 700 at the most


class _Bits:
    """A unit bit by bit, without the bytes that keep start codes out. Raises ValueError behind its end."""

    def __init__(self, unit: bytes) -> None:
        data = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the unit ends early")
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


@dataclass(frozen=True)
class _Sequence:
    """How a slice's header is to be read."""

    number_bits: int
    has_colour_planes: bool


@dataclass(frozen=True)
class _Field:
    frame_number: int
    is_bottom: bool


class FieldPairs:
    """Told the packets of a track in stored order, from a key frame on."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._length_size, sets = h264_header(extradata) if codec == "h264" else (None, [])
        self._sequence = next((_sequence(unit) for unit in sets if unit[0] & 31 == _SPS), None)
        self._first: _Field | None = None  # whose second one has not come

    @property
    def is_half(self) -> bool:
        """Whether the packet told last holds a first field alone."""
        return self._first is not None

    def is_second(self, packet: Packet[Any]) -> bool:
        """Whether the packet completes the picture that the packet before began."""
        if self._sequence is None:
            return False
        before, self._first = self._first, None
        try:
            units = units_of(bytes(packet), self._length_size)
            slices = {_field(unit, self._sequence) for unit in units if unit[0] & 31 in _SLICES}
        except (NotSmartError, ValueError):  # broken: the decoder will say so
            return False
        if len(slices) != 1:  # both fields
            return False
        (field,) = slices
        if field is None:  # a frame
            return False
        if before == _Field(field.frame_number, not field.is_bottom):
            return True
        self._first = field
        return False


def _field(unit: bytes, sequence: _Sequence) -> _Field | None:
    """Of which field the slice is; None: of a frame."""
    bits = _Bits(unit[1:_HEADER_BYTES])
    for _ in range(3):  # first macroblock, type, picture parameter set
        bits.golomb()
    bits.take(2 if sequence.has_colour_planes else 0)
    number = bits.take(sequence.number_bits)
    return _Field(number, bool(bits.take(1))) if bits.take(1) else None


def _sequence(sps: bytes) -> _Sequence | None:
    """None where all pictures are frames, or the set cannot be read."""
    bits = _Bits(sps[4:_SET_BYTES])
    try:
        bits.golomb()  # its id
        has_planes = _high_profile(bits) if sps[1] in _HIGH_PROFILES else False
        number_bits = bits.golomb() + 4
        _skip_order(bits)
        bits.golomb()  # reference frames
        bits.take(1)  # gaps are allowed
        bits.golomb()
        bits.golomb()  # width and height
        return None if bits.take(1) else _Sequence(number_bits, has_planes)
    except (ValueError, IndexError):
        return None


def _high_profile(bits: _Bits) -> bool:
    """Whether planes of colour are coded apart."""
    chroma = bits.golomb()
    has_planes = bool(bits.take(1)) if chroma == 3 else False
    bits.golomb()
    bits.golomb()  # depths
    bits.take(1)  # lossless
    if bits.take(1):
        for number in range(8 if chroma != 3 else 12):
            if bits.take(1):
                _skip_list(bits, 16 if number < 6 else 64)
    return has_planes


def _skip_list(bits: _Bits, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            coded = bits.golomb()
            following = (last + (-(coded // 2) if coded % 2 == 0 else coded // 2 + 1)) % 256
        last = following or last


def _skip_order(bits: _Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()

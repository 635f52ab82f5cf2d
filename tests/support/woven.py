"""Pictures woven of two fields, as broadcasts and camcorders store them, and a measure of the combs they show.

Each carries its number as every coded clip does, and a square that moves from field to field: its edges are combs
where both fields are shown at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

from tests.support.media import BITS, run_ffmpeg

RATE = 25
SIZE = (320, 192)  # in macroblocks: the stream of single fields has nothing smaller
_SQUARE, _STEP = 48, 6  # pixels; the step is of one field
_GROUP = 12
_Array = numpy.ndarray

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-bf", "2", "-flags", "+ildct+ilme", "-x264-params")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3", "-g", "12", "-bf", "2", "-flags", "+ildct+ilme", "-c:a", "mp2")
ENCODINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "h264 mp4": (".mp4", (*H264, "tff=1", "-c:a", "aac")),
    "h264 mkv bottom first": (".mkv", (*H264, "bff=1", "-c:a", "aac")),
    "mpeg2 ts": (".ts", (*MPEG2, "-muxdelay", "1.4")),
    "mpeg2 mpg": (".mpg", MPEG2),
    "h264 ts of single fields": (".ts", ()),
}


def make_woven(folder: Path, name: str, frames: int = 50) -> Path:
    """The source of that name, with a tone."""
    suffix, arguments = ENCODINGS[name]
    path = folder / f"{name.replace(' ', '-')}{suffix}"
    order = "bff" if "bottom" in name else "tff"
    woven = [_picture(number, bottom_first=order == "bff") for number in range(frames)]
    sound = ("-f", "lavfi", "-i", f"sine=440:d={frames / RATE}")
    if not arguments:
        raw = ("-f", "h264", "-r", str(2 * RATE), "-i", "pipe:0")
        copied = ("-c:v", "copy", "-c:a", "aac", "-muxdelay", "1.4", str(path))
        run_ffmpeg(*raw, *sound, *copied, stdin=_single_fields(woven))
        return path
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(RATE), "-i", "pipe:0")
    fields = ("-vf", f"setfield={order},format=yuv420p", "-shortest")
    run_ffmpeg(*raw, *sound, *fields, *arguments, str(path), stdin=b"".join(one.tobytes() for one in woven))
    return path


def combs(picture: _Array) -> int:
    """Pixels of a grey picture that differ from both neighbours above and below, which are alike."""
    above, here, below = (picture[start : picture.shape[0] - 2 + start].astype(int) for start in range(3))
    differs = (abs(here - above) > 40) & (abs(here - below) > 40) & (abs(above - below) < 15)
    return int(differs[picture.shape[0] // 2 :].sum())


def _picture(number: int, *, bottom_first: bool) -> _Array:
    width, height = SIZE
    bits = numpy.array([number >> (BITS - 1 - bit) & 1 for bit in range(BITS)], dtype=numpy.uint8)
    picture = numpy.full((height, width), 96, dtype=numpy.uint8)
    picture[: height // 2] = numpy.repeat(bits * 219 + 16, width // BITS)
    for line in range(height * 5 // 8, height * 7 // 8):
        is_later = line % 2 == (0 if bottom_first else 1)
        left = (2 * number + is_later) * _STEP % (width - _SQUARE)
        picture[line, left : left + _SQUARE] = 220
    return picture


def _single_fields(woven: Sequence[_Array]) -> bytes:
    """H.264 whose pictures are two fields each, in units of their own; every macroblock holds plain samples (I_PCM)."""
    stream = b""
    for number, picture in enumerate(woven):
        is_key = number % _GROUP == 0
        if is_key:
            stream += _sequence_set() + _picture_set()
        at = number % _GROUP
        stream += _field(picture[0::2], at, is_bottom=False, key=number // _GROUP % 2 if is_key else None)
        stream += _field(picture[1::2], at, is_bottom=True, key=None)
    return stream


def _bits(*parts: int | tuple[int, int]) -> str:
    """A number alone becomes an Exp-Golomb code, a pair is (value, bits)."""
    return "".join(
        f"{part[0]:0{part[1]}b}" if isinstance(part, tuple) else f"{part + 1:0{2 * (part + 1).bit_length() - 1}b}"
        for part in parts
    )


def _bytes(bits: str) -> bytes:
    padded = bits + "0" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def _unit(head: int, data: bytes) -> bytes:
    return b"\0\0\0\1" + bytes([head]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", data)


def _sequence_set() -> bytes:
    width, height = SIZE
    bits = _bits((100, 8), (0, 8), (30, 8), 0, 1, 0, 0, (0, 1))  # High, 4:2:0 of 8 bits
    bits += _bits((1, 1), (1, 1), 16, (0, 7))  # a scaling list, which broadcasts have and plain samples do not need
    bits += _bits(0, 2, 1, (0, 1), width // 16 - 1, height // 32 - 1)
    bits += _bits((0, 1), (0, 1), (1, 1), (0, 1))  # fields, and not mixed within a frame
    bits += _bits((1, 1), (0, 4), (1, 1), (1, 32), (2 * RATE, 32), (1, 1), (0, 4))  # so many a second
    return _unit(0x67, _bytes(bits + "1"))


def _picture_set() -> bytes:
    return _unit(0x68, _bytes(_bits(0, 0, (0, 2), 0, 0, 0, (0, 3), 0, 0, 0, (4, 3)) + "1"))


def _field(lines: _Array, at: int, *, is_bottom: bool, key: int | None) -> bytes:
    """`key` is the id of the key picture that begins with this field, if one does."""
    header = _bits(0, 7, 0, (at, 4), (1, 1), (int(is_bottom), 1))
    header += _bits((0, 1)) if key is None else _bits(key, (0, 2))
    data = bytearray(_bytes(header + _bits(0, 1, 25)))  # and the first macroblock's type
    for y in range(0, lines.shape[0], 16):
        for x in range(0, lines.shape[1], 16):
            data += (
                (_bytes(_bits(25)) if x or y else b"") + lines[y : y + 16, x : x + 16].tobytes() + bytes([128]) * 128
            )
    return _unit(0x61 if key is None else 0x65, bytes(data) + b"\x80")

"""Containers written by hand, so that they can declare what no muxer would write: boxes, EBML, RIFF."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image

from tests.support.media import CodedClip, make_coded_clip, run_ffmpeg

FTYP = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
HOUR_MS = 3_600_000


def box(kind: bytes, *content: bytes, length: int | None = None) -> bytes:
    """An mp4 box; `length` is what it declares instead of the truth."""
    whole = b"".join(content)
    return struct.pack(">I4s", len(whole) + 8 if length is None else length, kind) + whole


def table(kind: bytes, *numbers: int, version_and_flags: int = 0) -> bytes:
    """A box of 32-bit numbers."""
    return box(kind, struct.pack(f">{len(numbers) + 1}I", version_and_flags, *numbers))


def track(*tables: bytes, number: int = 1, handler: bytes = b"soun", entry: bytes | None = None) -> bytes:
    """A track box whose sample table holds `tables`."""
    sound = struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, 8000 << 16)
    header = struct.pack(">IIIIII60x", 7, 0, 0, number, 0, 1000)
    return box(
        b"trak",
        box(b"tkhd", header),
        box(
            b"mdia",
            table(b"mdhd", 0, 0, 8000, 8000, 0x55C40000),
            box(b"hdlr", bytes(8) + handler + bytes(13)),
            box(
                b"minf",
                box(b"smhd", bytes(8)),
                box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), table(b"url ", version_and_flags=1))),
                box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), entry or box(b"sowt", sound)), *tables),
            ),
        ),
    )


def movie(*tracks: bytes, duration: int = 1000, media: bytes = bytes(16_000)) -> bytes:
    """A whole mp4 with the index in front."""
    head = struct.pack(">IIIIIII76x", 0, 0, 0, 1000, duration, 0x10000, 0x01000000)
    return FTYP + box(b"moov", box(b"mvhd", head), *tracks) + box(b"mdat", media)


def samples(count: int = 8000, size: int = 2, offset: int = 600) -> tuple[bytes, ...]:
    """The four tables of a track whose samples are all of one size and lie in one chunk."""
    return (
        table(b"stts", 1, count, 1),
        table(b"stsz", size, count),
        table(b"stsc", 1, 1, count, 1),
        table(b"stco", 1, offset),
    )


def nested(kind: bytes, depth: int) -> bytes:
    """Boxes of one kind within each other."""
    return b"".join(struct.pack(">I4s", 8 * (depth - level), kind) for level in range(depth))


def element(number: int, *content: bytes, size: int | None = None) -> bytes:
    """An EBML element with a size of eight bytes; `size` is what it declares instead of the truth."""
    whole = b"".join(content)
    declared = len(whole) if size is None else size
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + (1 << 56 | declared).to_bytes(8, "big") + whole


def unsigned(number: int, value: int) -> bytes:
    """An EBML element that holds a number."""
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def matroska(*children: bytes, segment_size: int | None = None, kind: bytes = b"matroska") -> bytes:
    """A whole Matroska file of these children."""
    return element(0x1A45DFA3, element(0x4282, kind)) + element(0x18538067, *children, size=segment_size)


def matroska_track(*more: bytes, codec: bytes = b"A_PCM/INT/LIT", kind: int = 2) -> bytes:
    """A list of one track; sound of 8 kHz, mono, unless `more` says otherwise."""
    sound = element(0xE1, element(0xB5, struct.pack(">d", 8000.0)), unsigned(0x9F, 1), unsigned(0x6264, 16))
    entry = [unsigned(0xD7, 1), unsigned(0x73C5, 1), unsigned(0x83, kind), element(0x86, codec)]
    return element(0x1654AE6B, element(0xAE, *entry, sound if kind == 2 else b"", *more))


def cluster(milliseconds: int, *blocks: bytes) -> bytes:
    """A cluster at a time, with simple blocks of track 1."""
    return element(
        0x1F43B675, unsigned(0xE7, milliseconds), *(element(0xA3, b"\x81\x00\x00\x80" + block) for block in blocks)
    )


def spread(hours: int, track: bytes, block: bytes, *, padding: int = 0) -> bytes:
    """Three blocks over so many hours, and a length that says so."""
    last = hours * HOUR_MS
    length = element(0x1549A966, unsigned(0x2AD7B1, 1_000_000), element(0x4489, struct.pack(">d", float(last + 100))))
    return matroska(
        length, track, *(cluster(time, block) for time in (0, last // 2, last)), element(0xEC, bytes(padding))
    )


def picture_track() -> bytes:
    """A list of one track of small JPEG pictures."""
    return matroska_track(element(0xE0, unsigned(0xB0, 64), unsigned(0xBA, 48)), codec=b"V_MJPEG", kind=1)


def flv_tag(time: int) -> bytes:
    """A block of sound at a time in milliseconds."""
    content = b"\x02" + bytes(400)  # PCM, 5.5 kHz, 16 bits
    stamp = struct.pack(">I", time & 0xFFFFFF)[1:] + bytes([time >> 24])
    head = b"\x08" + struct.pack(">I", len(content))[1:] + stamp + bytes(3)
    return head + content + struct.pack(">I", len(head) + len(content))


def packed_zeros(size: int) -> bytes:
    """A zlib stream that unfolds to `size` zeros."""
    return zlib.compress(bytes(size), 9)


COMPRESSED = element(0x6D80, element(0x6240, element(0x5034, unsigned(0x4254, 0))))  # ContentEncodings: zlib


def wave(
    rate: int = 8000,
    channels: int = 1,
    bits: int = 16,
    *,
    data: bytes = bytes(16_000),
    align: int | None = None,
    size: int | None = None,
) -> bytes:
    """A WAV file; `align` and `size` (of the data) are what it declares instead of the truth."""
    block = channels * bits // 8 if align is None else align
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits)
    declared = len(data) if size is None else size
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", declared) + data
    return b"RIFF" + struct.pack("<I", min(len(body) - len(data) + declared, 0xFFFFFFFF)) + body


def jpeg(width: int, height: int) -> bytes:
    """A JPEG that declares a size and holds next to nothing."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\x01\x22\x00\x02\x11\x00\x03\x11\x00"
    quantities = b"\xff\xdb\x00\x43\x00" + b"\x01" * 64
    codes = b"\xff\xc4\x00\x14\x00\x01" + bytes(15) + b"\x00" + b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\x00"
    scan = b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
    return b"\xff\xd8" + quantities + b"\xff\xc0\x00\x11" + frame + codes + scan + bytes(64) + b"\xff\xd9"


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that declares a size and holds these chunks, but no picture."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [head, *chunks, b"IDAT", b"IEND"]
    framed = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@cache
def image(kind: str) -> bytes:
    """An honest picture of 64 x 48, of noise."""
    buffer = io.BytesIO()
    noise = random.Random(1).randbytes(64 * 48 * 3)
    Image.frombytes("RGB", (64, 48), noise).save(buffer, kind)
    return buffer.getvalue()


def avi(width: int, height: int, frames: list[bytes], *, codec: bytes = b"MJPG") -> bytes:
    """A Motion JPEG file in which each frame is what it is, whatever the header says."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    head = struct.pack("<14I", 40_000, 0, 0, 0x10, len(frames), 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = b"vids" + codec + struct.pack("<10I8x", 0, 0, 0, 1, 25, 0, len(frames), 0, 0, 0)
    form = struct.pack("<IiiHH4sIIIII", 40, width, height, 1, 24, codec, 0, 0, 0, 0, 0)
    listed = b"strl" + chunk(b"strh", stream) + chunk(b"strf", form)
    headers = chunk(b"LIST", b"hdrl" + chunk(b"avih", head) + chunk(b"LIST", listed))
    return chunk(b"RIFF", b"AVI " + headers + chunk(b"LIST", b"movi" + b"".join(chunk(b"00dc", f) for f in frames)))


@cache
def real(suffix: str, *arguments: str) -> bytes:
    """A good clip of one second, coded by ffmpeg, in the container of the suffix."""
    clip = CodedClip(frames=24, arguments=(*CodedClip.arguments, *arguments)) if arguments else CodedClip(frames=24)
    return _bytes_of(lambda path: make_coded_clip(path, clip), suffix)


@cache
def encoded(suffix: str, *arguments: str) -> bytes:
    """What ffmpeg makes of these arguments."""
    return _bytes_of(lambda path: run_ffmpeg(*arguments, str(path)), suffix)


def _bytes_of(make: Callable[[Path], object], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        make(path)
        return path.read_bytes()

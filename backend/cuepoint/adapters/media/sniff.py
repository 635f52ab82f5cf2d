"""What a file is by its first bytes, and whether its end is missing; pure reading, before any demuxer sees it."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass

HEAD_BYTES = 4096
_MAX_BOXES = 100_000  # an mp4 of 12 hours in fragments of one second has 86,400 of them
_BOX_HEADER = 8
_LONG_BOX_HEADER = 16

# Demuxers that foreign files may reach (libavformat's short names). Missing on purpose: all that name other files
# (hls, dash, concat, imf, image2 ...), take text as media (subtitles), or are pictures.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,dv,eac3,flac,flv,ivf,matroska,webm,mov,mp4,mp3,mpeg,mpegts,mxf,ogg,"
    "rm,tta,w64,wav,wv"
)

_PLAYLISTS = {
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat": "a concat playlist",
    b"[playlist]": "a PLS playlist",
}
_OTHER_FILES = {
    b"\xff\xd8\xff": "a row of JPEG pictures without a container",
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#!": "a script",
}
_IMAGES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF87a": "gif", b"GIF89a": "gif"}
_MAX_SEGMENTS = 10_000  # of one JPEG; metadata of 600 MB
_SCAN_PIECE = 1 << 20
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # ITU-T T.81 B.1.1: no stuffed byte, restart or fill
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f\x1b") | frozenset(range(0x80, 0x100))


@dataclass(frozen=True)
class Extent:
    """What the container says about its own size. `expected_bytes` is None where it does not say."""

    expected_bytes: int | None = None
    has_index: bool | None = None  # of mp4 only: a moov box, or fragments that bring their own

    def is_truncated(self, size_bytes: int) -> bool:
        """Whether the file is shorter than it says."""
        return self.expected_bytes is not None and self.expected_bytes > size_bytes


def not_media(head: bytes, size_bytes: int) -> str | None:
    """What the file is instead of media ("an empty file", "a text file", ...), or None if it may be media."""
    if size_bytes == 0:
        return "an empty file"
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, name in _PLAYLISTS.items():
        if stripped.startswith(magic):
            return name
    if b"<MPD" in head and stripped.startswith(b"<"):
        return "a DASH playlist"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture"
    for magic, name in _OTHER_FILES.items():
        if head.startswith(magic):
            return name
    if stripped[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "a text file" if _is_text(head) else None


def image_kind(descriptor: int) -> str | None:
    """png, jpeg, webp or gif: pictures that are assets of their own; None for anything else.

    JPEGs one behind the other are a film (raw MJPEG), unless the first has the index of a file of several (MPO, or a
    photograph with its gain map).
    """
    head = os.pread(descriptor, HEAD_BYTES, 0)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    kind = next((kind for magic, kind in _IMAGES.items() if head.startswith(magic)), None)
    return None if kind == "jpeg" and _goes_on(descriptor) else kind


def _goes_on(descriptor: int) -> bool:
    """Whether a second JPEG begins where the first ends, and no index says so."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        head = os.pread(descriptor, 8, at)
        if head[:2] == b"\xff\xd9":
            return os.pread(descriptor, 3, at + 2) == b"\xff\xd8\xff"
        if len(head) < 4 or head[0] != 0xFF or (head[1] == 0xE2 and head[4:] == b"MPF\0"):
            return False
        if head[1] == 0xFF:  # fill
            at += 1
            continue
        at += 2 + int.from_bytes(head[2:4])
        if head[1] == 0xDA:
            at = _behind_scan(descriptor, at)
    return False


def _behind_scan(descriptor: int, at: int) -> int:
    while len(piece := os.pread(descriptor, _SCAN_PIECE, at)) > 1:
        found = _END_OF_SCAN.search(piece)
        if found is not None:
            return at + found.start()
        at += len(piece) - 1  # the last byte may be half of a marker
    return at


def _is_text(head: bytes) -> bool:
    if not set(head) <= _TEXT_BYTES:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and len(head) == HEAD_BYTES  # a character cut at the end of the head
    return True


def container_name(format_name: str, head: bytes) -> str:
    """One short name instead of libavformat's list: mp4, mov, m4a, 3gp, webm, matroska, wav, ..."""
    if format_name.startswith("mov,"):
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        special = {b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a"}
        return special.get(brand, "3gp" if brand.startswith(b"3g") else "mp4")
    if format_name.startswith("matroska"):
        return "webm" if b"webm" in head[:64] else "matroska"
    return format_name.partition(",")[0]


def extent(descriptor: int, head: bytes, size_bytes: int) -> Extent:
    """How long the container says it is; reads box headers only."""
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp"}:
        return _mp4_extent(descriptor, size_bytes)
    if head[:4] == b"RIFF":
        declared = struct.unpack("<I", head[4:8])[0] if len(head) >= _BOX_HEADER else 0
        return Extent(declared + 8 if 0 < declared < 0xFFFFFFFF else None)
    if head[:4] == b"\x1aE\xdf\xa3":
        return Extent(_matroska_bytes(head))
    return Extent()


def _mp4_extent(descriptor: int, size_bytes: int) -> Extent:
    offset, has_index = 0, False
    for _ in range(_MAX_BOXES):
        header = os.pread(descriptor, _LONG_BOX_HEADER, offset)
        if len(header) < _BOX_HEADER:
            break
        length, kind = struct.unpack(">I4s", header[:_BOX_HEADER])
        if length == 1 and len(header) == _LONG_BOX_HEADER:
            length = struct.unpack(">Q", header[8:])[0]
        elif length == 0:  # to the end of the file
            length = size_bytes - offset
        if length < _BOX_HEADER:  # no box: leave it to the demuxer
            return Extent(has_index=has_index or None)
        has_index = has_index or (kind in {b"moov", b"moof"} and offset + length <= size_bytes)
        offset += length
        if offset >= size_bytes:
            break
    return Extent(expected_bytes=offset, has_index=has_index)


def _matroska_bytes(head: bytes) -> int | None:
    """Where the segment ends by its own word; None for a live recording, which leaves its length open."""
    header = _vint(head, 4)
    if header is None:
        return None
    at = header[1] + header[0]
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        return None
    segment = _vint(head, at + 4)
    return None if segment is None else segment[1] + segment[0]


def _vint(head: bytes, at: int) -> tuple[int, int] | None:
    """EBML number at `at` and the offset behind it; None if it is cut off or means "unknown"."""
    if at >= len(head) or head[at] == 0:
        return None
    width = 9 - head[at].bit_length()
    if at + width > len(head):
        return None
    value = int.from_bytes(head[at : at + width], "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else (value, at + width)

"""What the boxes of an mp4 or mov declare, against what the file can hold; pure reading, before any demuxer sees it.

A demuxer reserves memory for what a table declares: 5 KB that declare 50 million samples cost 1.9 GB. So each table
must fit into its own box, samples must be in proportion to bytes, boxes are nested no deeper than any real file needs,
and a compressed index (`cmov`), which hides all of that, is refused. Headers and counts are read; samples are not.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from cuepoint.errors import CuepointError, ErrorCode

MAX_DEPTH = 10  # moov/trak/mdia/minf/stbl is 5 deep; libavformat itself stops at 10
MAX_BOXES = 1_000_000  # a 12-hour file in fragments of one second has 43,200 times 11
# QuickTime counts compressed sound in samples of its output: 6 a byte in MACE 6:1, 3 in MP3, 2 in IMA.
MAX_SAMPLES_PER_BYTE = 16
MAX_EDITS = 10_000  # an edit costs the demuxer one search through the samples; real files have a handful
_MAX_RUN_TABLE_BYTES = 32 * 1024**2  # of stts or ctts: 4 million runs, every frame of 12 hours at 60 with its own
_CONTAINERS = frozenset(
    (
        b"moov",
        b"trak",
        b"mdia",
        b"minf",
        b"stbl",
        b"edts",
        b"mvex",
        b"moof",
        b"traf",
        b"udta",
        b"dinf",
        b"gmhd",
        b"wave",
    )
)
_ENTRY_BYTES = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"stss": 4}
_RUN_FIELDS = (0x100, 0x200, 0x400, 0x800)  # trun: each flag adds 4 bytes to every sample's entry
_RUN_HEADER_FIELDS = (0x001, 0x004)


@dataclass(frozen=True)
class _Found:
    """`end` is what the box says, `there` what the file holds of it; offsets of the content in the file."""

    kind: bytes
    start: int
    end: int
    there: int


def check_boxes(descriptor: int, head: bytes, size_bytes: int) -> None:
    """Nothing for a file that is no mp4 or mov. Raises UNSUPPORTED_MEDIA or MEDIA_LIMIT_EXCEEDED as a CuepointError."""
    if head[4:8] not in {b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp", b"moof", b"uuid"}:
        return
    samples = runs = 0
    for box in _walk(descriptor, size_bytes):
        if box.kind == b"cmov":
            raise CuepointError(
                ErrorCode.UNSUPPORTED_MEDIA, "The index of the file is compressed (cmov); write it anew, uncompressed."
            )
        if box.kind in _ENTRY_BYTES:
            _check_table(descriptor, box, _ENTRY_BYTES[box.kind])
        if box.kind == b"elst":
            _check_edits(descriptor, box)
        elif box.kind in {b"stsz", b"stz2"}:
            samples += _sample_count(descriptor, box)
        elif box.kind == b"trun":
            samples += _run_length(descriptor, box)
        elif box.kind in {b"stts", b"ctts"}:
            runs = max(runs, _samples_in_runs(descriptor, box))
        if max(samples, runs) > size_bytes * MAX_SAMPLES_PER_BYTE:
            raise _beyond(f"The file declares {max(samples, runs)} samples and has only {size_bytes} bytes.")


def _walk(descriptor: int, size_bytes: int) -> Iterator[_Found]:
    """Every box that begins in the file, children after their parents; what is no box ends its parent."""
    waiting = [(0, size_bytes, 0)]
    count = 0
    while waiting:
        at, end, depth = waiting.pop()
        while (box := _read(descriptor, at, end)) is not None:
            count += 1
            if count > MAX_BOXES:
                raise _beyond(f"The file has more than {MAX_BOXES} boxes.")
            yield box
            if box.kind in _CONTAINERS:
                if depth >= MAX_DEPTH:
                    raise _beyond(f"The boxes of the file are nested more than {MAX_DEPTH} deep.")
                waiting.append((box.start, box.there, depth + 1))
            at = box.there


def _read(descriptor: int, at: int, end: int) -> _Found | None:
    header = os.pread(descriptor, min(16, max(0, end - at)), at)
    if len(header) < 8:
        return None
    length, kind = struct.unpack(">I4s", header[:8])
    start = at + 8
    if length == 1 and len(header) == 16:
        (length,) = struct.unpack(">Q", header[8:])
        start = at + 16
    elif length == 0:
        length = end - at
    return _Found(kind, start, at + length, min(at + length, end)) if start <= at + length else None


def _numbers(descriptor: int, box: _Found, count: int) -> tuple[int, ...]:
    """The first `count` 32-bit numbers after version and flags; fewer if the box is shorter."""
    content = os.pread(descriptor, min(4 + 4 * count, box.there - box.start), box.start)
    whole = max(0, len(content) // 4 - 1)
    return struct.unpack(f">{whole}I", content[4 : 4 + 4 * whole])


def _check_table(descriptor: int, box: _Found, entry_bytes: int) -> int:
    """The count of entries, which must fit into the box."""
    count = next(iter(_numbers(descriptor, box, 1)), 0)
    if count * entry_bytes > box.end - box.start - 8:
        raise _false(box, count)
    return count


def _check_edits(descriptor: int, box: _Found) -> None:
    version = os.pread(descriptor, 1, box.start)
    count = _check_table(descriptor, box, 20 if version == b"\1" else 12)
    if count > MAX_EDITS:
        raise _beyond(f"The file has {count} edits; at most {MAX_EDITS} are accepted.")


def _sample_count(descriptor: int, box: _Found) -> int:
    """Samples of one track; each has an entry unless all are of one size."""
    size, count = (*_numbers(descriptor, box, 2), 0, 0)[:2]
    bits = (size & 0xFF) if box.kind == b"stz2" else 0 if size else 32
    if count * bits > (box.end - box.start - 12) * 8:
        raise _false(box, count)
    return count


def _run_length(descriptor: int, box: _Found) -> int:
    (flags,) = struct.unpack(">I", os.pread(descriptor, 4, box.start).ljust(4, b"\0"))
    count = next(iter(_numbers(descriptor, box, 1)), 0)
    entry_bytes = 4 * sum(1 for flag in _RUN_FIELDS if flags & flag)
    header_bytes = 8 + 4 * sum(1 for flag in _RUN_HEADER_FIELDS if flags & flag)
    if count * entry_bytes > box.end - box.start - header_bytes:
        raise _false(box, count)
    return count


def _samples_in_runs(descriptor: int, box: _Found) -> int:
    """The samples that a table of (count, time) pairs speaks of; a demuxer keeps an entry for each."""
    count = next(iter(_numbers(descriptor, box, 1)), 0)
    if count * 8 > _MAX_RUN_TABLE_BYTES:
        raise _beyond(f"A table of the file has {count} entries; at most {_MAX_RUN_TABLE_BYTES // 8} are accepted.")
    content = os.pread(descriptor, count * 8, box.start + 8)
    pairs = array("I", content[: len(content) // 8 * 8])
    if sys.byteorder == "little":
        pairs.byteswap()
    return sum(pairs[::2])


def _false(box: _Found, count: int) -> CuepointError:
    name = box.kind.decode("latin-1")
    return _beyond(f"The table {name} declares {count} entries in {max(0, box.end - box.start)} bytes.")


def _beyond(message: str) -> CuepointError:
    return CuepointError(ErrorCode.MEDIA_LIMIT_EXCEEDED, message)

"""Byte ranges of RFC 9110 section 14: one range at a time, which is all that players ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SINGLE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 18  # digits; keeps int() cheap, and no file is larger


class UnsatisfiableError(Exception):
    """No byte of the file lies in the range."""


@dataclass(frozen=True)
class ByteRange:
    """The bytes [start, end)."""

    start: int
    end: int


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that is asked for; None means the whole file.

    Several ranges, other units and malformed values are ignored, as the RFC allows. Raises UnsatisfiableError.
    """
    match = _SINGLE.fullmatch((header or "").strip())
    if match is None or match[1] == match[2] == "" or max(len(match[1]), len(match[2])) > _LONGEST_NUMBER:
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        if length == 0:
            raise UnsatisfiableError
        return ByteRange(size - length, size)
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        raise UnsatisfiableError
    return ByteRange(start, min(last + 1, size))

"""The hashes that content is known by: BLAKE3 always, SHA-256 where somebody names it (decision 0024)."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from cuepoint.adapters.storage.base import Piece

READ_BYTES = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")


class FileHash(NamedTuple):
    """Of all bytes of a file, in lower-case hexadecimal digits; `sha256` is None where it was not asked for."""

    blake3: str
    sha256: str | None


class FileDigest:
    """The hashes of the first `position` bytes of a file."""

    def __init__(self, *, with_sha256: bool) -> None:
        self._blake3 = blake3()
        self._sha256 = hashlib.sha256() if with_sha256 else None
        self.position = 0

    def update(self, piece: Piece) -> None:
        """Go on with the next bytes."""
        self._blake3.update(piece)
        if self._sha256 is not None:
            self._sha256.update(piece)
        self.position += len(piece)

    def found(self) -> FileHash:
        """The hashes so far."""
        return FileHash(self._blake3.hexdigest(), None if self._sha256 is None else self._sha256.hexdigest())


def is_hash(value: str) -> bool:
    """Whether it is written as either of them."""
    return _HASH.fullmatch(value) is not None


def hash_of(path: Path) -> str:
    """The BLAKE3 of a file on this machine."""
    digest = blake3()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()

"""Hashes of bytes on their way: of one piece, checked against what its sender promised, and of the whole file.

The hashes of a file go on from piece to piece as long as this process sees all of them in order. That saves reading
the file a second time, which on an object store is a whole download. Where a piece went elsewhere, or the process
was started anew, the file is read once at the end instead: the result is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, field
from uuid import UUID

from cuepoint.adapters.storage.base import Piece, Storage
from cuepoint.features.files.hashes import FileDigest, FileHash

ALGORITHMS = ("sha1", "sha256")  # of single pieces; tus servers must know sha1
MOST_KEPT = 1024  # uploads whose hash goes on; some 250 bytes each


@dataclass(frozen=True)
class Checksum:
    """What a sender promised of one piece. `algorithm` is one of ALGORITHMS."""

    algorithm: str
    digest: bytes


async def hash_of_upload(
    storage: Storage,
    upload_key: str,
    known: FileDigest | None,
    size_bytes: int,
    *,
    with_sha256: bool,
    on_bytes: Callable[[int], None] = lambda _done: None,
) -> FileHash:
    """The hashes of a whole upload: those that went along with its bytes, or of the bytes read again."""
    if known is not None and known.position == size_bytes:
        return known.found()
    digest = FileDigest(with_sha256=with_sha256)
    async for piece in storage.read_upload(upload_key):
        await asyncio.to_thread(digest.update, piece)
        on_bytes(digest.position)
    return digest.found()


@dataclass
class Watched:
    """A stream whose bytes are hashed as they pass."""

    stream: AsyncIterable[Piece]
    file: FileDigest | None
    checksum: Checksum | None = None
    _piece: hashlib._Hash = field(init=False)

    def __post_init__(self) -> None:
        self._piece = hashlib.new(self.checksum.algorithm if self.checksum else ALGORITHMS[0], usedforsecurity=False)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        """The same bytes."""
        async for piece in self.stream:
            if self.file is not None:
                self.file.update(piece)
            if self.checksum is not None:
                self._piece.update(piece)
            yield piece

    def is_as_promised(self) -> bool:
        """Whether all that passed has the promised checksum; True without one."""
        return self.checksum is None or hmac.compare_digest(self._piece.digest(), self.checksum.digest)


class RunningDigests:
    """The hashes of open uploads that this process has seen from the first byte on."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[UUID, FileDigest] = OrderedDict()

    def take(self, upload_id: UUID, offset: int, *, with_sha256: bool) -> FileDigest | None:
        """The hashes of the bytes before `offset`, which nobody else gets now; None where they are not known.

        Bytes before a confirmed offset never change, so a hash of that many bytes is a hash of those.
        """
        kept = self._kept.pop(upload_id, None)
        if not offset:
            return FileDigest(with_sha256=with_sha256)
        return kept if kept is not None and kept.position == offset else None

    def keep(self, upload_id: UUID, digest: FileDigest) -> None:
        """To be gone on with; the hash that was touched longest ago is forgotten when there are too many."""
        self._kept[upload_id] = digest
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


RUNNING = RunningDigests()

"""The port of file storage: objects by key, open uploads by offset, files for tools by path."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

# Bytes on their way through; nobody changes them any more.
Piece: TypeAlias = bytes | bytearray


@dataclass(frozen=True)
class ObjectInfo:
    """An object as it lies in storage."""

    key: str
    size_bytes: int
    etag: str | None


@dataclass(frozen=True)
class DirectFile:
    """An object that a client fetches from the store itself, with the headers that the answer shall carry."""

    key: str
    content_type: str
    content_disposition: str


@dataclass(frozen=True)
class ListedFile:
    """A file as a listing of the storage shows it; `modified_at` by the clock of the storage."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class OpenBytes:
    """Bytes of an open upload, and when the newest of them were written."""

    upload_key: str
    modified_at: datetime


@dataclass(frozen=True)
class UnfinishedWrite:
    """A file that somebody began to write and has not finished: where it would lie, and how the storage finds it."""

    key: str
    token: str
    started_at: datetime


@dataclass(frozen=True)
class SignedPart:
    """Where one part of an upload is sent to, by PUT, without any header of ours; `size_bytes` is its exact size."""

    number: int
    size_bytes: int
    url: str


class DirectParts(Protocol):
    """Uploads whose parts clients send to the store itself. Parts are numbered from 1 and all of one size, but for the
    last."""

    def part_bytes(self, size_bytes: int) -> int:
        """The size of the parts of an upload of that size."""
        ...

    async def sign(
        self, upload_key: str, numbers: Sequence[int], *, size_bytes: int, part_bytes: int, seconds: int
    ) -> list[SignedPart]:
        """URLs of parts, which are open for so many seconds to whoever has them."""
        ...

    async def take(self, upload_key: str, *, size_bytes: int, part_bytes: int) -> None:
        """The parts in the store are the bytes of the upload: from now on it is read and finished like any other.
        Raises CuepointError UPLOAD_INCOMPLETE, with the numbers of the parts that are missing or of a wrong size."""
        ...


class Storage(Protocol):
    """Keys are relative POSIX paths made by us (ids, slugs, hashes), never text of a user.

    Raises AdapterError STORAGE_UNAVAILABLE (retryable) and CuepointError INSUFFICIENT_STORAGE.
    """

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[Piece], *, limit: int) -> int:
        """Write the stream at `offset` of an open upload, at most up to `limit` bytes in all; returns the new
        offset once the bytes are synced. Bytes beyond an earlier, unconfirmed write are overwritten.
        If the stream breaks off, what arrived is kept and its offset returned."""
        ...

    def upload_lock(self, upload_key: str) -> AbstractAsyncContextManager[None]:
        """The right to change an open upload, held by one caller at a time: on this machine where storage is a local
        disk, among all processes that share the storage where it is an object store.

        Never waits: raises CuepointError OFFSET_MISMATCH (retryable) while somebody else holds it."""
        ...

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        """Make the bytes of a whole upload the object `key`; repeating it is harmless."""
        ...

    async def abort_upload(self, upload_key: str) -> None:
        """Drop the bytes of an open upload; absent is fine."""
        ...

    def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        """The bytes of an upload, in pieces of 1 MiB or more. Raises NotFoundError when there are none.

        Meant for an upload that is whole: an object store has to put its parts together first."""
        ...

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Store a local file under `key`, replacing what is there, atomically."""
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """Size and ETag, or None when absent."""
        ...

    def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes [start, end) in pieces of about 1 MiB."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object, and what a process that died had begun to write of it; absent is fine."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Remove every object below `prefix`, and what was begun there; returns how many objects."""
        ...

    def local_copy(self, key: str) -> AbstractAsyncContextManager[Path]:
        """The object as a local file for tools, to read only: its own path where storage is local."""
        ...

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:
        """A URL by which a client fetches the object from the store itself for so long; None where there is none."""
        ...

    def list_files(self) -> AsyncIterator[Sequence[ListedFile]]:
        """Every object, in pages of any size and order."""
        ...

    def list_uploads(self) -> AsyncIterator[Sequence[OpenBytes]]:
        """Every open upload of which there are bytes, in pages of any size and order; none comes twice."""
        ...

    def list_unfinished(self) -> AsyncIterator[Sequence[UnfinishedWrite]]:
        """Writes of objects that a process began and did not finish; some may be under way right now."""
        ...

    async def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """What was written of it is gone; absent is fine."""
        ...

    def direct_parts(self) -> DirectParts | None:
        """Uploads in parts past this instance; None where the storage has no address that clients reach."""
        ...

    async def check(self) -> None:
        """Write, read and delete a small object; raises what went wrong."""
        ...

    async def close(self) -> None:
        """Release connections and temporary files."""
        ...

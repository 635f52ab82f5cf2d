"""The port of file storage: objects by key, open uploads by offset, files for tools by path."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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


class Storage(Protocol):
    """Keys are relative POSIX paths made by us (ids, slugs, hashes), never text of a user.

    Raises AdapterError STORAGE_UNAVAILABLE (retryable) and CuepointError INSUFFICIENT_STORAGE.
    """

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[bytes], *, limit: int) -> int:
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
        """Remove the object; absent is fine."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Remove every object below `prefix`; returns how many."""
        ...

    def local_copy(self, key: str) -> AbstractAsyncContextManager[Path]:
        """The object as a local file for tools, to read only: its own path where storage is local."""
        ...

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:
        """A URL by which a client fetches the object from the store itself for so long; None where there is none."""
        ...

    async def check(self) -> None:
        """Write, read and delete a small object; raises what went wrong."""
        ...

    async def close(self) -> None:
        """Release connections and temporary files."""
        ...

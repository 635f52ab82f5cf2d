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
        """The right to change an open upload, held by one caller at a time on this machine.

        Never waits: raises CuepointError OFFSET_MISMATCH (retryable) while somebody else holds it."""
        ...

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        """Make the bytes of a whole upload the object `key`; repeating it is harmless."""
        ...

    async def abort_upload(self, upload_key: str) -> None:
        """Drop the bytes of an open upload; absent is fine."""
        ...

    def upload_copy(self, upload_key: str) -> AbstractAsyncContextManager[Path]:
        """The bytes of an open upload as a local file, to read only."""
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

    async def check(self) -> None:
        """Write, read and delete a small object; raises what went wrong."""
        ...

"""Bytes into a storage and out of it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from cuepoint.adapters.storage.base import ObjectInfo, Storage

LIMIT = 1 << 30


async def stream(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    """These pieces, then that error."""
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


async def put(storage: Storage, key: str, data: bytes, tmp_path: Path) -> ObjectInfo:
    """Store these bytes as an object."""
    (tmp_path / "source").write_bytes(data)
    return await storage.put_file(key, tmp_path / "source")


async def content(storage: Storage, key: str, start: int = 0, end: int = LIMIT) -> bytes:
    """All bytes of a range."""
    return b"".join([piece async for piece in storage.read(key, start, end)])


async def uploaded(storage: Storage, upload_key: str) -> bytes:
    """The bytes of an upload."""
    return b"".join([piece async for piece in storage.read_upload(upload_key)])

"""A process that dies at the n-th step: a commit of the database, before or after it, or a call of the storage, before
it, after it, or in the midst of what it writes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.base import ObjectInfo, Piece
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database


class Killed(BaseException):
    """The process is gone: nothing that it would have done after this happens."""


class Fuse:
    """Counts steps and ends the process at the one whose number is `at`; None never does."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        if self.at is not None and self.steps >= self.at:
            raise Killed


class FragileDatabase(Database):
    """Dies right before a commit, so that it is none, or right after it."""

    def __init__(self, db: Database, fuse: Fuse) -> None:
        super().__init__(db.engine)
        self._fuse = fuse

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        async with super().write() as session:
            yield session
            self._fuse.step()
        self._fuse.step()


class FragileStorage(LocalStorage):
    """Dies before a call that changes something, after it, or when half of the bytes are written."""

    def __init__(self, root: Path, fuse: Fuse) -> None:
        super().__init__(root, min_free_bytes=0)
        self._fuse = fuse

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[Piece], *, limit: int) -> int:
        self._fuse.step()
        reached = await super().append(upload_key, offset, stream, limit=limit)
        self._fuse.step()
        return reached

    def _write(self, path: Path, block: list[Piece], offset: int, size: int) -> None:
        super()._write(path, block, offset, size)
        self._fuse.step()

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        self._fuse.step()
        half = self._objects / f"{key}#1"  # as obstore names it, until it is whole
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(b"half")
        self._fuse.step()
        half.unlink()
        stored = await super().put_file(key, path)
        self._fuse.step()
        return stored

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        self._fuse.step()
        stored = await super().finish_upload(upload_key, key)
        self._fuse.step()
        return stored

    async def delete(self, key: str) -> None:
        self._fuse.step()
        await super().delete(key)
        self._fuse.step()

    async def delete_prefix(self, prefix: str) -> int:
        self._fuse.step()
        removed = await super().delete_prefix(prefix)
        self._fuse.step()
        return removed

    async def abort_upload(self, upload_key: str) -> None:
        self._fuse.step()
        await super().abort_upload(upload_key)
        self._fuse.step()


def stored_keys(storage: Any) -> set[str]:
    """Every object of a local storage."""
    root = storage._objects
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def open_bytes(storage: Any) -> set[str]:
    """Keys of the uploads whose bytes a local storage holds."""
    root = storage._uploads
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {key for key in found if not key.endswith(".lock")}

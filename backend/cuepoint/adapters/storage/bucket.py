"""What storages in a bucket have in common: objects below `objects/`, and local copies of them for tools."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from cuepoint.adapters.storage.base import ListedFile, ObjectInfo
from cuepoint.adapters.storage.copies import CopyDirectory, write_all
from cuepoint.adapters.storage.keys import checked_key
from cuepoint.adapters.storage.refusals import demand_space
from cuepoint.adapters.storage.s3_errors import translated, unavailable
from cuepoint.adapters.storage.s3_objects import BucketObjects, ChangedError
from cuepoint.adapters.storage.threads import in_thread
from cuepoint.errors import MissingFileError

OBJECTS = "objects/"
READ_BYTES = 1 << 20  # pieces of an answer; the port promises about this much
DOWNLOAD_BYTES = 8 << 20
CHECK_BYTES = b"cuepoint storage check"


def object_name(key: str) -> str:
    """Where the object of a key lies in the bucket."""
    return f"{OBJECTS}{checked_key(key)}"


class StoredInBucket:
    """The objects; open uploads are for whoever inherits. Copies lie below `directory`, which keeps `min_free_bytes`
    free.

    An absent object raises NotFoundError where bytes are asked for; `head` answers None.
    """

    def __init__(self, objects: BucketObjects, directory: Path, *, min_free_bytes: int) -> None:
        self._objects = objects
        self._directory = directory
        self._copies = CopyDirectory(directory)
        self._min_free_bytes = min_free_bytes

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See the port."""
        await self._objects.put_file(object_name(key), path)
        return await self._existing(key)

    async def head(self, key: str) -> ObjectInfo | None:
        """See the port."""
        found = await self._objects.head(object_name(key))
        return found and ObjectInfo(key, found.size_bytes, found.etag)

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See the port; the end is cut to the object's size. All pieces are of one version of the object."""
        info = await self._existing(key)
        async with aclosing(self._pieces(info, start, min(end, info.size_bytes), READ_BYTES)) as pieces:
            async for piece in pieces:
                yield piece

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._objects.delete([object_name(key)])

    async def delete_prefix(self, prefix: str) -> int:
        """See the port. A prefix ends at a `/`: `videos/1` does not take `videos/10` along."""
        names = await self._objects.list(object_name(prefix.rstrip("/")))
        await self._objects.delete(names)
        return len(names)

    @asynccontextmanager
    async def local_copy(self, key: str) -> AsyncIterator[Path]:
        """See the port: a download, gone afterwards."""
        info = await self._existing(key)
        with translated():
            await in_thread(self._copies.sweep)  # what the dead have left may be what fills the disk
            await in_thread(demand_space, self._directory, info.size_bytes, self._min_free_bytes)
        with self._copies.new_file() as path:
            await self._download(info, path)
            yield path

    async def list_files(self) -> AsyncIterator[Sequence[ListedFile]]:
        """See the port."""
        async for page in self._objects.pages(OBJECTS):
            yield [ListedFile(file.key.removeprefix(OBJECTS), file.size_bytes, file.modified_at) for file in page]

    async def _check_object(self, name: str) -> str:
        """Write a small object and read it again; its ETag. Whoever asked removes it."""
        etag = await self._objects.put(name, CHECK_BYTES)
        found = await self._objects.get(name)
        if found is None or found[0] != CHECK_BYTES:
            raise unavailable("what was written read back differently", retryable=False)
        return etag

    async def _download(self, info: ObjectInfo, path: Path) -> None:
        with translated():
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            async with aclosing(self._pieces(info, 0, info.size_bytes, DOWNLOAD_BYTES)) as pieces:
                async for piece in pieces:
                    with translated():
                        await in_thread(write_all, descriptor, piece)
        finally:
            os.close(descriptor)

    async def _pieces(self, info: ObjectInfo, start: int, end: int, size: int) -> AsyncGenerator[bytes]:
        stored = ObjectInfo(object_name(info.key), info.size_bytes, info.etag)
        try:
            async with aclosing(self._objects.pieces(stored, start, end, size)) as pieces:
                async for piece in pieces:
                    yield piece
        except ChangedError:
            raise unavailable("the object was replaced while it was read") from None

    async def _existing(self, key: str) -> ObjectInfo:
        info = await self.head(key)
        if info is None:
            raise MissingFileError
        return info

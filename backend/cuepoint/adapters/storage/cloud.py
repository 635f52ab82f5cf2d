"""Storage in a bucket of Google Cloud Storage or a container of Azure: objects there, open uploads on this machine.

    <prefix>objects/<key>                      objects, through obstore
    <home>/staging/uploads/<upload key>        bytes of open uploads, as the local storage has them

Neither offers what open uploads in an S3 bucket rest on, parts by number that any process can go on with. So the bytes
of an upload gather on the disk of the API that takes them, and go to the bucket when it is whole: all API processes
that serve one upload must share the home, or one of them must serve all uploads.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from uuid import uuid4

from cuepoint.adapters.storage.base import DirectFile, DirectParts, ListedFile, ObjectInfo, OpenBytes, UnfinishedWrite
from cuepoint.adapters.storage.copies import CopyDirectory, write_all
from cuepoint.adapters.storage.keys import checked_key
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.refusals import demand_space
from cuepoint.adapters.storage.s3_errors import translated, unavailable
from cuepoint.adapters.storage.s3_objects import BucketObjects, ChangedError
from cuepoint.adapters.storage.threads import in_thread
from cuepoint.errors import NotFoundError

READ_BYTES = 1 << 20
DOWNLOAD_BYTES = 8 << 20
_CHECK_BYTES = b"cuepoint storage check"
_OBJECTS = "objects/"


class CloudStorage:
    """Objects in `objects`, open uploads and copies for tools below `directory`, which keeps `min_free_bytes` free.

    An absent object raises NotFoundError where bytes are asked for; `head` answers None.
    """

    def __init__(self, objects: BucketObjects, directory: Path, *, min_free_bytes: int) -> None:
        self._objects = objects
        self._staging = LocalStorage(directory / "staging", min_free_bytes=min_free_bytes)
        self._directory = directory / "copies"
        self._copies = CopyDirectory(self._directory)
        self._min_free_bytes = min_free_bytes

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[bytes], *, limit: int) -> int:
        """See the port: on this machine."""
        return await self._staging.append(upload_key, offset, stream, limit=limit)

    def upload_lock(self, upload_key: str) -> AbstractAsyncContextManager[None]:
        """See the port: among the processes that share this machine's directory."""
        return self._staging.upload_lock(upload_key)

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        """See the port. The bytes stay here until they are in the bucket; a crash in between is repeated."""
        whole = f"whole/{upload_key}"
        try:
            await self._staging.finish_upload(upload_key, whole)
        except NotFoundError:
            found = await self.head(key)
            if found is None:
                raise
            return found
        async with self._staging.local_copy(whole) as path:
            await self._objects.put_file(_object(key), path)
        await self._staging.delete(whole)
        return await self._existing(key)

    async def abort_upload(self, upload_key: str) -> None:
        """See the port."""
        await self._staging.abort_upload(upload_key)
        await self._staging.delete(f"whole/{upload_key}")

    def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        """See the port."""
        return self._staging.read_upload(upload_key)

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See the port."""
        await self._objects.put_file(_object(key), path)
        return await self._existing(key)

    async def head(self, key: str) -> ObjectInfo | None:
        """See the port."""
        found = await self._objects.head(_object(key))
        return found and ObjectInfo(key, found.size_bytes, found.etag)

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See the port; the end is cut to the object's size. All pieces are of one version of the object."""
        info = await self._existing(key)
        async with aclosing(self._pieces(info, start, min(end, info.size_bytes), READ_BYTES)) as pieces:
            async for piece in pieces:
                yield piece

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._objects.delete([_object(key)])

    async def delete_prefix(self, prefix: str) -> int:
        """See the port. A prefix ends at a `/`: `videos/1` does not take `videos/10` along."""
        names = await self._objects.list(_object(prefix.rstrip("/")))
        await self._objects.delete(names)
        return len(names)

    @asynccontextmanager
    async def local_copy(self, key: str) -> AsyncIterator[Path]:
        """See the port: a download, gone afterwards."""
        info = await self._existing(key)
        with translated():
            await in_thread(demand_space, self._directory, info.size_bytes, self._min_free_bytes)
        with self._copies.new_file() as path:
            with translated():
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                async with aclosing(self._pieces(info, 0, info.size_bytes, DOWNLOAD_BYTES)) as pieces:
                    async for piece in pieces:
                        with translated():
                            await in_thread(write_all, descriptor, piece)
            finally:
                os.close(descriptor)
            yield path

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:  # noqa: ARG002  # the port's arguments
        """See the port: all bytes go through the API."""
        return None

    def direct_parts(self) -> DirectParts | None:
        """See the port: parts come to this machine."""
        return None

    async def list_files(self) -> AsyncIterator[Sequence[ListedFile]]:
        """See the port."""
        async for page in self._objects.pages(_OBJECTS):
            yield [ListedFile(file.key.removeprefix(_OBJECTS), file.size_bytes, file.modified_at) for file in page]

    async def list_uploads(self) -> AsyncIterator[Sequence[OpenBytes]]:
        """See the port: on this machine, also those that were on their way to the bucket when a process died."""
        async for open_bytes in self._staging.list_uploads():
            yield open_bytes
        async for page in self._staging.list_files():
            yield [OpenBytes(file.key.removeprefix("whole/"), file.modified_at) for file in page]

    async def list_unfinished(self) -> AsyncIterator[Sequence[UnfinishedWrite]]:
        """See the port: these stores forget them by themselves, after a week."""
        none: list[list[UnfinishedWrite]] = []
        for page in none:
            yield page

    async def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """See the port: there are none."""

    async def check(self) -> None:
        """See the port; also the directory of open uploads."""
        await self._staging.check()
        name = f"check/{uuid4().hex}"
        await self._objects.put(name, _CHECK_BYTES)
        try:
            found = await self._objects.get(name)
        finally:
            await self._objects.delete([name])
        if found is None or found[0] != _CHECK_BYTES:
            raise unavailable("what was written read back differently", retryable=False)

    async def close(self) -> None:
        """See the port: nothing is held open between two calls."""

    async def _pieces(self, info: ObjectInfo, start: int, end: int, size: int) -> AsyncGenerator[bytes]:
        stored = ObjectInfo(_object(info.key), info.size_bytes, info.etag)
        try:
            async with aclosing(self._objects.pieces(stored, start, end, size)) as pieces:
                async for piece in pieces:
                    yield piece
        except ChangedError:
            raise unavailable("the object was replaced while it was read") from None

    async def _existing(self, key: str) -> ObjectInfo:
        info = await self.head(key)
        if info is None:
            raise NotFoundError("stored file")
        return info


def _object(key: str) -> str:
    return f"{_OBJECTS}{checked_key(key)}"

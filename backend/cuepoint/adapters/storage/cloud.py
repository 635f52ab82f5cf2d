"""Storage in a bucket of Google Cloud Storage or a container of Azure: objects there, open uploads on this machine.

    <prefix>objects/<key>                      objects, through obstore
    <home>/staging/uploads/<upload key>        bytes of open uploads, as the local storage has them

Neither offers what open uploads in an S3 bucket rest on, parts by number that any process can go on with. So the bytes
of an upload gather on the disk of the API that takes them, and go to the bucket when it is whole: all API processes
that serve one upload must share the home, or one of them must serve all uploads.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

from cuepoint.adapters.storage.base import DirectFile, DirectParts, ObjectInfo, OpenBytes, Piece, UnfinishedWrite
from cuepoint.adapters.storage.bucket import StoredInBucket, object_name
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.s3_objects import BucketObjects
from cuepoint.errors import NotFoundError


class CloudStorage(StoredInBucket):
    """Objects in `objects`, open uploads and copies for tools below `directory`, which keeps `min_free_bytes` free.

    An absent object raises NotFoundError where bytes are asked for; `head` answers None.
    """

    def __init__(self, objects: BucketObjects, directory: Path, *, min_free_bytes: int) -> None:
        super().__init__(objects, directory / "copies", min_free_bytes=min_free_bytes)
        self._staging = LocalStorage(directory / "staging", min_free_bytes=min_free_bytes)

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[Piece], *, limit: int) -> int:
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
            await self._objects.put_file(object_name(key), path)
        await self._staging.delete(whole)
        return await self._existing(key)

    async def abort_upload(self, upload_key: str) -> None:
        """See the port."""
        await self._staging.abort_upload(upload_key)
        await self._staging.delete(f"whole/{upload_key}")

    def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        """See the port."""
        return self._staging.read_upload(upload_key)

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:  # noqa: ARG002  # the port's arguments
        """See the port: all bytes go through the API."""
        return None

    def direct_parts(self) -> DirectParts | None:
        """See the port: parts come to this machine."""
        return None

    async def list_uploads(self) -> AsyncIterator[Sequence[OpenBytes]]:
        """See the port: on this machine, also those that were on their way to the bucket when a process died."""
        async for open_bytes in self._staging.list_uploads():
            yield open_bytes
        async for page in self._staging.list_files():
            yield [OpenBytes(file.key.removeprefix("whole/"), file.modified_at) for file in page]

    async def list_unfinished(self) -> AsyncIterator[Sequence[UnfinishedWrite]]:
        """See the port: nobody can ask for them through obstore. Azure forgets them after a week by itself, Google by a
        rule of the bucket (docs/storage.md)."""
        none: list[list[UnfinishedWrite]] = []
        for page in none:
            yield page

    async def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """See the port: there are none."""

    async def check(self) -> None:
        """See the port; also the directory of open uploads."""
        await self._staging.check()
        name = f"check/{uuid4().hex}"
        try:
            await self._check_object(name)
        finally:
            await self._objects.delete([name])

    async def close(self) -> None:
        """See the port: nothing is held open between two calls."""

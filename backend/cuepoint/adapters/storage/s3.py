"""Storage in an S3-compatible bucket: objects through obstore, open uploads as multipart parts and a remainder.

    <prefix>uploads/<upload key>/   an open upload: its ledger, remainders, and the object that its parts become
    <prefix>objects/<key>           objects

The names below the prefix are those of the local disk's directory: objects can be copied from one to the other.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cuepoint.adapters.storage import s3_listing
from cuepoint.adapters.storage.base import DirectFile, DirectParts, ListedFile, ObjectInfo, OpenBytes, UnfinishedWrite
from cuepoint.adapters.storage.copies import CopyDirectory, write_all
from cuepoint.adapters.storage.keys import checked_key
from cuepoint.adapters.storage.refusals import demand_space
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_errors import translated, unavailable
from cuepoint.adapters.storage.s3_multipart import Multipart
from cuepoint.adapters.storage.s3_objects import ChangedError, S3Objects
from cuepoint.adapters.storage.s3_parts import S3Parts
from cuepoint.adapters.storage.s3_uploads import LEASE_SECONDS, S3Uploads
from cuepoint.adapters.storage.sigv4 import presigned_url
from cuepoint.adapters.storage.threads import in_thread
from cuepoint.errors import NotFoundError

READ_BYTES = 1 << 20  # pieces of an answer; the port promises about this much
DOWNLOAD_BYTES = 8 << 20
_CHECK_BYTES = b"cuepoint storage check"


class S3Storage:
    """Storage in one bucket. Local copies lie below `directory`, which keeps `min_free_bytes` free. `clock` (Unix
    seconds) says when a lease has run out.

    An absent object raises NotFoundError where bytes are asked for; `head` answers None.
    """

    def __init__(
        self,
        config: S3Config,
        directory: Path,
        *,
        min_free_bytes: int,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._directory = directory
        self._copies = CopyDirectory(directory)
        self._min_free_bytes = min_free_bytes
        self._objects = S3Objects(config)
        self._multipart = Multipart(config)
        self._uploads = S3Uploads(self._objects, self._multipart, lease_seconds=lease_seconds, clock=clock)

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[bytes], *, limit: int) -> int:
        """See the port. Raises CuepointError UPLOAD_TOO_LARGE when the stream goes beyond `limit`, OFFSET_MISMATCH
        when the bytes before `offset` are not here, or somebody else writes."""
        return await self._uploads.append(_upload(upload_key), offset, stream, limit=limit)

    def upload_lock(self, upload_key: str) -> AbstractAsyncContextManager[None]:
        """See the port: a lease in the upload's ledger, among all processes that share the bucket."""
        return self._uploads.lock(_upload(upload_key))

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        """See the port: a copy inside the store. Raises NotFoundError when neither upload nor object is here."""
        found = await self._uploads.finish(_upload(upload_key), _object(key))
        return ObjectInfo(key, found.size_bytes, found.etag)

    async def abort_upload(self, upload_key: str) -> None:
        """See the port."""
        await self._uploads.drop(_upload(upload_key))

    def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        """See the port."""
        return self._uploads.read(_upload(upload_key))

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
            await self._download(info, path)
            yield path

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:
        """See the port: where CUEPOINT_S3_PUBLIC_ENDPOINT names an address that clients reach."""
        if self._config.public_address is None:
            return None
        query = {
            "response-content-type": file.content_type,
            "response-content-disposition": file.content_disposition,
        }
        url = self._config.url(_object(file.key), is_public=True)
        return presigned_url(self._config.credentials, "GET", url, query, seconds, datetime.now(UTC))

    def list_files(self) -> AsyncIterator[Sequence[ListedFile]]:
        """See the port."""
        return s3_listing.list_files(self._objects)

    def list_uploads(self) -> AsyncIterator[Sequence[OpenBytes]]:
        """See the port."""
        return s3_listing.list_uploads(self._objects, self._multipart)

    def list_unfinished(self) -> AsyncIterator[Sequence[UnfinishedWrite]]:
        """See the port."""
        return s3_listing.list_unfinished(self._multipart)

    async def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """See the port."""
        await self._multipart.abort(_object(write.key), write.token)

    def direct_parts(self) -> DirectParts | None:
        """See the port: where CUEPOINT_S3_PUBLIC_ENDPOINT names an address that clients reach."""
        if self._config.public_address is None:
            return None
        return S3Parts(self._config, self._objects, self._multipart)

    async def check(self) -> None:
        """See the port; also that the store keeps conditions, on which the leases of uploads rest."""
        name = f"check/{uuid4().hex}"
        etag = await self._objects.put(name, _CHECK_BYTES)
        try:
            found = await self._objects.get(name)
            if found is None or found[0] != _CHECK_BYTES:
                raise unavailable("what was written read back differently", retryable=False)
            await self._objects.put(name, _CHECK_BYTES, only_over=etag)
            try:
                await self._objects.put(name, _CHECK_BYTES, only_over=False)
            except ChangedError:
                return
            raise unavailable("it does not know conditional writes (If-None-Match, If-Match)", retryable=False)
        finally:
            await self._objects.delete([name])

    async def close(self) -> None:
        """See the port."""
        await self._multipart.close()

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


def _upload(key: str) -> str:
    return f"uploads/{checked_key(key)}"


def _object(key: str) -> str:
    return f"objects/{checked_key(key)}"

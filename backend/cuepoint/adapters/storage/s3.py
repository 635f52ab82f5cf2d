"""Storage in an S3-compatible bucket: objects through obstore, open uploads as multipart parts and a remainder.

    <prefix>uploads/<upload key>/   an open upload: its ledger, remainders, and the object that its parts become
    <prefix>objects/<key>           objects

The names below the prefix are those of the local disk's directory: objects can be copied from one to the other.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cuepoint.adapters.storage import s3_listing
from cuepoint.adapters.storage.base import DirectFile, DirectParts, ObjectInfo, OpenBytes, Piece, UnfinishedWrite
from cuepoint.adapters.storage.bucket import CHECK_BYTES, StoredInBucket, object_name
from cuepoint.adapters.storage.keys import checked_key
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_errors import unavailable
from cuepoint.adapters.storage.s3_multipart import Multipart
from cuepoint.adapters.storage.s3_objects import ChangedError, s3_objects
from cuepoint.adapters.storage.s3_parts import S3Parts
from cuepoint.adapters.storage.s3_uploads import LEASE_SECONDS, S3Uploads
from cuepoint.adapters.storage.sigv4 import presigned_url


class S3Storage(StoredInBucket):
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
        objects = s3_objects(config)
        super().__init__(objects, directory, min_free_bytes=min_free_bytes)
        self._config = config
        self._multipart = Multipart(config)
        self._uploads = S3Uploads(objects, self._multipart, lease_seconds=lease_seconds, clock=clock)

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[Piece], *, limit: int) -> int:
        """See the port. Raises CuepointError UPLOAD_TOO_LARGE when the stream goes beyond `limit`, OFFSET_MISMATCH
        when the bytes before `offset` are not here, or somebody else writes."""
        return await self._uploads.append(_upload(upload_key), offset, stream, limit=limit)

    def upload_lock(self, upload_key: str) -> AbstractAsyncContextManager[None]:
        """See the port: a lease in the upload's ledger, among all processes that share the bucket."""
        return self._uploads.lock(_upload(upload_key))

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        """See the port: a copy inside the store. Raises NotFoundError when neither upload nor object is here."""
        found = await self._uploads.finish(_upload(upload_key), object_name(key))
        return ObjectInfo(key, found.size_bytes, found.etag)

    async def abort_upload(self, upload_key: str) -> None:
        """See the port."""
        await self._uploads.drop(_upload(upload_key))

    def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        """See the port."""
        return self._uploads.read(_upload(upload_key))

    async def delete(self, key: str) -> None:
        """See the port."""
        await super().delete(key)
        await self._multipart.abort_all(object_name(key))

    async def delete_prefix(self, prefix: str) -> int:
        """See the port."""
        removed = await super().delete_prefix(prefix)
        await self._multipart.abort_all(f"{object_name(prefix.rstrip('/'))}/")
        return removed

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:
        """See the port: where CUEPOINT_S3_PUBLIC_ENDPOINT names an address that clients reach."""
        if self._config.public_address is None:
            return None
        query = {
            "response-content-type": file.content_type,
            "response-content-disposition": file.content_disposition,
        }
        url = self._config.url(object_name(file.key), is_public=True)
        return presigned_url(self._config.credentials, "GET", url, query, seconds, datetime.now(UTC))

    def list_uploads(self) -> AsyncIterator[Sequence[OpenBytes]]:
        """See the port."""
        return s3_listing.list_uploads(self._objects, self._multipart)

    def list_unfinished(self) -> AsyncIterator[Sequence[UnfinishedWrite]]:
        """See the port."""
        return s3_listing.list_unfinished(self._multipart)

    async def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """See the port."""
        await self._multipart.abort(object_name(write.key), write.token)

    def direct_parts(self) -> DirectParts | None:
        """See the port: where CUEPOINT_S3_PUBLIC_ENDPOINT names an address that clients reach."""
        if self._config.public_address is None:
            return None
        return S3Parts(self._config, self._objects, self._multipart)

    async def check(self) -> None:
        """See the port; also that the store keeps conditions, on which the leases of uploads rest."""
        name = f"check/{uuid4().hex}"
        try:
            etag = await self._check_object(name)
            await self._objects.put(name, CHECK_BYTES, only_over=etag)
            try:
                await self._objects.put(name, CHECK_BYTES, only_over=False)
            except ChangedError:
                return
            raise unavailable("it does not know conditional writes (If-None-Match, If-Match)", retryable=False)
        finally:
            await self._objects.delete([name])

    async def close(self) -> None:
        """See the port."""
        await self._multipart.close()


def _upload(key: str) -> str:
    return f"uploads/{checked_key(key)}"

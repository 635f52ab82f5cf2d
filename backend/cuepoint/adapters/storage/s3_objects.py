"""Objects of a bucket below its prefix, through obstore, in the few calls that the storage is made of."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cuepoint.adapters.storage.base import ListedFile, ObjectInfo
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_errors import translated

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Store

PUT_BYTES = 8 << 20
PUT_AT_ONCE = 2  # parts of a file on their way at a time: 16 MiB of memory
READ_AHEAD = 4  # ranges asked for at a time
TIMEOUT = timedelta(seconds=120)
CONNECT_TIMEOUT = timedelta(seconds=10)
RETRY_TIMEOUT = timedelta(seconds=30)
RETRIES = 4


class ChangedError(Exception):
    """Somebody else has written the object in between, or it is gone."""


class BucketObjects:
    """Names are paths below the prefix of the bucket. Absent objects raise FileNotFoundError where bytes are asked.

    `open_store` makes the client at the first use; a bucket of any kind that obstore knows will do.
    """

    def __init__(self, open_store: Callable[[], ObjectStore]) -> None:
        self._open_store = open_store
        self._opened: ObjectStore | None = None

    async def head(self, name: str) -> ObjectInfo | None:
        """Size and ETag; None when absent. The key in the answer is the name."""
        import obstore

        with translated(), contextlib.suppress(FileNotFoundError):
            meta = await obstore.head_async(self._store(), name)
            return ObjectInfo(key=name, size_bytes=meta["size"], etag=meta["e_tag"])
        return None

    async def get(self, name: str) -> tuple[bytes, str] | None:
        """A small object and its ETag; None when absent."""
        import obstore

        with translated(), contextlib.suppress(FileNotFoundError):
            found = await obstore.get_async(self._store(), name)
            return bytes(await found.bytes_async()), found.meta["e_tag"] or ""
        return None

    async def get_range(self, name: str, start: int, end: int, etag: str | None = None) -> bytes:
        """The bytes [start, end) of that version of the object. Raises ChangedError if there is another by now."""
        import obstore
        from obstore.exceptions import PreconditionError

        with translated():
            try:
                found = await obstore.get_async(
                    self._store(), name, options={"range": (start, end), **({"if_match": etag} if etag else {})}
                )
                return bytes(await found.bytes_async())
            except PreconditionError as error:
                raise ChangedError(name) from error

    async def pieces(self, info: ObjectInfo, start: int, end: int, size: int) -> AsyncGenerator[bytes]:
        """The bytes [start, end) in pieces of `size`, the next four of them on their way while one is used."""
        asked: deque[asyncio.Task[bytes]] = deque()
        try:
            for position in range(start, end, size):
                last = min(end, position + size)
                asked.append(asyncio.create_task(self.get_range(info.key, position, last, info.etag)))
                if len(asked) == READ_AHEAD:
                    yield await asked.popleft()
            while asked:
                yield await asked.popleft()
        finally:
            for task in asked:
                task.cancel()
            if asked:
                await asyncio.wait(asked)

    async def put(self, name: str, data: bytes, *, only_over: str | Literal[False] | None = None) -> str:
        """Store bytes; returns the ETag. `only_over`: the ETag that must be replaced, False: none may be there; then
        raises ChangedError if it is otherwise."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with translated():
            try:
                if only_over is None:
                    result = await obstore.put_async(self._store(), name, data, use_multipart=False)
                else:
                    result = await obstore.put_async(
                        self._store(), name, data, mode={"e_tag": only_over} if only_over else "create"
                    )
            except (AlreadyExistsError, PreconditionError) as error:
                raise ChangedError(name) from error
            except FileNotFoundError as error:
                if only_over:
                    raise ChangedError(name) from error
                raise  # the bucket is not there
        return result["e_tag"] or ""

    async def put_file(self, name: str, path: Path) -> None:
        """Store a file; it appears whole."""
        import obstore

        with translated():
            await obstore.put_async(self._store(), name, path, chunk_size=PUT_BYTES, max_concurrency=PUT_AT_ONCE)

    async def copy(self, name: str, target: str) -> None:
        """A copy inside the store."""
        import obstore

        with translated():
            await obstore.copy_async(self._store(), name, target)

    async def list(self, prefix: str) -> list[str]:
        """Names below `prefix`, which ends at a `/`."""
        return [file.key async for page in self.pages(prefix) for file in page]

    async def pages(self, prefix: str) -> AsyncGenerator[Sequence[ListedFile]]:
        """The objects below `prefix`, which ends at a `/`; their keys are names."""
        import obstore

        with translated():
            async for page in obstore.list(self._store(), prefix.rstrip("/")):
                yield [ListedFile(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    async def delete(self, names: Sequence[str]) -> None:
        """Remove objects; absent is fine."""
        import obstore

        if not names:
            return
        with translated():
            try:
                await obstore.delete_async(self._store(), names)
            except FileNotFoundError:  # not every kind of store takes that for granted, and some stop there
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        await obstore.delete_async(self._store(), name)

    def _store(self) -> ObjectStore:
        if self._opened is None:
            with translated():
                self._opened = self._open_store()
        return self._opened


def s3_objects(config: S3Config) -> BucketObjects:
    """Those in a bucket of an S3-compatible store."""
    return BucketObjects(partial(_open_s3, config))


def _open_s3(config: S3Config) -> S3Store:
    from obstore.store import S3Store

    credentials = config.credentials
    return S3Store(
        config.bucket,
        prefix=config.prefix.rstrip("/") or None,
        config={
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "region": credentials.region,
            "endpoint": config.endpoint,
            "virtual_hosted_style_request": not config.is_path_style,
            "conditional_put": "etag",
        },
        client_options={
            "allow_http": config.endpoint.startswith("http://"),
            "timeout": TIMEOUT,
            "connect_timeout": CONNECT_TIMEOUT,
            **({"root_certificate": config.ca_pem} if config.ca_pem else {}),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT},
    )

"""Objects of buckets that the operator has named, read with the instance's own S3 credentials."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from cuepoint.adapters.fetch.answers import is_page, source_error, too_large
from cuepoint.adapters.fetch.base import Listed, Opened
from cuepoint.adapters.fetch.urls import clean_name
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode

if TYPE_CHECKING:
    from obstore.store import S3Store

SCHEME = "s3://"
READ_BYTES = 8 << 20
MAX_LISTED = 100_000
MAX_KEY = 1024  # bytes, by S3's rules
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.ASCII | re.DOTALL)


class BucketSource:
    """Opens `s3://bucket/key` in the buckets of CUEPOINT_IMPORT_BUCKETS."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[str, S3Store] = {}

    def check(self, address: str) -> str:
        """The address itself, which holds no secret."""
        self._placed(address)
        return address

    def check_prefix(self, address: str) -> str:
        """The address of a prefix, which may be empty."""
        address = address if "/" in address.removeprefix(SCHEME) else f"{address}/"
        self._placed(address, is_prefix=True)
        return address

    @asynccontextmanager
    async def open(self, address: str, *, start: int = 0, validator: str | None = None) -> AsyncGenerator[Opened]:
        """See `Fetcher.open`; the validator is the ETag. All bytes are of one version of the object."""
        import obstore

        store, key = self._placed(address)
        with _translated():
            meta = await obstore.head_async(store, key)
        size, etag = meta["size"], meta["e_tag"]
        limit = self._settings.upload_max_bytes
        if size > limit:
            raise too_large(limit)
        begins = start if etag is not None and validator == etag else 0
        pieces = _pieces(store, key, begins, size, etag)
        beginning = b"" if begins else await anext(pieces, b"")
        yield Opened(
            start=begins,
            size_bytes=size,
            validator=etag,
            filename=clean_name(key),
            content_type=None,
            is_page=is_page(None, beginning),
            stream=_joined(beginning, pieces),
        )

    async def list(self, address: str) -> AsyncIterator[Listed]:
        """See `Fetcher.list`."""
        import obstore

        store, prefix = self._placed(address, is_prefix=True)
        bucket = _ADDRESS.fullmatch(address)
        assert bucket is not None
        found = []
        with _translated():
            async for page in obstore.list(store, prefix.rstrip("/") or None):
                found += [meta for meta in page if not meta["path"].endswith("/")]
                if len(found) > MAX_LISTED:
                    break
        for meta in sorted(found, key=lambda one: one["path"])[:MAX_LISTED]:
            mark = f"{meta['size']}-{meta['e_tag'] or meta['last_modified'].isoformat()}"
            name = meta["path"].removeprefix(prefix.rstrip("/")).lstrip("/")
            yield Listed(f"{SCHEME}{bucket[1]}/{meta['path']}", name, meta["size"], mark)

    def _placed(self, address: str, *, is_prefix: bool = False) -> tuple[S3Store, str]:
        found = _ADDRESS.fullmatch(address)
        key = found[2] if found else ""
        if found is None or (not key and not is_prefix) or len(key.encode()) > MAX_KEY or not key.isprintable():
            written = "bucket/prefix" if is_prefix else "s3://bucket/key"
            raise _forbidden(f"it is not written as {written}", is_prefix=is_prefix)
        if found[1] not in self._settings.import_buckets:
            raise _forbidden("it is not in a bucket that files may be imported from", is_prefix=is_prefix)
        return self._store(found[1]), key

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._opened:
            from obstore.store import S3Store

            settings = self._settings
            secret = settings.s3_secret_access_key
            if settings.s3_access_key_id is None or secret is None:
                raise CuepointError(
                    ErrorCode.MISCONFIGURED,
                    "Importing from a bucket needs CUEPOINT_S3_ACCESS_KEY_ID and CUEPOINT_S3_SECRET_ACCESS_KEY.",
                )
            endpoint = settings.s3_endpoint or f"https://s3.{settings.s3_region}.amazonaws.com"
            self._opened[bucket] = S3Store(
                bucket,
                config={
                    "access_key_id": settings.s3_access_key_id,
                    "secret_access_key": secret.get_secret_value(),
                    "region": settings.s3_region,
                    "endpoint": endpoint,
                    "virtual_hosted_style_request": not settings.s3_path_style,
                },
                client_options={
                    "allow_http": endpoint.startswith("http://"),
                    **({"root_certificate": settings.s3_ca_file.read_bytes()} if settings.s3_ca_file else {}),
                },
            )
        return self._opened[bucket]


async def _pieces(store: S3Store, key: str, start: int, end: int, etag: str | None) -> AsyncGenerator[bytes]:
    import obstore

    for position in range(start, end, READ_BYTES):
        with _translated():
            options = {"range": (position, min(end, position + READ_BYTES)), **({"if_match": etag} if etag else {})}
            found = await obstore.get_async(store, key, options=options)  # type: ignore[arg-type]
            piece = bytes(await found.bytes_async())
        yield piece


async def _joined(beginning: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    if beginning:
        yield beginning
    async for piece in pieces:
        yield piece


def _forbidden(reason: str, *, is_prefix: bool) -> CuepointError:
    return CuepointError(
        ErrorCode.URL_FORBIDDEN,
        f"{'Nothing is imported from this place' if is_prefix else 'This object is not fetched'}: {reason}.",
        field=("path" if is_prefix else "url",),
        hint="The operator names such buckets by CUEPOINT_IMPORT_BUCKETS.",
    )


@contextmanager
def _translated() -> Iterator[None]:
    from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError

    try:
        yield
    except FileNotFoundError as error:
        raise source_error(ErrorCode.SOURCE_GONE, "There is no such object or bucket.") from error
    except PreconditionError as error:
        raise source_error(
            ErrorCode.SOURCE_UNAVAILABLE, "The object was replaced while it was fetched.", retryable=True
        ) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise source_error(
            ErrorCode.SOURCE_LOGIN_REQUIRED, "The bucket refuses the credentials of this instance."
        ) from error
    except (OSError, BaseError) as error:
        text = str(error).partition("\n")[0]
        raise source_error(
            ErrorCode.SOURCE_UNAVAILABLE, f"The bucket does not answer: {text}.", retryable=True
        ) from error

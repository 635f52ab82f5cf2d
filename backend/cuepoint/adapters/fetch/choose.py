"""The fetcher that the settings ask for: each address goes to the source of its scheme."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from cuepoint.adapters.fetch.addresses import AddressPolicy
from cuepoint.adapters.fetch.base import Fetcher, Listed, Opened
from cuepoint.adapters.fetch.buckets import SCHEME as BUCKET
from cuepoint.adapters.fetch.buckets import BucketSource
from cuepoint.adapters.fetch.folders import SCHEME as FOLDER
from cuepoint.adapters.fetch.folders import FolderSource, folder_address
from cuepoint.adapters.fetch.http import HttpLimits, HttpSource
from cuepoint.config import Settings


class AnyFetcher:
    """Implements `Fetcher` for http(s)://, s3:// and file://."""

    def __init__(self, web: HttpSource, buckets: BucketSource, folders: FolderSource) -> None:
        self._web = web
        self._buckets = buckets
        self._folders = folders

    def check(self, address: str) -> str:
        """See the port. A `file://` address is met as a URL of an unknown scheme."""
        return (self._buckets if address.startswith(BUCKET) else self._web).check(address)

    def place(self, path: str) -> str:
        """See the port."""
        if path.startswith(BUCKET):
            return self._buckets.check_prefix(path)
        return self._folders.check(folder_address(Path(path)))

    def open(
        self, address: str, *, start: int = 0, validator: str | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """See the port."""
        return self._source(address).open(address, start=start, validator=validator)

    def list(self, address: str) -> AsyncIterator[Listed]:
        """See the port."""
        return (self._buckets if address.startswith(BUCKET) else self._folders).list(address)

    def _source(self, address: str) -> HttpSource | BucketSource | FolderSource:
        if address.startswith(BUCKET):
            return self._buckets
        return self._folders if address.startswith(FOLDER) else self._web


def policy_of(settings: Settings) -> AddressPolicy:
    """Which addresses these settings allow."""
    return AddressPolicy.of(settings.fetch_port_numbers(), settings.fetch_allowed_hosts)


def build_fetcher(settings: Settings) -> Fetcher:
    """Sources by the settings; nothing is imported or opened before its first use."""
    limits = HttpLimits(
        max_bytes=settings.upload_max_bytes,
        min_bytes_per_second=settings.fetch_min_bytes_per_second,
        total_seconds=settings.fetch_max_seconds,
    )
    return AnyFetcher(
        HttpSource(policy_of(settings), limits),
        BucketSource(settings),
        FolderSource(settings.import_roots, settings.upload_max_bytes),
    )

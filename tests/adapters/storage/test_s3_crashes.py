"""A process that dies before any of its requests to the store: whoever comes next goes on, or leaves nothing there."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.adapters.storage.s3 import S3Storage
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_multipart import Multipart
from cuepoint.adapters.storage.s3_objects import BucketObjects, s3_objects
from cuepoint.adapters.storage.s3_state import PART_BYTES
from cuepoint.adapters.storage.s3_uploads import LEASE_SECONDS, S3Uploads
from tests.support.faults import Fuse, Killed
from tests.support.s3_server import S3Server
from tests.support.storage import content, stream

pytestmark = pytest.mark.long

DATA = os.urandom(PART_BYTES + 5)  # a part and a remainder, in two requests of a client
FIRST = 7
MOST_STEPS = 60


class DyingObjects(BucketObjects):
    """Dies before it changes something."""

    def __init__(self, objects: BucketObjects, fuse: Fuse) -> None:
        super().__init__(objects._open_store)
        self._fuse = fuse

    async def put(self, name: str, data: bytes, **conditions: Any) -> str:
        self._fuse.step()
        return await super().put(name, data, **conditions)

    async def copy(self, name: str, target: str) -> None:
        self._fuse.step()
        await super().copy(name, target)

    async def delete(self, names: Any) -> None:
        self._fuse.step()
        await super().delete(names)


class DyingMultipart(Multipart):
    """The same."""

    def __init__(self, config: S3Config, fuse: Fuse) -> None:
        super().__init__(config)
        self._fuse = fuse

    async def _send(self, method: str, path: str | None, query: Any, **more: Any) -> Any:
        if method != "GET":
            self._fuse.step()
        return await super()._send(method, path, query, **more)


class Bucket:
    """A prefix of a bucket, and the processes that use it."""

    def __init__(self, server: S3Server, home: Path) -> None:
        self._server = server
        self._prefix = uuid4().hex
        self._home = home
        self._opened: list[S3Storage] = []

    def process(self, fuse: Fuse, *, clock_ahead: float) -> S3Storage:
        """The storage of one more process; with its clock ahead, leases of the dead are over."""
        config = S3Config.of(self._server.settings(self._home, self._prefix))
        storage = S3Storage(config, self._home / "copies", min_free_bytes=0)
        objects, multipart = DyingObjects(s3_objects(config), fuse), DyingMultipart(config, fuse)
        storage._objects, storage._multipart = objects, multipart
        storage._uploads = S3Uploads(
            objects, multipart, lease_seconds=LEASE_SECONDS, clock=lambda: time.time() + clock_ahead
        )
        self._opened.append(storage)
        return storage

    def left(self) -> tuple[list[str], int]:
        """Objects, and multipart uploads that are open."""
        return self._server.names(self._prefix), self._server.open_multiparts(self._prefix)

    async def close(self) -> None:
        """Release what the processes hold."""
        for storage in self._opened:
            await storage.close()


class Client:
    """Sends the rest of the file from the offset that was confirmed."""

    def __init__(self) -> None:
        self.confirmed = 0

    async def send(self, storage: S3Storage) -> ObjectInfo:
        while self.confirmed < len(DATA):
            piece = DATA[self.confirmed :] if self.confirmed else DATA[:FIRST]
            async with storage.upload_lock("u1"):
                self.confirmed = await storage.append("u1", self.confirmed, stream(piece), limit=len(DATA))
        return await storage.finish_upload("u1", "videos/film")


@pytest.fixture
async def buckets(s3: S3Server, tmp_path: Path) -> AsyncIterator[list[Bucket]]:
    made = [Bucket(s3, tmp_path) for _ in range(MOST_STEPS)]
    yield made
    for bucket in made:
        await bucket.close()


class TestUpload:
    @pytest.mark.parametrize("goes_on", [True, False], ids=["goes on", "given up"])
    async def test_dies_before_each_request(self, buckets: list[Bucket], goes_on: bool) -> None:
        for at, bucket in enumerate(buckets, 1):
            client, has_died = Client(), False
            try:
                await client.send(bucket.process(Fuse(at), clock_ahead=0))
            except Killed:
                has_died = True
            next_process = bucket.process(Fuse(), clock_ahead=2 * LEASE_SECONDS)
            if goes_on:
                await client.send(next_process)
                assert await content(next_process, "videos/film") == DATA
            else:
                async with next_process.upload_lock("u1"):
                    await next_process.abort_upload("u1")
                await next_process.delete_prefix("videos/")

            assert bucket.left() == (["objects/videos/film"] if goes_on else [], 0)
            if not has_died:
                break

        assert 15 < at < MOST_STEPS

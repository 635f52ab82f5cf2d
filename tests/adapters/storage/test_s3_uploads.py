"""Open uploads in a bucket: what several processes see, what a crash leaves, and what nobody may overwrite."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from cuepoint.adapters.storage.intake import BLOCK_BYTES
from cuepoint.adapters.storage.s3 import S3Storage
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_copy import copy_whole
from cuepoint.adapters.storage.s3_multipart import Multipart
from cuepoint.adapters.storage.s3_objects import s3_objects
from cuepoint.adapters.storage.s3_state import PART_BYTES
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from tests.support.s3_server import S3Server
from tests.support.storage import LIMIT, content, put, stream, uploaded

MIB = 1 << 20


class Bucket:
    """Storages as several processes have them on one bucket."""

    def __init__(self, server: S3Server, home: Path) -> None:
        self.server = server
        self.prefix = uuid4().hex
        self.now = time.time  # for all processes
        self._home = home
        self._opened: list[S3Storage] = []

    def process(self, *, lease_seconds: float = 30.0, clock_ahead: float = 0.0) -> S3Storage:
        """The storage of one more process, whose clock may be wrong."""
        config = S3Config.of(self.server.settings(self._home, self.prefix))
        storage = S3Storage(
            config,
            self._home / "copies",
            min_free_bytes=0,
            lease_seconds=lease_seconds,
            clock=lambda: self.now() + clock_ahead,
        )
        self._opened.append(storage)
        return storage

    def names(self) -> list[str]:
        """All objects."""
        return self.server.names(self.prefix)

    def is_clean(self) -> bool:
        """Whether nothing of any upload is left."""
        left = [name for name in self.names() if name.startswith("uploads/")]
        return not left and self.server.open_multiparts(self.prefix) == 0

    async def close(self) -> None:
        """Release what the processes hold."""
        for storage in self._opened:
            await storage.close()


@pytest.fixture
async def bucket(s3: S3Server, tmp_path: Path) -> AsyncIterator[Bucket]:
    opened = Bucket(s3, tmp_path)
    yield opened
    await opened.close()


class TestAppend:
    async def test_steps_of_any_size_add_up(self, bucket: Bucket) -> None:
        storage = bucket.process()
        data = os.urandom(2 * PART_BYTES + 12_345)
        offset = 0

        for size in (1, 100, 5 * MIB, 3 * MIB, PART_BYTES, 7, LIMIT):
            offset = await storage.append("u1", offset, stream(data[offset : offset + size]), limit=len(data))

        assert offset == len(data)
        names = bucket.names()
        assert len([name for name in names if "/rest-" in name]) == 1 + 1  # the last, and the one before it
        assert await uploaded(storage, "u1") == data

    async def test_several_processes_serve_one_upload(self, bucket: Bucket) -> None:
        data = os.urandom(3 * PART_BYTES)
        half = PART_BYTES + 999
        first, second = bucket.process(), bucket.process()

        async with first.upload_lock("u1"):
            await first.append("u1", 0, stream(data[:half]), limit=len(data))
            with pytest.raises(CuepointError) as refused:
                async with second.upload_lock("u1"):
                    pass
        async with second.upload_lock("u1"):
            await second.append("u1", half, stream(data[half:]), limit=len(data))
        info = await first.finish_upload("u1", "videos/film")

        assert refused.value.code is ErrorCode.OFFSET_MISMATCH
        assert info.size_bytes == len(data)
        assert await content(second, "videos/film") == data
        assert bucket.is_clean()

    async def test_an_unconfirmed_step_over_parts_is_taken_back(self, bucket: Bucket) -> None:
        storage = bucket.process()
        data = os.urandom(2 * PART_BYTES + 50)
        begun = PART_BYTES + 100
        await storage.append("u1", 0, stream(data[:begun]), limit=len(data))
        for _ in range(2):  # ... and its offset was never recorded, twice
            await storage.append("u1", begun, stream(os.urandom(PART_BYTES)), limit=len(data) * 2)

        assert await storage.append("u1", begun, stream(data[begun:]), limit=len(data)) == len(data)
        assert await uploaded(storage, "u1") == data

    async def test_a_whole_upload_whose_last_step_was_not_confirmed_is_opened_again(self, bucket: Bucket) -> None:
        storage = bucket.process()
        data = os.urandom(2 * PART_BYTES + 50)
        begun = PART_BYTES + 100
        await storage.append("u1", 0, stream(data[:begun]), limit=len(data))
        await storage.append("u1", begun, stream(os.urandom(len(data) - begun)), limit=len(data))
        wrong = await uploaded(storage, "u1")  # put together; then the process died

        assert await storage.append("u1", begun, stream(data[begun:]), limit=len(data)) == len(data)
        assert wrong[:begun] == data[:begun]
        assert await uploaded(storage, "u1") == data
        await storage.finish_upload("u1", "film")
        assert await content(storage, "film") == data
        assert bucket.is_clean()

    async def test_back_into_a_part_is_refused_for_good(self, bucket: Bucket) -> None:
        storage = bucket.process()
        await storage.append("u1", 0, stream(bytes(PART_BYTES)), limit=LIMIT)
        await storage.append("u1", PART_BYTES, stream(b"x"), limit=LIMIT)

        with pytest.raises(CuepointError) as refused:
            await storage.append("u1", 100, stream(b"y"), limit=LIMIT)

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, False)

    async def test_parts_grow_with_the_announced_size(self, bucket: Bucket) -> None:
        storage = bucket.process()

        await storage.append("u1", 0, stream(bytes(PART_BYTES + 1)), limit=80_000 * MIB)

        assert bucket.server.open_multiparts(bucket.prefix) == 0  # ten MiB a part: all of it is remainder yet


class TestLease:
    async def test_a_writer_that_was_overtaken_changes_nothing(self, bucket: Bucket) -> None:
        slow, quick = bucket.process(), bucket.process(clock_ahead=60)
        data, wrong = os.urandom(2 * PART_BYTES), os.urandom(2 * PART_BYTES)
        overtaken, sent = asyncio.Event(), asyncio.Event()

        async def stalls() -> AsyncIterator[bytes]:
            yield wrong[:PART_BYTES]
            yield wrong[PART_BYTES : PART_BYTES + BLOCK_BYTES]
            sent.set()  # a block is asked for when the one before the last has become a part
            await overtaken.wait()
            yield wrong[PART_BYTES + BLOCK_BYTES :]

        async def first() -> None:
            async with slow.upload_lock("u1"):
                await slow.append("u1", 0, stalls(), limit=len(data))

        task = asyncio.create_task(first())
        await sent.wait()
        async with quick.upload_lock("u1"):  # to its clock the lease of the slow one is over
            await quick.append("u1", 0, stream(data), limit=len(data))
        overtaken.set()
        with pytest.raises(CuepointError) as refused:
            await task

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, True)
        assert await uploaded(quick, "u1") == data

    async def test_is_renewed_while_bytes_trickle(self, bucket: Bucket) -> None:
        now = time.time()
        bucket.now = lambda: now
        slow, other = bucket.process(lease_seconds=0.3), bucket.process()

        async with slow.upload_lock("u1"):
            [ledger] = slow._uploads._held.values()
            now += 0.2
            async with asyncio.timeout(10):
                while ledger.state is None or ledger.state.held_until < now + 0.3:  # noqa: ASYNC110 - it renews itself
                    await asyncio.sleep(0.01)
            now += 0.2  # the lease that was taken first is over
            with pytest.raises(CuepointError):
                async with other.upload_lock("u1"):
                    pass
            assert await slow.append("u1", 0, stream(b"abc"), limit=3) == 3

        async with other.upload_lock("u1"):
            pass

    async def test_of_a_process_that_died_it_runs_out(self, bucket: Bucket) -> None:
        dying, other = bucket.process(), bucket.process(clock_ahead=31)
        lock = dying.upload_lock("u1")
        await lock.__aenter__()  # and nothing is ever heard of it again

        async with other.upload_lock("u1"):
            assert await other.append("u1", 0, stream(b"abc"), limit=3) == 3

        await lock.__aexit__(None, None, None)


class TestFinishUpload:
    async def test_two_at_once_both_find_the_object(self, bucket: Bucket) -> None:
        first, second = bucket.process(), bucket.process()
        data = os.urandom(PART_BYTES + 3 * MIB)
        await first.append("u1", 0, stream(data), limit=len(data))

        one, two = await asyncio.gather(first.finish_upload("u1", "film"), second.finish_upload("u1", "film"))

        assert (one.size_bytes, two.size_bytes) == (len(data), len(data))
        assert await content(first, "film") == data
        assert bucket.is_clean()


class TestCopyWhole:
    async def test_large_ones_are_copied_in_parts(self, bucket: Bucket, tmp_path: Path) -> None:
        storage, data = bucket.process(), os.urandom(2 * PART_BYTES + 1)
        source = await put(storage, "film", data, tmp_path)
        config = S3Config.of(bucket.server.settings(tmp_path, f"{bucket.prefix}/objects"))
        multipart = Multipart(config)

        await copy_whole(s3_objects(config), multipart, source, "copy", most=5 * MIB)

        await multipart.close()
        copied = await storage.head("copy")
        assert copied is not None
        assert (copied.etag or "").strip('"').endswith("-4")  # of four parts
        assert await content(storage, "copy") == data
        assert bucket.is_clean()


class TestAbortUpload:
    async def test_leaves_no_object_and_no_multipart_upload(self, bucket: Bucket) -> None:
        storage = bucket.process()
        await storage.append("u1", 0, stream(bytes(PART_BYTES + 1)), limit=LIMIT)
        await storage.append("u10", 0, stream(b"abc"), limit=LIMIT)
        open_before = bucket.server.open_multiparts(bucket.prefix)

        await storage.abort_upload("u1")
        await storage.abort_upload("u1")

        assert (open_before, bucket.server.open_multiparts(bucket.prefix)) == (1, 0)
        assert {name.split("/")[1] for name in bucket.names()} == {"u10"}
        with pytest.raises(NotFoundError):
            await uploaded(storage, "u1")

"""What holds for every storage: on the local disk, and on an S3 server that the tests start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.local import READ_BYTES
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from tests.support.storage import LIMIT, content, put, stream, uploaded


class TestAppend:
    async def test_goes_on_at_the_offset(self, storage: Storage) -> None:
        assert await storage.append("u1", 0, stream(b"abc", b"def"), limit=9) == 6
        assert await storage.append("u1", 6, stream(b"ghi"), limit=9) == 9

        assert await uploaded(storage, "u1") == b"abcdefghi"

    async def test_nothing_appended_moves_nothing(self, storage: Storage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=9)

        assert await storage.append("u1", 3, stream(), limit=9) == 3
        assert await uploaded(storage, "u1") == b"abc"

    async def test_large_streams_arrive_whole(self, storage: Storage) -> None:
        pieces = [os.urandom(300_001) for _ in range(40)]

        assert await storage.append("u1", 0, stream(*pieces), limit=LIMIT) == 40 * 300_001
        assert await uploaded(storage, "u1") == b"".join(pieces)

    async def test_a_broken_stream_keeps_what_arrived(self, storage: Storage) -> None:
        class SenderGoneError(Exception):
            pass

        offset = await storage.append("u1", 0, stream(b"abc", error=SenderGoneError()), limit=9)

        assert offset == 3
        assert await storage.append("u1", offset, stream(b"def"), limit=9) == 6
        assert await uploaded(storage, "u1") == b"abcdef"

    async def test_unconfirmed_bytes_are_overwritten(self, storage: Storage) -> None:
        await storage.append("u1", 0, stream(b"abcXYZ"), limit=6)  # ... and the offset 6 was never recorded

        assert await storage.append("u1", 3, stream(b"def"), limit=6) == 6
        assert await uploaded(storage, "u1") == b"abcdef"

    async def test_fewer_bytes_than_were_left_unconfirmed_are_all_there_is(self, storage: Storage) -> None:
        await storage.append("u1", 0, stream(b"abcXYZ and more"), limit=99)

        assert await storage.append("u1", 3, stream(b"de"), limit=99) == 5
        assert await uploaded(storage, "u1") == b"abcde"
        assert (await storage.finish_upload("u1", "v1")).size_bytes == 5

    async def test_more_than_announced_is_refused(self, storage: Storage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=5)

        with pytest.raises(CuepointError) as caught:
            await storage.append("u1", 3, stream(b"def"), limit=5)

        assert caught.value.code is ErrorCode.UPLOAD_TOO_LARGE
        assert await uploaded(storage, "u1") == b"abc"

    async def test_an_offset_beyond_the_bytes_is_refused(self, storage: Storage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=9)

        with pytest.raises(CuepointError) as caught:
            await storage.append("u1", 4, stream(b"def"), limit=9)

        assert caught.value.code is ErrorCode.OFFSET_MISMATCH
        assert "holds only 3 bytes" in caught.value.message
        assert await uploaded(storage, "u1") == b"abc"

    async def test_an_upload_dropped_meanwhile_stays_dropped(self, storage: Storage) -> None:
        async def dropped_in_between() -> AsyncIterator[bytes]:
            await storage.abort_upload("u1")
            yield b"abc"

        with pytest.raises((AdapterError, CuepointError)):
            await storage.append("u1", 0, dropped_in_between(), limit=9)

        with pytest.raises(NotFoundError):
            await uploaded(storage, "u1")

    async def test_a_cancelled_append_can_be_repeated(self, storage: Storage) -> None:
        reading = asyncio.Event()

        async def stalls() -> AsyncIterator[bytes]:
            yield b"abc"
            reading.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(storage.append("u1", 0, stalls(), limit=9))
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await storage.append("u1", 0, stream(b"abcdef"), limit=9) == 6
        assert await uploaded(storage, "u1") == b"abcdef"


class TestFinishUpload:
    async def test_the_bytes_become_the_object(self, storage: Storage) -> None:
        await storage.append("uploads/u1", 0, stream(b"abcdef"), limit=6)

        info = await storage.finish_upload("uploads/u1", "videos/v1/original/film.mp4")

        assert (info.key, info.size_bytes) == ("videos/v1/original/film.mp4", 6)
        assert await content(storage, "videos/v1/original/film.mp4") == b"abcdef"
        with pytest.raises(NotFoundError):
            await uploaded(storage, "uploads/u1")

    async def test_repeating_it_is_harmless(self, storage: Storage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=3)
        first = await storage.finish_upload("u1", "v1")

        assert await storage.finish_upload("u1", "v1") == first

    async def test_without_any_bytes_it_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFoundError):
            await storage.finish_upload("u1", "v1")


class TestPutFile:
    async def test_replaces_what_is_there(self, storage: Storage, tmp_path: Path) -> None:
        first = await put(storage, "a/b", b"first", tmp_path)

        second = await put(storage, "a/b", b"the second", tmp_path)

        assert (first.size_bytes, second.size_bytes) == (5, 10)
        assert first.etag != second.etag
        assert await content(storage, "a/b") == b"the second"

    async def test_large_files_arrive_whole(self, storage: Storage, tmp_path: Path) -> None:
        data = os.urandom(20_000_001)

        await put(storage, "big", data, tmp_path)

        assert await content(storage, "big") == data


class TestHead:
    async def test_size_and_etag(self, storage: Storage, tmp_path: Path) -> None:
        stored = await put(storage, "a", b"abc", tmp_path)

        assert await storage.head("a") == stored
        assert stored.etag is not None

    async def test_absent_is_none(self, storage: Storage) -> None:
        assert await storage.head("a") is None

    async def test_a_directory_is_no_object(self, storage: Storage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"x", tmp_path)

        assert await storage.head("a") is None


class TestRead:
    async def test_pieces_of_a_mebibyte(self, storage: Storage, tmp_path: Path) -> None:
        data = os.urandom(2 * READ_BYTES + 5)
        await put(storage, "a", data, tmp_path)

        pieces = [piece async for piece in storage.read("a", 0, len(data))]

        assert [len(piece) for piece in pieces] == [READ_BYTES, READ_BYTES, 5]
        assert b"".join(pieces) == data

    @pytest.mark.parametrize(("start", "end", "expected"), [(0, 1, b"a"), (2, 5, b"cde"), (4, 99, b"ef"), (6, 9, b"")])
    async def test_ranges(self, storage: Storage, tmp_path: Path, start: int, end: int, expected: bytes) -> None:
        await put(storage, "a", b"abcdef", tmp_path)

        assert await content(storage, "a", start, end) == expected

    async def test_absent_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFoundError):
            await content(storage, "a")


class TestDeletePrefix:
    async def test_removes_what_lies_below_and_counts_it(self, storage: Storage, tmp_path: Path) -> None:
        for key in ("videos/1/a", "videos/1/b/c", "videos/10/a"):
            await put(storage, key, b"x", tmp_path)

        assert await storage.delete_prefix("videos/1/") == 2

        assert await storage.head("videos/10/a") is not None
        assert await storage.delete_prefix("videos/1") == 0

    async def test_the_empty_prefix_is_refused(self, storage: Storage) -> None:
        with pytest.raises(ValueError, match="not a storage key"):
            await storage.delete_prefix("")


class TestLocalCopy:
    async def test_absent_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFoundError):
            async with storage.local_copy("a"):
                pass


class TestPathSafety:
    async def test_no_operation_takes_a_key_that_leads_out(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        key = "../../secret"

        for operation in (
            storage.append(key, 0, stream(b"x"), limit=9),
            storage.finish_upload("u", key),
            storage.finish_upload(key, "v"),
            storage.abort_upload(key),
            storage.put_file(key, tmp_path / "secret"),
            storage.head(key),
            storage.delete(key),
            storage.delete_prefix(".."),
            content(storage, key),
            uploaded(storage, key),
        ):
            with pytest.raises(ValueError, match="not a storage key"):
                await operation

        assert (tmp_path / "secret").read_bytes() == b"secret"


class TestUploadLock:
    async def test_is_held_by_one_at_a_time(self, storage: Storage) -> None:
        async with storage.upload_lock("uploads/u1"):
            with pytest.raises(CuepointError) as refused:
                async with storage.upload_lock("uploads/u1"):
                    pass
            async with storage.upload_lock("uploads/u2"):
                pass

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, True)
        async with storage.upload_lock("uploads/u1"):
            pass

    async def test_is_free_after_an_error_and_after_a_cancel(self, storage: Storage) -> None:
        async def hold(entered: asyncio.Event) -> None:
            async with storage.upload_lock("u1"):
                entered.set()
                await asyncio.Event().wait()

        entered = asyncio.Event()
        task = asyncio.create_task(hold(entered))
        await entered.wait()
        task.cancel()
        await asyncio.wait((task,))
        with pytest.raises(ZeroDivisionError):
            async with storage.upload_lock("u1"):
                _ = 1 / 0

        async with storage.upload_lock("u1"):
            assert await storage.append("u1", 0, stream(b"abc"), limit=9) == 3

    async def test_the_holder_may_drop_the_upload(self, storage: Storage) -> None:
        async with storage.upload_lock("u1"):
            await storage.append("u1", 0, stream(b"abc"), limit=9)
            await storage.abort_upload("u1")

        with pytest.raises(NotFoundError):
            await uploaded(storage, "u1")

    async def test_a_key_cannot_leave_the_directory(self, storage: Storage) -> None:
        with pytest.raises(ValueError, match="storage key"):
            async with storage.upload_lock("../u1"):
                pass


class TestListings:
    async def test_show_every_object_with_size_and_time(self, storage: Storage, tmp_path: Path) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        for key in ("a/one", "a/b/two", "c"):
            await put(storage, key, key.encode(), tmp_path)
        await storage.append("u1", 0, stream(b"abc"), limit=9)

        found = [file async for page in storage.list_files() for file in page]

        assert {(file.key, file.size_bytes) for file in found} == {("a/one", 5), ("a/b/two", 7), ("c", 1)}
        assert all(before <= file.modified_at <= datetime.now(UTC) + timedelta(seconds=2) for file in found)

    async def test_show_each_open_upload_once(self, storage: Storage, tmp_path: Path) -> None:
        await storage.append("uploads/u1", 0, stream(os.urandom(9 << 20)), limit=LIMIT)
        await storage.append("uploads/u2", 0, stream(b"abc"), limit=9)
        await storage.append("uploads/u3", 0, stream(b"abc"), limit=9)
        await storage.abort_upload("uploads/u3")
        await put(storage, "c", b"c", tmp_path)

        async with storage.upload_lock("uploads/u2"):
            found = [upload.upload_key async for page in storage.list_uploads() for upload in page]

        assert sorted(found) == ["uploads/u1", "uploads/u2"]

    async def test_of_an_empty_storage_are_empty(self, storage: Storage) -> None:
        assert [file async for page in storage.list_files() for file in page] == []
        assert [upload async for page in storage.list_uploads() for upload in page] == []
        assert [write async for page in storage.list_unfinished() for write in page] == []

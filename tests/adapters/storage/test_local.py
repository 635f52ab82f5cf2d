"""Local storage: appends that never lose a confirmed byte, objects that appear whole, a disk that never fills up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cuepoint.adapters.storage.base import ObjectInfo, Storage
from cuepoint.adapters.storage.local import READ_BYTES, LocalStorage
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError

LIMIT = 1 << 30
HUGE = 1 << 60  # no disk has that much free


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", min_free_bytes=0)


async def stream(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    """These pieces, then that error."""
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


async def put(storage: Storage, key: str, data: bytes, tmp_path: Path) -> ObjectInfo:
    """Store these bytes as an object."""
    (tmp_path / "source").write_bytes(data)
    return await storage.put_file(key, tmp_path / "source")


async def content(storage: Storage, key: str, start: int = 0, end: int = LIMIT) -> bytes:
    """All bytes of a range."""
    return b"".join([piece async for piece in storage.read(key, start, end)])


async def uploaded(storage: LocalStorage, upload_key: str) -> bytes:
    """The bytes of an open upload."""
    async with storage.upload_copy(upload_key) as path:
        return path.read_bytes()


class TestAppend:
    async def test_goes_on_at_the_offset(self, storage: LocalStorage) -> None:
        assert await storage.append("u1", 0, stream(b"abc", b"def"), limit=9) == 6
        assert await storage.append("u1", 6, stream(b"ghi"), limit=9) == 9

        assert await uploaded(storage, "u1") == b"abcdefghi"

    async def test_nothing_appended_moves_nothing(self, storage: LocalStorage) -> None:
        assert await storage.append("u1", 0, stream(), limit=9) == 0
        assert await uploaded(storage, "u1") == b""

    async def test_large_streams_arrive_whole(self, storage: LocalStorage) -> None:
        pieces = [os.urandom(300_001) for _ in range(40)]

        assert await storage.append("u1", 0, stream(*pieces), limit=LIMIT) == 40 * 300_001
        assert await uploaded(storage, "u1") == b"".join(pieces)

    async def test_a_broken_stream_keeps_what_arrived(self, storage: LocalStorage) -> None:
        class SenderGoneError(Exception):
            pass

        offset = await storage.append("u1", 0, stream(b"abc", error=SenderGoneError()), limit=9)

        assert offset == 3
        assert await storage.append("u1", offset, stream(b"def"), limit=9) == 6
        assert await uploaded(storage, "u1") == b"abcdef"

    async def test_unconfirmed_bytes_are_overwritten(self, storage: LocalStorage) -> None:
        await storage.append("u1", 0, stream(b"abcXYZ"), limit=6)  # ... and the offset 6 was never recorded

        assert await storage.append("u1", 3, stream(b"def"), limit=6) == 6
        assert await uploaded(storage, "u1") == b"abcdef"

    async def test_more_than_announced_is_refused(self, storage: LocalStorage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=5)

        with pytest.raises(CuepointError) as caught:
            await storage.append("u1", 3, stream(b"def"), limit=5)

        assert caught.value.code is ErrorCode.UPLOAD_TOO_LARGE
        assert await uploaded(storage, "u1") == b"abc"

    async def test_an_offset_beyond_the_bytes_is_refused(self, storage: LocalStorage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=9)

        with pytest.raises(CuepointError) as caught:
            await storage.append("u1", 4, stream(b"def"), limit=9)

        assert caught.value.code is ErrorCode.OFFSET_MISMATCH
        assert "holds only 3 bytes" in caught.value.message
        assert await uploaded(storage, "u1") == b"abc"

    async def test_an_upload_dropped_meanwhile_stays_dropped(self, storage: LocalStorage) -> None:
        async def dropped_in_between() -> AsyncIterator[bytes]:
            await storage.abort_upload("u1")
            yield b"abc"

        with pytest.raises(AdapterError):
            await storage.append("u1", 0, dropped_in_between(), limit=9)

        with pytest.raises(NotFoundError):
            await uploaded(storage, "u1")

    async def test_a_cancelled_append_can_be_repeated(self, storage: LocalStorage) -> None:
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

    async def test_a_link_in_place_of_the_upload_is_not_followed(self, storage: LocalStorage, tmp_path: Path) -> None:
        await storage.append("u1", 0, stream(b"x"), limit=9)
        victim = tmp_path / "storage" / "uploads" / "victim"
        victim.write_bytes(b"safe")
        (tmp_path / "storage" / "uploads" / "u2").symlink_to("victim")

        with pytest.raises(AdapterError):
            await storage.append("u2", 0, stream(b"evil"), limit=9)

        assert victim.read_bytes() == b"safe"


class TestSpace:
    async def test_writing_stops_before_the_disk_is_full(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "storage", min_free_bytes=HUGE)

        with pytest.raises(CuepointError) as caught:
            await storage.append("u1", 0, stream(b"abc"), limit=9)

        assert caught.value.code is ErrorCode.INSUFFICIENT_STORAGE
        assert f"{HUGE:,} are kept free (CUEPOINT_MIN_FREE_BYTES)" in caught.value.message
        assert caught.value.retryable

    async def test_files_are_refused_alike(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "storage", min_free_bytes=HUGE)

        with pytest.raises(CuepointError) as caught:
            await put(storage, "a", b"abc", tmp_path)

        assert caught.value.code is ErrorCode.INSUFFICIENT_STORAGE
        assert await storage.head("a") is None

    async def test_a_file_that_may_not_grow_keeps_the_confirmed_bytes(
        self, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        await storage.append("u1", 0, stream(b"abc"), limit=9)
        monkeypatch.setattr(os, "pwritev", full)

        with pytest.raises(CuepointError) as caught:
            await storage.append("u1", 3, stream(b"def"), limit=9)

        assert caught.value.code is ErrorCode.INSUFFICIENT_STORAGE
        assert await uploaded(storage, "u1") == b"abc"

    async def test_a_short_write_is_completed(self, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def short(descriptor: int, block: list[bytes], offset: int) -> int:
            return os.pwrite(descriptor, b"".join(block)[:2], offset)

        monkeypatch.setattr(os, "pwritev", short)

        assert await storage.append("u1", 0, stream(b"abc", b"def"), limit=9) == 6
        assert await uploaded(storage, "u1") == b"abcdef"


class TestFinishUpload:
    async def test_the_bytes_become_the_object(self, storage: LocalStorage) -> None:
        await storage.append("uploads/u1", 0, stream(b"abcdef"), limit=6)

        info = await storage.finish_upload("uploads/u1", "videos/v1/original/film.mp4")

        assert (info.key, info.size_bytes) == ("videos/v1/original/film.mp4", 6)
        assert await content(storage, "videos/v1/original/film.mp4") == b"abcdef"
        with pytest.raises(NotFoundError):
            await uploaded(storage, "uploads/u1")

    async def test_repeating_it_is_harmless(self, storage: LocalStorage) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=3)
        first = await storage.finish_upload("u1", "v1")

        assert await storage.finish_upload("u1", "v1") == first

    async def test_without_any_bytes_it_is_not_found(self, storage: LocalStorage) -> None:
        with pytest.raises(NotFoundError):
            await storage.finish_upload("u1", "v1")


class TestAbortUpload:
    async def test_drops_the_bytes_and_takes_a_second_call(self, storage: LocalStorage, tmp_path: Path) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=3)

        await storage.abort_upload("u1")
        await storage.abort_upload("u1")

        assert list((tmp_path / "storage" / "uploads").iterdir()) == []


class TestPutFile:
    async def test_replaces_what_is_there(self, storage: LocalStorage, tmp_path: Path) -> None:
        first = await put(storage, "a/b", b"first", tmp_path)

        second = await put(storage, "a/b", b"the second", tmp_path)

        assert (first.size_bytes, second.size_bytes) == (5, 10)
        assert first.etag != second.etag
        assert await content(storage, "a/b") == b"the second"

    async def test_large_files_arrive_whole(self, storage: LocalStorage, tmp_path: Path) -> None:
        data = os.urandom(20_000_001)

        await put(storage, "big", data, tmp_path)

        assert await content(storage, "big") == data

    async def test_leaves_nothing_beside_the_object(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"x", tmp_path)

        assert [path.name for path in (tmp_path / "storage" / "objects" / "a").iterdir()] == ["b"]


class TestHead:
    async def test_size_and_etag(self, storage: LocalStorage, tmp_path: Path) -> None:
        stored = await put(storage, "a", b"abc", tmp_path)

        assert await storage.head("a") == stored
        assert stored.etag is not None

    async def test_absent_is_none(self, storage: LocalStorage) -> None:
        assert await storage.head("a") is None

    async def test_a_directory_is_no_object(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"x", tmp_path)

        assert await storage.head("a") is None


class TestRead:
    async def test_pieces_of_a_mebibyte(self, storage: LocalStorage, tmp_path: Path) -> None:
        data = os.urandom(2 * READ_BYTES + 5)
        await put(storage, "a", data, tmp_path)

        pieces = [piece async for piece in storage.read("a", 0, len(data))]

        assert [len(piece) for piece in pieces] == [READ_BYTES, READ_BYTES, 5]
        assert b"".join(pieces) == data

    @pytest.mark.parametrize(("start", "end", "expected"), [(0, 1, b"a"), (2, 5, b"cde"), (4, 99, b"ef"), (6, 9, b"")])
    async def test_ranges(self, storage: LocalStorage, tmp_path: Path, start: int, end: int, expected: bytes) -> None:
        await put(storage, "a", b"abcdef", tmp_path)

        assert await content(storage, "a", start, end) == expected

    async def test_absent_is_not_found(self, storage: LocalStorage) -> None:
        with pytest.raises(NotFoundError):
            await content(storage, "a")


class TestDelete:
    async def test_removes_the_object_and_takes_a_second_call(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"x", tmp_path)

        await storage.delete("a/b")
        await storage.delete("a/b")

        assert await storage.head("a/b") is None
        assert list((tmp_path / "storage" / "objects").iterdir()) == []


class TestDeletePrefix:
    async def test_removes_what_lies_below_and_counts_it(self, storage: LocalStorage, tmp_path: Path) -> None:
        for key in ("videos/1/a", "videos/1/b/c", "videos/10/a"):
            await put(storage, key, b"x", tmp_path)

        assert await storage.delete_prefix("videos/1/") == 2

        assert await storage.head("videos/10/a") is not None
        assert await storage.delete_prefix("videos/1") == 0

    async def test_the_empty_prefix_is_refused(self, storage: LocalStorage) -> None:
        with pytest.raises(ValueError, match="not a storage key"):
            await storage.delete_prefix("")


class TestLocalCopy:
    async def test_is_the_file_itself(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"abc", tmp_path)

        async with storage.local_copy("a/b") as path:
            assert path == tmp_path / "storage" / "objects" / "a" / "b"
            assert path.read_bytes() == b"abc"

    async def test_absent_is_not_found(self, storage: LocalStorage) -> None:
        with pytest.raises(NotFoundError):
            async with storage.local_copy("a"):
                pass


class TestPathSafety:
    async def test_no_operation_takes_a_key_that_leads_out(self, storage: LocalStorage, tmp_path: Path) -> None:
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

    async def test_a_link_out_of_the_directory_is_not_read(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a", b"x", tmp_path)
        (tmp_path / "secret").write_bytes(b"secret")
        (tmp_path / "storage" / "objects" / "link").symlink_to(tmp_path / "secret")

        with pytest.raises(ValueError, match="symbolic link"):
            await content(storage, "link")


class TestCheck:
    async def test_passes_and_leaves_nothing(self, storage: LocalStorage, tmp_path: Path) -> None:
        await storage.check()

        assert list((tmp_path / "storage" / "objects").iterdir()) == []

    async def test_a_file_in_place_of_the_directory_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "storage").write_bytes(b"")

        with pytest.raises(AdapterError) as caught:
            await LocalStorage(tmp_path / "storage", min_free_bytes=0).check()

        assert (caught.value.code, caught.value.retryable) == (ErrorCode.STORAGE_UNAVAILABLE, True)
        assert "CUEPOINT_STORAGE_URL" in caught.value.message

    async def test_too_little_space_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CuepointError) as caught:
            await LocalStorage(tmp_path / "storage", min_free_bytes=HUGE).check()

        assert caught.value.code is ErrorCode.INSUFFICIENT_STORAGE

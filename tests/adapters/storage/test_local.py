"""Local storage: links that lead nowhere, a disk that never fills up, threads that are waited for."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.storage import content, put, stream, uploaded

HUGE = 1 << 60  # no disk has that much free


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", min_free_bytes=0)


class TestRoot:
    async def test_is_made_for_its_owner_alone(self, storage: LocalStorage, tmp_path: Path) -> None:
        async with storage.upload_lock("u1"):
            pass

        assert (tmp_path / "storage").stat().st_mode & 0o777 == 0o700

    async def test_that_is_there_keeps_its_mode(self, storage: LocalStorage, tmp_path: Path) -> None:
        (tmp_path / "storage").mkdir(mode=0o755)

        await storage.check()

        assert (tmp_path / "storage").stat().st_mode & 0o777 == 0o755


class TestAppend:
    async def test_a_link_in_place_of_the_upload_is_not_followed(self, storage: LocalStorage, tmp_path: Path) -> None:
        await storage.append("u1", 0, stream(b"x"), limit=9)
        victim = tmp_path / "storage" / "uploads" / "victim"
        victim.write_bytes(b"safe")
        (tmp_path / "storage" / "uploads" / "u2").symlink_to("victim")

        with pytest.raises(AdapterError):
            await storage.append("u2", 0, stream(b"evil"), limit=9)

        assert victim.read_bytes() == b"safe"

    async def test_a_cancelled_write_has_ended_when_the_lock_is_free(
        self, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writing, go_on, written = threading.Event(), threading.Event(), threading.Event()
        real = os.pwritev

        def slow(descriptor: int, block: list[bytes], offset: int) -> int:
            writing.set()
            go_on.wait(10)
            count = real(descriptor, block, offset)
            written.set()
            return count

        async def hold() -> None:
            async with storage.upload_lock("u1"):
                try:
                    await storage.append("u1", 0, stream(b"late"), limit=9)
                finally:
                    assert written.is_set()

        monkeypatch.setattr(os, "pwritev", slow)
        task = asyncio.create_task(hold())
        await asyncio.to_thread(writing.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # as a server that stops does to a request that was cancelled before
        with pytest.raises(CuepointError):
            async with storage.upload_lock("u1"):
                pass
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

        monkeypatch.undo()
        async with storage.upload_lock("u1"):
            assert await storage.append("u1", 0, stream(b"next"), limit=9) == 4
        assert await uploaded(storage, "u1") == b"next"


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


class TestAbortUpload:
    async def test_drops_the_bytes_and_takes_a_second_call(self, storage: LocalStorage, tmp_path: Path) -> None:
        await storage.append("u1", 0, stream(b"abc"), limit=3)

        await storage.abort_upload("u1")
        await storage.abort_upload("u1")

        assert list((tmp_path / "storage" / "uploads").iterdir()) == []


class TestPutFile:
    async def test_leaves_nothing_beside_the_object(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"x", tmp_path)

        assert [path.name for path in (tmp_path / "storage" / "objects" / "a").iterdir()] == ["b"]


class TestDelete:
    async def test_removes_the_object_and_takes_a_second_call(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"x", tmp_path)

        await storage.delete("a/b")
        await storage.delete("a/b")

        assert await storage.head("a/b") is None
        assert list((tmp_path / "storage" / "objects").iterdir()) == []


class TestLocalCopy:
    async def test_is_the_file_itself(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"abc", tmp_path)

        async with storage.local_copy("a/b") as path:
            assert path == tmp_path / "storage" / "objects" / "a" / "b"
            assert path.read_bytes() == b"abc"


class TestPathSafety:
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


class TestUnfinishedWrites:
    async def test_are_listed_apart_from_objects_and_can_be_dropped(
        self, storage: LocalStorage, tmp_path: Path
    ) -> None:
        await put(storage, "a/b", b"whole", tmp_path)
        (storage._objects / "a" / "c#7").write_bytes(b"half")

        [[found]] = [page async for page in storage.list_unfinished()]
        await storage.drop_unfinished(found)
        await storage.drop_unfinished(found)

        assert (found.key, found.token) == ("a/c", "7")
        assert [file.key async for page in storage.list_files() for file in page] == ["a/b"]
        assert [path.name for path in (storage._objects / "a").iterdir()] == ["b"]

    async def test_go_with_the_object_that_they_would_have_become(self, storage: LocalStorage, tmp_path: Path) -> None:
        await put(storage, "a/b", b"whole", tmp_path)
        for name in ("b#1", "c#7", "bb#1", "bb#2"):
            (storage._objects / "a" / name).write_bytes(b"half")

        await storage.delete("a/b")
        await storage.delete("a/c")
        left = sorted(path.name for path in (storage._objects / "a").iterdir())
        removed = await storage.delete_prefix("a/")

        assert (left, removed) == (["bb#1", "bb#2"], 0)
        assert [write async for page in storage.list_unfinished() for write in page] == []

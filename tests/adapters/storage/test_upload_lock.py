"""One writer per upload on this machine, whoever holds it and however it ends."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.locks import try_lock, unlock
from cuepoint.errors import CuepointError, ErrorCode

HOLDER = """
import sys
from pathlib import Path
from cuepoint.adapters.storage.locks import try_lock
assert try_lock(Path(sys.argv[1])) is not None
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path, min_free_bytes=0)


async def is_free(storage: LocalStorage, key: str) -> bool:
    try:
        async with storage.upload_lock(key):
            return True
    except CuepointError as error:
        return (error.code, error.retryable) != (ErrorCode.OFFSET_MISMATCH, True)


class TestUploadLock:
    async def test_is_held_by_one_at_a_time(self, storage: LocalStorage) -> None:
        async with storage.upload_lock("uploads/u1"):
            assert not await is_free(storage, "uploads/u1")
            assert await is_free(storage, "uploads/u2")

        assert await is_free(storage, "uploads/u1")

    async def test_is_free_after_an_error_and_after_a_cancel(self, storage: LocalStorage) -> None:
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

        assert await is_free(storage, "u1")

    async def test_leaves_no_file_behind(self, storage: LocalStorage, tmp_path: Path) -> None:
        async with storage.upload_lock("u1"):
            assert [p.name for p in (tmp_path / "uploads").iterdir()] == ["u1.lock"]

        assert list((tmp_path / "uploads").iterdir()) == []

    async def test_a_process_that_dies_lets_go(self, storage: LocalStorage, tmp_path: Path) -> None:
        path = tmp_path / "uploads" / "u1.lock"
        pipe = asyncio.subprocess.PIPE
        holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, str(path), stdin=pipe, stdout=pipe)
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        was_free_meanwhile = await is_free(storage, "u1")
        holder.kill()
        await holder.communicate()

        assert not was_free_meanwhile
        assert await is_free(storage, "u1")

    async def test_a_key_cannot_leave_the_directory(self, storage: LocalStorage) -> None:
        with pytest.raises(ValueError, match="storage key"):
            async with storage.upload_lock("../u1"):
                pass


class TestTryLock:
    def test_a_removed_file_is_not_mistaken_for_the_lock(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        held = try_lock(path)
        assert held is not None
        path.unlink()  # what its holder does an instant before it lets go

        other = try_lock(path)

        assert other is not None
        assert try_lock(path) is None
        os.close(held)
        unlock(path, other)
        assert not path.exists()

    def test_many_threads_hold_it_one_after_the_other(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        holders: list[int] = []
        most = []

        def work(number: int) -> None:
            rounds = 0
            while rounds < 100:
                held = try_lock(path)
                if held is not None:
                    holders.append(number)
                    most.append(len(holders))
                    holders.remove(number)
                    unlock(path, held)
                    rounds += 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert most == [1] * 400

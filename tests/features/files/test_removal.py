"""The list of removals: what is on it goes, unless it has a row, and nobody can give it one meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.files.models import FileRemoval, RemovalTarget, StoredFile
from cuepoint.features.files.removal import Removed, remove_files
from cuepoint.features.files.service import Attempt, announce_file, enqueue_removal
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.videos.models import Video
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.faults import open_bytes, stored_keys
from tests.support.storage import LIMIT, put, stream


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", min_free_bytes=0)


async def enqueue(db: Database, *keys: str) -> None:
    async with db.write() as session:
        await enqueue_removal(session, keys)


async def listed(db: Database) -> dict[str, FileRemoval]:
    async with db.read() as session:
        return {removal.key: removal for removal in await session.scalars(select(FileRemoval))}


async def make_file(db: Database, storage: LocalStorage, tmp_path: Path) -> Video:
    video = await make_video(db, await make_project(db))
    await put(storage, video.storage_key, b"film", tmp_path)
    return video


class TestEnqueueRemoval:
    async def test_is_part_of_the_transaction(self, db: Database) -> None:
        async def undone() -> None:
            async with db.write() as session:
                await enqueue_removal(session, ["a/b"])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await undone()

        assert await listed(db) == {}

    async def test_tells_objects_prefixes_and_uploads_apart(self, db: Database) -> None:
        await enqueue(db, "a/b", "a/c/", "uploads/0a", "a/b")

        assert {key: removal.target for key, removal in (await listed(db)).items()} == {
            "a/b": RemovalTarget.OBJECT,
            "a/c/": RemovalTarget.PREFIX,
            "uploads/0a": RemovalTarget.UPLOAD,
        }

    async def test_brings_a_promise_forward(self, db: Database) -> None:
        later = datetime.now(UTC) + timedelta(days=1)
        async with db.write() as session:
            await announce_file(session, "a/b", later, project_id=None)

        await enqueue(db, "a/b")

        assert (await listed(db))["a/b"].due_at < later

    async def test_of_nothing_does_nothing(self, db: Database) -> None:
        await enqueue(db)

        assert await listed(db) == {}


class TestRemoveFiles:
    async def test_takes_objects_prefixes_and_open_uploads(
        self, db: Database, storage: LocalStorage, tmp_path: Path
    ) -> None:
        for key in ("a/one", "a/two/x", "a/two/y", "a/twofold"):
            await put(storage, key, b"12345", tmp_path)
        await storage.append("uploads/0a", 0, stream(b"data"), limit=LIMIT)
        await enqueue(db, "a/one", "a/two/", "uploads/0a", "a/absent")

        done = await remove_files(db, storage)

        assert done == Removed(files=5, size_bytes=0, failed=0)
        assert (stored_keys(storage), open_bytes(storage)) == ({"a/twofold"}, set())
        assert await listed(db) == {}

    async def test_takes_only_what_is_named(self, db: Database, storage: LocalStorage, tmp_path: Path) -> None:
        for key in ("a/one", "a/two"):
            await put(storage, key, b"12345", tmp_path)
        await enqueue(db, "a/one", "a/two")

        assert (await remove_files(db, storage, keys=["a/one"])).files == 1
        assert (await remove_files(db, storage, keys=[])).files == 0
        assert (await remove_files(db, storage, video_id=uuid7())).files == 0

        assert stored_keys(storage) == {"a/two"}

    async def test_leaves_what_has_a_row(self, db: Database, storage: LocalStorage, tmp_path: Path) -> None:
        video = await make_file(db, storage, tmp_path)
        await enqueue(db, video.storage_key, f"projects/{video.project_id.hex}/")

        done = await remove_files(db, storage)

        assert done == Removed()
        assert stored_keys(storage) == {video.storage_key}
        assert await listed(db) == {}

    async def test_takes_more_than_one_batch(self, db: Database, storage: LocalStorage) -> None:
        await enqueue(db, *(f"a/{number}" for number in range(250)))

        assert (await remove_files(db, storage)).files == 250
        assert await listed(db) == {}

    async def test_two_at_once_take_each_file_once(self, db: Database, storage: LocalStorage) -> None:
        await enqueue(db, *(f"a/{number}" for number in range(150)))

        first, second = await asyncio.gather(remove_files(db, storage), remove_files(db, storage))

        assert first.files + second.files == 150

    async def test_what_resists_comes_later_and_holds_up_nobody(
        self, db: Database, storage: LocalStorage, tmp_path: Path
    ) -> None:
        await put(storage, "a/one", b"12345", tmp_path)
        await storage.append("uploads/0a", 0, stream(b"data"), limit=LIMIT)
        await enqueue(db, "uploads/0a", "../escape", "a/one")

        async with storage.upload_lock("uploads/0a"):  # somebody writes to it
            done = await remove_files(db, storage)

        assert done == Removed(files=1, size_bytes=0, failed=2)
        left = await listed(db)
        assert set(left) == {"uploads/0a", "../escape"}
        assert left["uploads/0a"].error == "Another request is writing to this upload."
        assert left["../escape"].error == "not a storage key: '../escape'"
        assert all(removal.due_at > datetime.now(UTC) for removal in left.values())
        async with db.write() as session:
            await session.execute(update(FileRemoval).values(due_at=datetime.now(UTC)))
        assert (await remove_files(db, storage)).files == 1
        assert open_bytes(storage) == set()

    async def test_a_claim_of_somebody_who_died_runs_out(
        self, db: Database, storage: LocalStorage, tmp_path: Path
    ) -> None:
        await put(storage, "a/one", b"12345", tmp_path)
        await enqueue(db, "a/one")
        now = datetime.now(UTC)

        async with db.write() as session:
            await session.execute(update(FileRemoval).values(claimed_until=now + timedelta(minutes=1)))
        assert (await remove_files(db, storage)).files == 0
        async with db.write() as session:
            await session.execute(update(FileRemoval).values(claimed_until=now - timedelta(minutes=1)))

        assert (await remove_files(db, storage)).files == 1


class TestAnnouncedFiles:
    async def announced(self, db: Database, job: Job) -> None:
        async with db.write() as session:
            await announce_file(session, "a/one", Attempt(job.id, job.attempt), project_id=None)

    async def test_stay_while_their_attempt_runs(self, db: Database, storage: LocalStorage, tmp_path: Path) -> None:
        job = await make_job(db, JobKind.PROBE, status=JobStatus.RUNNING)
        await self.announced(db, job)
        await put(storage, "a/one", b"12345", tmp_path)

        assert (await remove_files(db, storage)).files == 0
        await enqueue(db, "a/one")  # also if somebody else wants it gone
        assert (await remove_files(db, storage)).files == 0

        assert stored_keys(storage) == {"a/one"}

    @pytest.mark.parametrize("column", ["attempt", "status"])
    async def test_go_when_it_is_over(self, db: Database, storage: LocalStorage, tmp_path: Path, column: str) -> None:
        job = await make_job(db, JobKind.PROBE, status=JobStatus.RUNNING)
        await self.announced(db, job)
        await put(storage, "a/one", b"12345", tmp_path)
        changes = {
            "attempt": "update jobs set attempt = 2",
            "status": "update jobs set status = 'FAILED', worker_id = null, finished_at = now()",
        }
        async with db.write() as session:
            await session.execute(text(changes[column]))

        assert (await remove_files(db, storage)).files == 1
        assert stored_keys(storage) == set()

    async def test_are_refused_while_one_of_that_key_is_removed(self, db: Database) -> None:
        job = await make_job(db, JobKind.PROBE, status=JobStatus.RUNNING)
        await enqueue(db, "a/one")
        async with db.write() as session:
            await session.execute(update(FileRemoval).values(claimed_until=datetime.now(UTC) + timedelta(minutes=1)))

        with pytest.raises(AdapterError) as refused:
            await self.announced(db, job)

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.STORAGE_UNAVAILABLE, True)

    async def test_a_row_takes_them_off_the_list(self, db: Database) -> None:
        job = await make_job(db, JobKind.PROBE, status=JobStatus.RUNNING)
        await self.announced(db, job)
        project = await make_project(db)

        await make_stored(db, project.id, "a/one")

        assert await listed(db) == {}

    async def test_no_row_can_name_a_file_that_is_being_removed(self, db: Database) -> None:
        project = await make_project(db)
        await enqueue(db, "a/one")
        async with db.write() as session:
            await session.execute(update(FileRemoval).values(claimed_until=datetime.now(UTC) + timedelta(minutes=1)))

        with pytest.raises(DBAPIError, match="the file a/one is being removed"):
            await make_stored(db, project.id, "a/one")

        async with db.read() as session:
            assert list(await session.scalars(select(StoredFile.key))) == []


async def make_stored(db: Database, project_id: Any, key: str) -> Video:
    """A video whose original has that key."""
    video = Video(
        id=uuid7(),
        project_id=project_id,
        title="A",
        filename="a",
        storage_key=key,
        size_bytes=5,
        content_hash="0" * 64,
    )
    async with db.write() as session:
        session.add(video)
    return video


class TestOnABucket:
    async def test_an_outage_leaves_the_list_as_it_is(self, db: Database, tmp_path: Path) -> None:
        class Away(LocalStorage):
            async def delete(self, key: str) -> None:
                raise AdapterError(ErrorCode.STORAGE_UNAVAILABLE, "The store is away.", retryable=True)

            async def delete_prefix(self, prefix: str) -> int:
                raise CuepointError(ErrorCode.INSUFFICIENT_STORAGE, "The store is full.")

        await enqueue(db, "a/one", "a/two/")

        done = await remove_files(db, Away(tmp_path, min_free_bytes=0))

        assert done == Removed(failed=2)
        assert {key: removal.error for key, removal in (await listed(db)).items()} == {
            "a/one": "The store is away.",
            "a/two/": "The store is full.",
        }

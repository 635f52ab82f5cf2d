"""A process that dies at some step, and a look at whether rows and files agree once all was swept."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from sqlalchemy import select, text

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.files.models import FileRemoval, StoredFile
from cuepoint.features.files.removal import remove_files
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.uploads.offsets import OPEN
from cuepoint.features.videos.models import Video
from tests.support.builders.attempts import begin_attempt
from tests.support.faults import FragileDatabase, FragileStorage, Fuse, Killed, open_bytes, stored_keys

MOST_STEPS = 60


class World:
    """A database and a storage, and the same as a process has them that dies at some step."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        self.storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        self.strays: set[str] = set()  # files that never had a row
        self.fuse = Fuse()
        self.fragile_db = FragileDatabase(db, self.fuse)
        self.fragile_storage = FragileStorage(settings.storage_directory(), self.fuse)

    async def attempt(self, kind: JobKind, video: Video | None, *, fetcher: Any = None, **values: Any) -> TaskContext:
        context, _ = await begin_attempt(self.db, self.settings, kind, video, **values)
        ports = cast(Any, context.adapters)
        ports.storage, ports.fetcher = self.fragile_storage, fetcher
        return dataclasses.replace(context, db=self.fragile_db, adapters=cast(Adapters, ports))

    async def dies(self, at: int, run: Callable[[], Awaitable[object]]) -> bool:
        """Whether the process died at that step. If so, it was swept up after, and rows and files agreed."""
        self.fuse.at, self.fuse.steps = at, 0
        before = asyncio.all_tasks()
        try:
            await run()
        except Killed:
            if left := asyncio.all_tasks() - before:  # a process takes all that it does along
                await asyncio.wait(left)
            self.fuse.at = None
            await self.sweep()
            await self.assert_whole()
            return True
        self.fuse.at = None
        return False

    async def sweep(self) -> None:
        """What happens by itself in the time after the death: the attempt is found lost, claims run out."""
        async with self.db.write() as session:
            await session.execute(
                text(
                    "update jobs set status = 'FAILED', worker_id = null, finished_at = now() where status = 'RUNNING'"
                )
            )
            await session.execute(text("update file_removals set claimed_until = null"))
        await remove_files(self.db, self.storage)

    async def later(self) -> None:
        """After all promises have run out."""
        async with self.db.write() as session:
            await session.execute(text("update file_removals set due_at = now()"))
            await session.execute(text("update uploads set expires_at = now() - interval '1 second'"))
        async with self.db.read() as session:
            expired = await uploads.expired_uploads(session)
        for upload_id in expired:
            await uploads.expire(self.db, self.storage, upload_id)
        await self.sweep()

    async def assert_whole(self) -> None:
        """Rows and files agree, and nothing is left to do."""
        async with self.db.read() as session:
            owned = set(await session.scalars(select(StoredFile.key)))
            listed = set(await session.scalars(select(FileRemoval.key)))
            is_open = Upload.status.in_([*OPEN, UploadStatus.COMPLETE])
            found = select(Upload.storage_key, Upload.offset_bytes).where(
                Upload.storage_key.startswith("uploads/"), is_open
            )
            open_uploads = {row.storage_key: row.offset_bytes for row in await session.execute(found)}
            seen = set((await session.execute(text("select key from owned_files"))).scalars())
            promised = {removal for removal in listed if removal.startswith("projects/")}
        assert owned == seen
        assert stored_keys(self.storage) - promised - self.strays == owned
        held = open_bytes(self.storage)
        assert held - listed <= set(open_uploads)
        gone = {key for key, offset in open_uploads.items() if offset} - held
        assert len(gone) <= len(promised & stored_keys(self.storage))  # moved, not registered yet


@pytest.fixture
def world(db: Database, settings: Settings) -> World:
    return World(db, settings)


async def dies_everywhere(world: World, run: Callable[[], Awaitable[object]]) -> int:
    """Run it again and again, dying one step later each time and swept up after, until it gets through."""
    for at in range(1, MOST_STEPS):
        if not await world.dies(at, run):
            return at - 1
    raise AssertionError(f"not through after {MOST_STEPS} steps")

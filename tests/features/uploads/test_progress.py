"""Progress of uploads as a watcher gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import NotFoundError
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads import service
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.uploads.progress import UploadState, tell_end, told, watch_upload
from cuepoint.viewer import Viewer
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload


@pytest.fixture
async def live(redis_url: str) -> AsyncIterator[RedisLive]:
    connected = RedisLive(redis_url)
    yield connected
    await connected.close()


class TestWatchUpload:
    async def test_begins_with_the_state_and_ends_with_the_last_byte(
        self, db: Database, settings: Settings, live: RedisLive, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project, size_bytes=10)
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        arrived, seen = asyncio.Event(), list[UploadState]()

        async def body() -> AsyncIterator[bytes]:
            yield b"12345"
            await arrived.wait()
            yield b"67890"

        async def send() -> None:
            stream = told(body(), live, upload.id, 0)
            await service.receive(db, storage, viewer, upload.id, 0, stream)
            await tell_end(live, upload.id)

        async with aclosing(watch_upload(db, live, viewer, upload.id)) as states, asyncio.timeout(10):
            seen.append(await anext(states))
            sending = asyncio.create_task(send())
            seen.append(await anext(states))
            arrived.set()
            seen += [state async for state in states]
            await sending

        assert [(state.upload.status, state.received_bytes) for state in seen] == [
            (UploadStatus.WAITING, 0),
            (UploadStatus.WAITING, 5),
            (UploadStatus.COMPLETE, 10),
        ]
        assert [state.is_final for state in seen] == [False, False, True]

    async def test_what_was_not_heard_is_read(
        self, db: Database, live: RedisLive, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)

        async with (
            aclosing(watch_upload(db, live, viewer, upload.id, safety_seconds=0.05)) as states,
            asyncio.timeout(10),
        ):
            first = await anext(states)
            async with db.write() as session:
                stored = await session.get_one(type(upload), upload.id)
                stored.status = UploadStatus.EXPIRED
            rest = [state async for state in states]

        assert first.upload.status is UploadStatus.WAITING
        assert [state.upload.status for state in rest] == [UploadStatus.EXPIRED]

    async def test_a_whole_upload_is_told_once(
        self, db: Database, live: RedisLive, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project, status=UploadStatus.COMPLETE)

        async with aclosing(watch_upload(db, live, viewer, upload.id)) as states, asyncio.timeout(10):
            seen = [state async for state in states]

        assert [state.is_final for state in seen] == [True]

    async def test_strangers_see_nothing(self, db: Database, live: RedisLive, project: Project) -> None:
        upload = await make_upload(db, project)
        stranger = await make_viewer(db)

        with pytest.raises(NotFoundError):
            await anext(watch_upload(db, live, stranger, upload.id))

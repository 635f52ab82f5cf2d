"""Uploads that tell their size later: held to it, to the instance's limit and to quotas while their bytes arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.projects.models import Project
from cuepoint.features.quotas import service as quotas
from cuepoint.features.quotas.service import Limits, Scope
from cuepoint.features.uploads import fetching, service
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.viewer import Viewer
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload
from tests.support.storage import stream
from tests.support.uploads import BLAKE3, DATA, bytes_of, reload

MOST = 1 << 20


@pytest.fixture
async def upload(db: Database, project: Project) -> Upload:
    return await make_upload(db, project, size_bytes=None)


async def limit(db: Database, project: Project, storage_bytes: int) -> None:
    async with db.write() as session:
        admin = await make_viewer(db, is_admin=True)
        await quotas.set_quota(session, admin, Scope(project_id=project.id), Limits(storage_bytes=storage_bytes))


class TestReceive:
    async def test_what_passes_a_quota_is_refused_and_not_kept(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, upload: Upload
    ) -> None:
        await limit(db, project, 8)
        await service.receive(db, storage, viewer, upload.id, 0, stream(DATA[:4]), max_bytes=MOST)

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 4, stream(DATA[4:]), max_bytes=MOST)

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert "8 bytes of storage, of which 0 are used and 9 would be reserved" in refused.value.message
        assert ((await reload(db, upload.id)).offset_bytes, await bytes_of(storage, upload)) == (4, DATA[:4])

    async def test_it_goes_on_when_there_is_room_again(
        self,
        db: Database,
        settings: Settings,
        storage: LocalStorage,
        viewer: Viewer,
        project: Project,
        upload: Upload,
    ) -> None:
        await limit(db, project, 8)
        with pytest.raises(CuepointError):
            await service.receive(db, storage, viewer, upload.id, 0, stream(DATA), max_bytes=MOST)
        await limit(db, project, 10)

        await service.receive(db, storage, viewer, upload.id, 0, stream(DATA), max_bytes=MOST)
        async with db.write() as session:
            await service.set_size(session, viewer, settings, upload.id, len(DATA))
        whole = await service.receive(db, storage, viewer, upload.id, 10, stream(), max_bytes=MOST)

        assert (whole.status, whole.content_hash) == (UploadStatus.COMPLETE, BLAKE3)

    async def test_room_that_others_took_meanwhile_is_none(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, upload: Upload
    ) -> None:
        await limit(db, project, 10)

        async def slow() -> AsyncIterator[bytes]:
            yield DATA
            await make_upload(db, project, size_bytes=1)

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, slow(), max_bytes=MOST)

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert (await reload(db, upload.id)).offset_bytes == 0

    async def test_more_than_the_instance_takes_is_refused(
        self, db: Database, storage: LocalStorage, viewer: Viewer, upload: Upload
    ) -> None:
        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, stream(DATA), max_bytes=9)

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.UPLOAD_TOO_LARGE, False)
        assert "more than 9 bytes, which is what this server takes" in refused.value.message
        assert ((await reload(db, upload.id)).offset_bytes, await bytes_of(storage, upload)) == (0, b"")

    async def test_a_size_that_is_told_meanwhile_holds(
        self, db: Database, settings: Settings, storage: LocalStorage, viewer: Viewer, upload: Upload
    ) -> None:
        begun, told = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            begun.set()
            await told.wait()
            yield DATA

        sending = asyncio.create_task(service.receive(db, storage, viewer, upload.id, 0, slow(), max_bytes=MOST))
        await begun.wait()
        async with db.write() as session:
            await service.set_size(session, viewer, settings, upload.id, 9)
        told.set()
        with pytest.raises(CuepointError) as refused:
            await sending

        row = await reload(db, upload.id)
        assert refused.value.code is ErrorCode.UPLOAD_TOO_LARGE
        assert (row.offset_bytes, row.size_bytes, row.status) == (0, 9, UploadStatus.WAITING)


class TestAdvance:
    async def test_an_import_of_unknown_size_is_held_to_quotas(
        self, db: Database, project: Project, upload: Upload
    ) -> None:
        await limit(db, project, 8)

        with pytest.raises(CuepointError) as refused:
            async with db.write() as session:
                await fetching.advance(session, await session.get_one(Upload, upload.id), 9, None)

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert (await reload(db, upload.id)).offset_bytes == 0

"""The sweep of uploads that were never finished or never used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.uploads.tasks import sweep_uploads
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_upload

PAST = datetime.now(UTC) - timedelta(hours=1)


async def four_bytes() -> AsyncIterator[bytes]:
    yield b"0123"


async def statuses(db: Database) -> list[UploadStatus]:
    async with db.read() as session:
        return list(await session.scalars(select(Upload.status).order_by(Upload.created_at)))


class TestSweepUploads:
    async def test_ends_all_that_expired_and_nothing_else(self, db: Database, settings: Settings) -> None:
        project = await make_project(db)
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        for expiry in ({"expires_at": PAST}, {"expires_at": PAST}, {}):
            upload = await make_upload(db, project, **expiry)
            await storage.append(upload.storage_key, 0, four_bytes(), limit=10)
        context, control = await begin_attempt(db, settings, JobKind.MAINTENANCE)

        result = await sweep_uploads(context)
        again = await sweep_uploads(context)

        assert (result, again) == ({"sweptUploads": 2}, {"sweptUploads": 0})
        assert await statuses(db) == [UploadStatus.EXPIRED, UploadStatus.EXPIRED, UploadStatus.WAITING]
        assert len(list((settings.storage_directory() / "uploads" / "uploads").iterdir())) == 1
        assert control.reports[-1][1] == "2 expired uploads swept"

    async def test_leaves_one_that_is_being_written(self, db: Database, settings: Settings) -> None:
        upload = await make_upload(db, await make_project(db), expires_at=PAST)
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        context, _ = await begin_attempt(db, settings, JobKind.MAINTENANCE)

        async with storage.upload_lock(upload.storage_key):
            result = await sweep_uploads(context)

        assert result == {"sweptUploads": 0}
        assert await statuses(db) == [UploadStatus.WAITING]

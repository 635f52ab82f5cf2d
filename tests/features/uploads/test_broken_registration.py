"""A registration that broke off after it had moved the bytes: the sweep finds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.features.uploads import service
from cuepoint.features.uploads.keys import video_id_of, video_prefix
from cuepoint.features.uploads.models import UploadStatus
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_upload
from tests.support.storage import put


class TestExpire:
    async def test_bytes_that_were_moved_already_are_removed(self, db: Database, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "storage", min_free_bytes=0)
        project = await make_project(db)
        past = datetime.now(UTC) - timedelta(seconds=1)
        upload = await make_upload(db, project, status=UploadStatus.COMPLETE, expires_at=past)
        moved = f"{video_prefix(project.id, video_id_of(upload.id))}original/stories-abab"
        await put(storage, moved, b"0123456789", tmp_path)

        swept = await service.expire(db, storage, upload.id)

        assert swept
        assert await storage.head(moved) is None

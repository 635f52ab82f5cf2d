"""The step of an offset: one statement where nothing else changes; refused where the upload is not as it was read."""

from __future__ import annotations

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database, counting_statements
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.files.hashes import FileHash
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads import service
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.uploads.offsets import move_offset
from cuepoint.viewer import Viewer
from tests.support.builders.videos import make_upload
from tests.support.storage import stream
from tests.support.uploads import BLAKE3, DATA, SHA256, expire_now, reload


def columns(upload: Upload) -> dict[str, object]:
    return {column.key: getattr(upload, column.key) for column in Upload.__table__.c}


class TestMoveOffset:
    async def test_a_piece_is_one_statement(self, db: Database, project: Project) -> None:
        upload = await make_upload(db, project)

        with counting_statements() as count:
            moved = await move_offset(db, upload, 4, None)

        assert count == [1]
        assert (moved.offset_bytes, moved.status) == (4, UploadStatus.RECEIVING)
        assert columns(moved) == columns(await reload(db, upload.id))

    async def test_the_last_one_brings_the_hashes(self, db: Database, project: Project) -> None:
        upload = await make_upload(db, project)

        moved = await move_offset(db, upload, len(DATA), FileHash(BLAKE3, SHA256))

        assert (moved.status, moved.content_hash, moved.declared_sha256) == (UploadStatus.COMPLETE, BLAKE3, SHA256)
        assert columns(moved) == columns(await reload(db, upload.id))

    async def test_an_upload_that_expired_meanwhile_is_refused(self, db: Database, project: Project) -> None:
        upload = await make_upload(db, project)
        await expire_now(db, upload.id)

        with pytest.raises(CuepointError) as refused:
            await move_offset(db, upload, 4, None)

        assert refused.value.code is ErrorCode.UPLOAD_EXPIRED
        assert (await reload(db, upload.id)).offset_bytes == 0

    @pytest.mark.parametrize("status", [UploadStatus.ABORTED, UploadStatus.EXPIRED, UploadStatus.COMPLETE])
    async def test_so_is_one_that_is_over(self, db: Database, project: Project, status: UploadStatus) -> None:
        upload = await make_upload(db, project)
        async with db.write() as session:
            (await session.get_one(Upload, upload.id)).status = status

        with pytest.raises(CuepointError):
            await move_offset(db, upload, 4, None)

        found = await reload(db, upload.id)
        assert (found.offset_bytes, found.status) == (0, status)

    async def test_so_is_one_that_stands_elsewhere(self, db: Database, project: Project) -> None:
        upload = await make_upload(db, project)
        await move_offset(db, upload, 2, None)

        with pytest.raises(CuepointError) as refused:
            await move_offset(db, upload, 4, None)

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, True)
        assert (await reload(db, upload.id)).offset_bytes == 2

    async def test_so_is_a_size_that_was_told_meanwhile(self, db: Database, project: Project) -> None:
        upload = await make_upload(db, project)
        async with db.write() as session:
            (await session.get_one(Upload, upload.id)).size_bytes = 3

        with pytest.raises(CuepointError) as refused:
            await move_offset(db, upload, 4, None)

        assert refused.value.code is ErrorCode.UPLOAD_TOO_LARGE
        assert (await reload(db, upload.id)).offset_bytes == 0

    async def test_one_that_is_gone_is_not_found(self, db: Database, project: Project) -> None:
        upload = await make_upload(db, project)
        async with db.write() as session:
            await session.delete(await session.get_one(Upload, upload.id))

        with pytest.raises(NotFoundError):
            await move_offset(db, upload, 4, None)


class TestReceive:
    async def test_a_piece_costs_four_statements(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)

        with counting_statements() as count:
            await service.receive(db, storage, viewer, upload.id, 0, stream(DATA[:4]))

        assert count == [4]  # the row, the rights, the row under the lock, the step

    async def test_what_is_announced_and_does_not_fit_is_not_read(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        unread = stream(DATA, b"x")

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, unread, announced=len(DATA) + 1)

        assert refused.value.code is ErrorCode.UPLOAD_TOO_LARGE
        assert await anext(unread) == DATA

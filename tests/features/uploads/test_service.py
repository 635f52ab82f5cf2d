"""Uploads: announced, given up, swept, and seen by members only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.uploads import service
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload
from tests.support.storage import stream
from tests.support.uploads import DATA, SHA256, bytes_of, expire_now, has_bytes, reload


async def count(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(Upload))).scalar_one()


class TestCreateUpload:
    async def create(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project, **values: object
    ) -> Upload:
        given: dict[str, object] = {"filename": "a.mp4", "size_bytes": 10, **values}
        async with db.write() as session:
            return await service.create_upload(session, viewer, settings, project_id=project.id, **given)  # type: ignore[arg-type]

    async def test_waits_for_its_first_byte(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project
    ) -> None:
        upload = await self.create(db, settings, viewer, project)

        assert (upload.status, upload.offset_bytes, upload.size_bytes) == (UploadStatus.WAITING, 0, 10)
        assert upload.created_by_id == viewer.user_id
        left = upload.expires_at - datetime.now(UTC)
        assert timedelta(hours=167) < left <= timedelta(hours=168)

    async def test_a_name_is_kept_as_given_and_never_a_path(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project
    ) -> None:
        name = "../../etc/pass\"wd'\n\t; rm -rf.mp4"

        upload = await self.create(db, settings, viewer, project, filename=name)

        assert upload.filename == name
        assert upload.storage_key == f"uploads/{upload.id.hex}"

    @pytest.mark.parametrize(
        ("values", "code", "field"),
        [
            ({"filename": ""}, ErrorCode.BAD_USER_INPUT, "filename"),
            ({"filename": "x" * 256}, ErrorCode.BAD_USER_INPUT, "filename"),
            ({"filename": "a\x00b"}, ErrorCode.BAD_USER_INPUT, "filename"),
            ({"size_bytes": 0}, ErrorCode.BAD_USER_INPUT, "sizeBytes"),
            ({"size_bytes": -1}, ErrorCode.BAD_USER_INPUT, "sizeBytes"),
            ({"size_bytes": 20 * 1024**3 + 1}, ErrorCode.UPLOAD_TOO_LARGE, "sizeBytes"),
            ({"sha256": "AB" * 32}, ErrorCode.BAD_USER_INPUT, "sha256"),
            ({"sha256": "\x00" * 64}, ErrorCode.BAD_USER_INPUT, "sha256"),
        ],
    )
    async def test_refuses_bad_input(
        self,
        db: Database,
        settings: Settings,
        viewer: Viewer,
        project: Project,
        values: dict[str, object],
        code: ErrorCode,
        field: str,
    ) -> None:
        with pytest.raises(CuepointError) as refused:
            await self.create(db, settings, viewer, project, **values)

        assert (refused.value.code, refused.value.field) == (code, (field,))
        assert await count(db) == 0

    async def test_the_same_hash_goes_on_with_what_is_there(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project, storage: LocalStorage
    ) -> None:
        first = await self.create(db, settings, viewer, project, sha256=SHA256)
        await service.receive(db, storage, viewer, first.id, 0, stream(DATA[:4]))

        again = await self.create(db, settings, viewer, project, sha256=SHA256)
        await service.receive(db, storage, viewer, first.id, 4, stream(DATA[4:]))
        whole = await self.create(db, settings, viewer, project, sha256=SHA256)

        assert (again.id, again.offset_bytes) == (first.id, 4)
        assert (whole.id, whole.status) == (first.id, UploadStatus.COMPLETE)

    @pytest.mark.parametrize("other", ["size", "user", "project", "expired", "registered"])
    async def test_anything_else_begins_anew(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project, other: str
    ) -> None:
        first = await self.create(db, settings, viewer, project, sha256=SHA256)
        if other == "user":
            viewer = await make_viewer(db)
            await make_member(db, project, viewer.user_id, ProjectRole.EDITOR)
        if other == "project":
            project = await make_project(db, owner_id=viewer.user_id)
        if other == "expired":
            await expire_now(db, first.id)
        if other == "registered":
            async with db.write() as session:
                values = {"status": UploadStatus.COMPLETE, "storage_key": "projects/p/videos/v/original/a"}
                await session.execute(update(Upload).values(values))

        second = await self.create(
            db, settings, viewer, project, sha256=SHA256, size_bytes=11 if other == "size" else 10
        )

        assert second.id != first.id

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, settings: Settings, project: Project) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)

        with pytest.raises(ForbiddenError):
            await self.create(db, settings, member, project)
        with pytest.raises(NotFoundError):
            await self.create(db, settings, stranger, project)

        assert await count(db) == 0


class TestAbortUpload:
    async def test_drops_the_bytes_and_can_be_repeated(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        await service.receive(db, storage, viewer, upload.id, 0, stream(b"0123"))

        await service.abort_upload(db, storage, viewer, upload.id)
        await service.abort_upload(db, storage, viewer, upload.id)

        assert (await reload(db, upload.id)).status is UploadStatus.ABORTED
        assert not await has_bytes(storage, upload)

    async def test_a_whole_one_stays(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        await service.receive(db, storage, viewer, upload.id, 0, stream(DATA))

        with pytest.raises(CuepointError) as refused:
            await service.abort_upload(db, storage, viewer, upload.id)

        assert refused.value.code is ErrorCode.UPLOAD_ALREADY_USED
        assert (await reload(db, upload.id)).status is UploadStatus.COMPLETE
        assert await bytes_of(storage, upload) == DATA

    async def test_a_viewer_and_a_stranger_may_not(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        upload = await make_upload(db, project)
        await service.receive(db, storage, viewer, upload.id, 0, stream(b"0123"))

        with pytest.raises(ForbiddenError):
            await service.abort_upload(db, storage, member, upload.id)
        with pytest.raises(NotFoundError):
            await service.abort_upload(db, storage, stranger, upload.id)

        assert (await reload(db, upload.id)).status is UploadStatus.RECEIVING
        assert await bytes_of(storage, upload) == b"0123"


class TestExpire:
    @pytest.mark.parametrize("status", [UploadStatus.WAITING, UploadStatus.RECEIVING, UploadStatus.COMPLETE])
    async def test_ends_what_is_open_or_was_never_registered(
        self, db: Database, storage: LocalStorage, project: Project, status: UploadStatus
    ) -> None:
        upload = await make_upload(db, project, status=status)
        await storage.append(upload.storage_key, 0, stream(b"0123"), limit=10)
        await expire_now(db, upload.id)

        async with db.read() as session:
            found = await service.expired_uploads(session)
        ended = await service.expire(db, storage, upload.id)

        assert found == [upload.id]
        assert ended
        assert (await reload(db, upload.id)).status is UploadStatus.EXPIRED
        assert not await has_bytes(storage, upload)

    @pytest.mark.parametrize("why", ["in time", "registered", "aborted"])
    async def test_leaves_the_others(self, db: Database, storage: LocalStorage, project: Project, why: str) -> None:
        key = {"storage_key": "projects/p/videos/v/original/a"} if why == "registered" else {}
        status = {"aborted": UploadStatus.ABORTED, "registered": UploadStatus.COMPLETE}.get(why, UploadStatus.WAITING)
        upload = await make_upload(db, project, status=status, **key)
        if why != "in time":
            await expire_now(db, upload.id)

        async with db.read() as session:
            found = await service.expired_uploads(session)
        ended = await service.expire(db, storage, upload.id)

        assert found == []
        assert not ended
        assert (await reload(db, upload.id)).status is status


class TestGetUpload:
    async def test_is_for_members(self, db: Database, project: Project) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        upload = await make_upload(db, project)

        async with db.read() as session:
            assert (await service.get_upload(session, member, upload.id)).id == upload.id
            with pytest.raises(NotFoundError) as foreign:
                await service.get_upload(session, stranger, upload.id)
            with pytest.raises(NotFoundError) as absent:
                await service.get_upload(session, stranger, project.id)

        assert str(foreign.value) == str(absent.value)


class TestCheckHash:
    @pytest.mark.parametrize("value", ["", "ab", "AB" * 32, "g" * 64, f"{SHA256}\n", f" {SHA256}"])
    def test_refuses_anything_but_a_hash(self, value: str) -> None:
        with pytest.raises(BadInputError) as refused:
            service.check_hash(value, "contentHash")

        assert refused.value.field == ("contentHash",)

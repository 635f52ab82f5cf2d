"""Uploads in parts past the instance, against an S3 server, with plain HTTP as a client has it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from blake3 import blake3
from sqlalchemy import update

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.uploads import parts, service
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.uploads.tasks import check_upload
from cuepoint.features.videos.service import register_video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.jobs import connect, ended
from tests.support.s3_server import S3Server, put_presigned
from tests.support.uploads import expire_now
from tests.support.workers import worker_for_tests

PART = 8 << 20
FILE = bytes(range(256)) * (PART // 256) + b"the last part"
BLAKE3, SHA256 = blake3(FILE).hexdigest(), hashlib.sha256(FILE).hexdigest()


@dataclass
class World:
    """An editor of a project, whose files lie in a bucket that clients reach."""

    db: Database
    settings: Settings
    storage: Storage
    viewer: Viewer
    project: Project

    async def create(self, *, size: int = len(FILE), sha256: str | None = None) -> Upload:
        async with self.db.write() as session:
            return await service.create_upload(
                session,
                self.viewer,
                self.settings,
                project_id=self.project.id,
                filename="film.mp4",
                size_bytes=size,
                sha256=sha256,
                part_bytes=parts.part_bytes_for(self.storage, size),
            )

    async def urls(self, upload: Upload, *numbers: int) -> list[str]:
        given = (self.db, self.storage, self.viewer, self.settings, upload.id, numbers)
        _, signed = await parts.sign_parts(*given)
        return [part.url for part in signed]

    async def complete(self, upload: Upload) -> Job:
        _, job = await parts.complete_parts(self.db, self.storage, self.viewer, upload.id)
        return job

    async def row(self, upload: Upload) -> Upload:
        async with self.db.read() as session:
            return await session.get_one(Upload, upload.id)

    async def check(self, database_url: str, job: Job) -> list[str]:
        async with worker_for_tests(self.settings, {JobKind.UPLOAD_CHECK: check_upload}), connect(database_url) as sql:
            return await ended(sql, job.id)


@pytest.fixture
async def world(db: Database, settings: Settings, s3: S3Server, tmp_path: Path) -> AsyncIterator[World]:
    bucket = s3.settings(tmp_path, uuid4().hex, {"CUEPOINT_S3_PUBLIC_ENDPOINT": s3.url})
    names = ("storage_url", "s3_endpoint", "s3_public_endpoint", "s3_access_key_id", "s3_secret_access_key")
    merged = settings.model_copy(update={name: getattr(bucket, name) for name in names})
    viewer = await make_viewer(db)
    storage = build_storage(merged)
    yield World(db, merged, storage, viewer, await make_project(db, owner_id=viewer.user_id))
    await storage.close()


async def put(url: str, data: bytes) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.put(url, content=data)


class TestParts:
    async def test_parts_in_any_order_become_a_video(self, world: World, database_url: str) -> None:
        upload = await world.create(sha256=SHA256)
        first, second = await world.urls(upload, 1, 2)

        answers = await asyncio.gather(put(second, FILE[PART:]), put(first, b"wrong at first"))
        again = await put(first, FILE[:PART])
        states = await world.check(database_url, await world.complete(upload))
        whole = await world.row(upload)
        made = await register_video(
            world.db, world.storage, world.viewer, upload_id=upload.id, title=None, auto_start=False
        )

        assert [answer.status_code for answer in (*answers, again)] == [200, 200, 200]
        assert (upload.part_bytes, upload.protocol.value, states) == (PART, "S3_MULTIPART", ["SUCCEEDED"])
        assert (whole.status, whole.content_hash, whole.offset_bytes) == (UploadStatus.COMPLETE, BLAKE3, len(FILE))
        assert made.video is not None
        stored = [piece async for piece in world.storage.read(made.video.storage_key, 0, len(FILE))]
        assert b"".join(stored) == FILE

    async def test_the_usual_client_sends_the_parts_and_finds_them(
        self, world: World, s3: S3Server, database_url: str
    ) -> None:
        upload = await world.create()
        first, second = await world.urls(upload, 1, 2)

        sent = [(first, FILE[:PART]), (second, FILE[PART:])]
        answers = await asyncio.gather(*(asyncio.to_thread(put_presigned, *one) for one in sent))
        with closing(s3.client()) as client:
            [open_upload] = [
                found
                for found in client.list_multipart_uploads(Bucket=s3.bucket)["Uploads"]
                if upload.id.hex in found["Key"]
            ]
            listed = client.list_parts(Bucket=s3.bucket, Key=open_upload["Key"], UploadId=open_upload["UploadId"])[
                "Parts"
            ]

        assert (answers, await world.check(database_url, await world.complete(upload))) == ([200, 200], ["SUCCEEDED"])
        assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, PART), (2, len(FILE) - PART)]
        whole = await world.row(upload)
        assert (whole.content_hash, whole.declared_sha256) == (
            BLAKE3,
            SHA256,
        )  # found by the job, as nobody declared it

    async def test_what_is_missing_is_named(self, world: World) -> None:
        upload = await world.create()

        with pytest.raises(CuepointError) as nothing:
            await world.complete(upload)
        [second] = await world.urls(upload, 2)
        await put(second, b"too short")
        with pytest.raises(CuepointError) as wrong:
            await world.complete(upload)

        assert {nothing.value.code, wrong.value.code} == {ErrorCode.UPLOAD_INCOMPLETE}
        assert "1, 2" in wrong.value.message
        assert (await world.row(upload)).status is UploadStatus.WAITING

    async def test_a_wrong_hash_drops_the_upload(self, world: World, database_url: str) -> None:
        upload = await world.create(size=5, sha256="0" * 64)
        [only] = await world.urls(upload, 1)
        await put(only, b"12345")

        states = await world.check(database_url, await world.complete(upload))

        assert states == ["FAILED"]
        assert (await world.row(upload)).status is UploadStatus.ABORTED

    async def test_the_same_file_goes_on_where_it_was(self, world: World) -> None:
        first = await world.create(sha256=SHA256)
        second = await world.create(sha256=SHA256)

        assert first.id == second.id
        assert (await world.urls(first, 1))[0].partition("?")[0] == (await world.urls(second, 1))[0].partition("?")[0]

    @pytest.mark.parametrize("numbers", [(), (0,), (3,), tuple(range(1, 102))])
    async def test_other_numbers_are_refused(self, world: World, numbers: tuple[int, ...]) -> None:
        upload = await world.create()

        with pytest.raises(CuepointError) as refused:
            await world.urls(upload, *numbers)

        assert refused.value.field == ("numbers",)

    async def test_only_editors_sign_and_complete(self, world: World) -> None:
        upload = await world.create()
        stranger, reader = await make_viewer(world.db), await make_viewer(world.db)
        await make_member(world.db, world.project, reader.user_id, ProjectRole.VIEWER)

        for viewer, code in ((stranger, ErrorCode.NOT_FOUND), (reader, ErrorCode.FORBIDDEN)):
            with pytest.raises(CuepointError) as signing:
                await parts.sign_parts(world.db, world.storage, viewer, world.settings, upload.id, [1])
            with pytest.raises(CuepointError) as completing:
                await parts.complete_parts(world.db, world.storage, viewer, upload.id)
            assert (signing.value.code, completing.value.code) == (code, code)

    async def test_bytes_over_tus_are_refused(self, world: World) -> None:
        upload = await world.create()

        async def stream() -> AsyncIterator[bytes]:
            yield b"bytes"

        with pytest.raises(CuepointError) as refused:
            await service.receive(world.db, world.storage, world.viewer, upload.id, 0, stream())

        assert refused.value.code is ErrorCode.BAD_USER_INPUT
        assert (await world.row(upload)).offset_bytes == 0

    async def test_an_abort_leaves_nothing_in_the_store(self, world: World, s3: S3Server) -> None:
        upload = await world.create()
        [first] = await world.urls(upload, 1)
        await put(first, FILE[:PART])
        prefix = (world.settings.storage_url or "").rpartition("/")[2]

        await service.abort_upload(world.db, world.storage, world.viewer, upload.id)

        assert (await world.row(upload)).status is UploadStatus.ABORTED
        assert (s3.open_multiparts(prefix), s3.names(prefix)) == (0, [])

    async def test_parts_of_one_that_expires_are_swept(self, world: World, s3: S3Server) -> None:
        upload = await world.create()
        [first] = await world.urls(upload, 1)
        await put(first, FILE[:PART])
        prefix = (world.settings.storage_url or "").rpartition("/")[2]
        begun = s3.open_multiparts(prefix)
        await expire_now(world.db, upload.id)

        swept = await service.expire(world.db, world.storage, upload.id)
        with pytest.raises(CuepointError) as over:
            await world.complete(upload)

        assert (begun, swept, over.value.code) == (1, True, ErrorCode.UPLOAD_EXPIRED)
        assert (await world.row(upload)).status is UploadStatus.EXPIRED
        assert (s3.open_multiparts(prefix), s3.names(prefix)) == (0, [])

    async def test_one_that_waits_for_its_check_does_not_expire(self, world: World) -> None:
        upload = await world.create(size=5)
        [only] = await world.urls(upload, 1)
        await put(only, b"12345")
        async with world.db.write() as session:
            await session.execute(update(Upload).values(expires_at=datetime.now(UTC) + timedelta(minutes=1)))

        await world.complete(upload)

        kept = (await world.row(upload)).expires_at - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < kept <= timedelta(days=7)


class TestLocalStorage:
    def test_takes_no_parts(self, tmp_path: Path) -> None:
        with pytest.raises(CuepointError) as refused:
            parts.part_bytes_for(LocalStorage(tmp_path, min_free_bytes=0), 10)

        assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, ("protocol",))

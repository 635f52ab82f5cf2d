"""The audit finds what is wrong in both directions, repairs only when asked, and leaves alone what is under way."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from blake3 import blake3
from sqlalchemy import select, text

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.files.models import FileRemoval
from cuepoint.features.files.removal import remove_files
from cuepoint.features.files.service import announce_file, enqueue_removal
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.storage.audit import Audit, Found
from cuepoint.features.storage.models import FindingKind, StorageFinding
from cuepoint.features.storage.tasks import audit as audit_task
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_rendition, make_upload, make_video
from tests.support.s3_server import S3Server
from tests.support.storage import LIMIT, put, stream

FILM = b"x" * 1000
BLAKE3, SHA256 = blake3(FILM).hexdigest(), sha256(FILM).hexdigest()


@pytest.fixture
async def project(db: Database) -> Project:
    return await make_project(db)


async def found(
    db: Database, storage: Storage, *, repair: bool = False, hashes: bool = False, grace: timedelta = -timedelta(days=1)
) -> list[tuple[FindingKind, str, bool]]:
    """What an audit finds. Without a grace period: the clocks of stores count in seconds."""
    run = Audit(db, storage, datetime.now(UTC) - grace, is_repairing=repair, reads_hashes=hashes)
    findings: list[Found] = []
    async for batch in run.findings():
        findings += batch
    return [(one.kind, one.key, one.is_repaired) for one in findings]


async def whole_video(db: Database, storage: Storage, project: Project, tmp_path: Path) -> Video:
    video = await make_video(db, project, content_hash=BLAKE3)
    await put(storage, video.storage_key, FILM, tmp_path)
    return video


class TestFilesWithoutRows:
    async def test_are_found_and_stay(self, db: Database, storage: Storage, project: Project, tmp_path: Path) -> None:
        await whole_video(db, storage, project, tmp_path)
        stray = f"projects/{project.id.hex}/exports/a/b"
        await put(storage, stray, b"stray", tmp_path)

        assert await found(db, storage) == [(FindingKind.FILE_WITHOUT_ROW, stray, False)]

        assert await storage.head(stray) is not None

    async def test_are_removed_when_asked(
        self, db: Database, storage: Storage, project: Project, tmp_path: Path
    ) -> None:
        video = await whole_video(db, storage, project, tmp_path)
        await put(storage, "odd/stray", b"stray", tmp_path)

        findings = await found(db, storage, repair=True)
        await remove_files(db, storage)

        assert findings == [(FindingKind.FILE_WITHOUT_ROW, "odd/stray", True)]
        assert await storage.head("odd/stray") is None
        assert await storage.head(video.storage_key) is not None
        assert await found(db, storage) == []

    async def test_are_spared_when_they_are_young_promised_or_going(
        self, db: Database, storage: Storage, tmp_path: Path
    ) -> None:
        for key in ("a/promised", "a/going", "b/below/prefix"):
            await put(storage, key, b"data", tmp_path)
        async with db.write() as session:
            await announce_file(session, "a/promised", datetime.now(UTC) + timedelta(hours=1), project_id=None)
            await enqueue_removal(session, ["a/going", "b/below/"])

        assert await found(db, storage, repair=True) == []
        await put(storage, "c/young", b"data", tmp_path)
        assert await found(db, storage, repair=True, grace=timedelta(hours=1)) == []

    async def test_one_that_gets_its_row_meanwhile_is_not_removed(
        self, db: Database, project: Project, tmp_path: Path
    ) -> None:
        class Late(LocalStorage):
            """The row comes between the listing and the look at the rows."""

            async def list_files(self) -> Any:
                async for page in super().list_files():
                    await make_video(db, project, content_hash=BLAKE3)
                    async with db.write() as session:
                        await session.execute(text("update videos set storage_key = 'a/late'"))
                    yield page

        storage = Late(tmp_path / "late", min_free_bytes=0)
        await put(storage, "a/late", FILM, tmp_path)

        assert await found(db, storage, repair=True) == []


class TestRowsWithoutFiles:
    async def test_are_found_and_only_derived_ones_are_repaired(
        self, db: Database, storage: Storage, project: Project
    ) -> None:
        video = await make_video(db, project)
        poster = await make_rendition(db, video, RenditionKind.POSTER)

        told = await found(db, storage)
        repaired = await found(db, storage, repair=True)

        assert sorted(told, key=str) == sorted(
            [
                (FindingKind.ROW_WITHOUT_FILE, video.storage_key, False),
                (FindingKind.ROW_WITHOUT_FILE, poster.storage_key, False),
            ],
            key=str,
        )
        assert (FindingKind.ROW_WITHOUT_FILE, poster.storage_key, True) in repaired
        async with db.read() as session:
            assert list(await session.scalars(select(Rendition.id))) == []
            assert list(await session.scalars(select(Video.id))) == [video.id]

    async def test_one_that_is_deleted_meanwhile_is_none(self, db: Database, project: Project, tmp_path: Path) -> None:
        class Late(LocalStorage):
            async def head(self, key: str) -> Any:
                async with db.write() as session:
                    await session.execute(text("delete from videos"))
                return None

        await make_video(db, project)

        assert await found(db, Late(tmp_path / "late", min_free_bytes=0)) == []


class TestChangedFiles:
    async def test_of_another_size_are_found(
        self, db: Database, storage: Storage, project: Project, tmp_path: Path
    ) -> None:
        video = await make_video(db, project)
        await put(storage, video.storage_key, b"short", tmp_path)

        assert await found(db, storage) == [(FindingKind.SIZE_MISMATCH, video.storage_key, False)]

    async def test_of_other_bytes_are_found_where_that_is_asked_for(
        self, db: Database, storage: Storage, project: Project, tmp_path: Path
    ) -> None:
        video = await whole_video(db, storage, project, tmp_path)
        digest, earlier = blake3(b"0123456789").hexdigest()[:12], sha256(b"0123456789").hexdigest()[:12]
        named = (("good", digest), ("bad", digest), ("earlier", earlier))
        good, bad, old = [f"projects/{project.id.hex}/thumbnails/a/{name}-{digits}.jpg" for name, digits in named]
        await make_rendition(db, video, RenditionKind.POSTER, storage_key=good)
        await make_rendition(db, video, RenditionKind.STORYBOARD, storage_key=old)
        await make_rendition(db, video, RenditionKind.ASR_AUDIO, storage_key=bad)
        await put(storage, good, b"0123456789", tmp_path)
        await put(storage, old, b"0123456789", tmp_path)
        await put(storage, bad, b"9876543210", tmp_path)

        assert await found(db, storage) == []
        assert await found(db, storage, hashes=True) == [(FindingKind.HASH_MISMATCH, bad, False)]
        await put(storage, video.storage_key, b"y" * 1000, tmp_path)
        assert (FindingKind.HASH_MISMATCH, video.storage_key, False) in await found(db, storage, hashes=True)

    @pytest.mark.parametrize(
        ("content_hash", "known", "is_right"),
        [
            (BLAKE3, None, True),
            (BLAKE3, SHA256, True),
            (SHA256, SHA256, True),
            (SHA256, None, True),
            ("0" * 64, SHA256, False),
            (BLAKE3, "0" * 64, False),
        ],
        ids=["undeclared", "declared", "migrated", "by-an-old-process", "other-bytes", "other-sha256"],
    )
    async def test_each_hash_of_the_row_is_of_the_bytes(
        self,
        db: Database,
        storage: Storage,
        project: Project,
        tmp_path: Path,
        content_hash: str,
        known: str | None,
        is_right: bool,
    ) -> None:
        video = await make_video(db, project, content_hash=content_hash, sha256=known)
        await put(storage, video.storage_key, FILM, tmp_path)

        findings = await found(db, storage, hashes=True)

        assert findings == ([] if is_right else [(FindingKind.HASH_MISMATCH, video.storage_key, False)])


class TestOpenUploads:
    async def test_that_are_under_way_are_never_touched(self, db: Database, storage: Storage, project: Project) -> None:
        upload = await make_upload(db, project, status=UploadStatus.RECEIVING, size_bytes=10, offset_bytes=4)
        await storage.append(upload.storage_key, 0, stream(b"data"), limit=LIMIT)

        assert await found(db, storage, repair=True) == []
        assert await storage.append(upload.storage_key, 4, stream(b"more"), limit=LIMIT) == 8

    async def test_that_nobody_knows_are_found_and_removed_when_asked(
        self, db: Database, storage: Storage, project: Project
    ) -> None:
        over = await make_upload(db, project, status=UploadStatus.ABORTED)
        for key in (over.storage_key, "uploads/0123"):
            await storage.append(key, 0, stream(b"data"), limit=LIMIT)

        told = await found(db, storage)
        await found(db, storage, repair=True)
        await remove_files(db, storage)

        assert sorted(key for _, key, _ in told) == sorted([over.storage_key, "uploads/0123"])
        assert {(kind, is_repaired) for kind, _, is_repaired in told} == {(FindingKind.ABANDONED_UPLOAD, False)}
        assert await found(db, storage) == []


class TestUnfinishedWrites:
    async def test_on_the_disk_are_spared_while_they_are_young(self, db: Database, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "disk", min_free_bytes=0)
        await put(storage, "a/whole", b"data", tmp_path)
        half = storage._objects / "a" / "half#1"
        half.write_bytes(b"half")
        old = (datetime.now(UTC) - timedelta(hours=2)).timestamp()

        young = await found(db, storage, repair=True, grace=timedelta(hours=1))
        os.utime(half, (old, old))
        repaired = await found(db, storage, repair=True, grace=timedelta(hours=1))

        assert young == []
        assert repaired == [(FindingKind.ABANDONED_UPLOAD, "a/half", True)]
        assert not half.exists()

    async def test_in_a_bucket_are_aborted_when_asked(
        self, db: Database, s3: S3Server, prefix: str, tmp_path: Path
    ) -> None:
        from cuepoint.adapters.storage.choose import build_storage  # noqa: PLC0415  # the fixture would run twice

        storage = build_storage(s3.settings(tmp_path, prefix))
        with contextlib.closing(s3.client()) as client:
            client.create_multipart_upload(Bucket=s3.bucket, Key=f"{prefix}/objects/a/b")

        told = await found(db, storage)
        between = s3.open_multiparts(prefix)
        repaired = await found(db, storage, repair=True)
        await storage.close()

        assert told == [(FindingKind.ABANDONED_UPLOAD, "a/b", False)]
        assert between == 1
        assert repaired == [(FindingKind.ABANDONED_UPLOAD, "a/b", True)]
        assert s3.open_multiparts(prefix) == 0


class TestTask:
    async def test_records_what_it_finds_and_a_second_run_replaces_it(
        self, db: Database, settings: Settings, project: Project, tmp_path: Path
    ) -> None:
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        stray = f"projects/{project.id.hex}/exports/a/b"
        await put(storage, stray, b"stray", tmp_path)
        grace = cast(Settings, settings.model_copy(update={"audit_grace_hours": 0}))
        context, control = await begin_attempt(db, grace, JobKind.STORAGE_AUDIT, args={"repair": False})

        first = await audit_task(context)
        second = await audit_task(context)

        async with db.read() as session:
            [finding] = await session.scalars(select(StorageFinding))
        assert (
            first
            == second
            == {
                "files": 1,
                "rows": 0,
                "findings": {"FILE_WITHOUT_ROW": 1},
                "repaired": 0,
            }
        )
        assert (finding.job_id, finding.key, finding.project_id) == (context.job_id, stray, project.id)
        assert (finding.size_bytes, finding.is_repaired) == (5, False)
        assert control.reports[-1][1] == "1 files and 0 rows compared, 1 findings"

    async def test_repairs_at_once(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        await put(storage, "a/stray", b"stray", tmp_path)
        grace = cast(Settings, settings.model_copy(update={"audit_grace_hours": 0}))
        context, _ = await begin_attempt(db, grace, JobKind.STORAGE_AUDIT, args={"repair": True})

        result = await audit_task(context)

        assert result["repaired"] == 1
        assert await storage.head("a/stray") is None
        async with db.read() as session:
            assert list(await session.scalars(select(FileRemoval.key))) == []
            assert list(await session.scalars(select(StorageFinding.is_repaired))) == [True]

    async def test_leaves_alone_what_is_younger_than_the_setting(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        await put(storage, "a/stray", b"stray", tmp_path)
        context, _ = await begin_attempt(db, settings, JobKind.STORAGE_AUDIT, args={"repair": True})

        result = await audit_task(context)

        assert (result["files"], result["findings"]) == (1, {})


def test_a_finding_knows_its_project() -> None:
    kind = FindingKind.FILE_WITHOUT_ROW

    assert Found(kind, "", f"projects/{UUID(int=5).hex}/uploads/a").project_id == UUID(int=5)
    assert [Found(kind, "", key).project_id for key in ("projects/x/y", "a", "projects")] == [None, None, None]

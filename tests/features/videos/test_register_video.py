"""An upload becomes a video once, with its pipeline, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import Job, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos import service
from cuepoint.features.videos.details import NO_DETAILS
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload, make_video
from tests.support.rows import count
from tests.support.uploads import BLAKE3, DATA, SHA256, reload


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", min_free_bytes=0)


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def whole_upload(
    db: Database, storage: LocalStorage, viewer: Viewer, project: Project, **values: object
) -> Upload:
    upload = await make_upload(db, project, **values)
    return await uploads.receive(db, storage, viewer, upload.id, 0, stream(DATA))


async def register(
    db: Database,
    storage: LocalStorage,
    viewer: Viewer,
    upload: Upload,
    title: str | None = None,
    auto_start: bool = True,
    on_duplicate: OnDuplicate = OnDuplicate.KEEP,
) -> tuple[Video, list[Job]]:
    made = await service.register_video(
        db,
        storage,
        viewer,
        upload_id=upload.id,
        title=title,
        auto_start=auto_start,
        on_duplicate=on_duplicate,
    )
    assert made.video is not None
    return made.video, made.jobs


async def content(storage: LocalStorage, key: str) -> bytes:
    return b"".join([piece async for piece in storage.read(key, 0, 1 << 20)])


class TestRegisterVideo:
    async def test_moves_the_bytes_and_starts_the_whole_pipeline(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        named = {"filename": "Match day #1.MP4", "declared_sha256": SHA256}
        upload = await whole_upload(db, storage, viewer, project, **named)

        video, jobs = await register(db, storage, viewer, upload)

        assert (video.title, video.filename) == ("Match day #1.MP4", "Match day #1.MP4")
        assert (video.size_bytes, video.content_hash, video.sha256) == (10, BLAKE3, SHA256)
        assert await content(storage, video.storage_key) == DATA
        assert video.storage_key.startswith(f"projects/{project.id.hex}/uploads/{video.id.hex}/")
        assert [job.kind for job in jobs] == list(PIPELINE)
        assert [job.status for job in jobs] == [JobStatus.QUEUED] + [JobStatus.BLOCKED] * (len(PIPELINE) - 1)
        assert {job.video_id for job in jobs} == {video.id}

    async def test_starts_nothing_if_told_so(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)

        _, jobs = await register(db, storage, viewer, upload, auto_start=False)

        assert jobs == []
        assert await count(db, Job) == 0

    async def test_a_second_time_answers_the_same_video(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)
        first, _ = await register(db, storage, viewer, upload)

        second, jobs = await register(db, storage, viewer, upload, title="Another title")

        assert (second.id, second.title, jobs) == (first.id, first.title, [])
        assert await count(db, Job) == len(PIPELINE)

    async def test_five_at_once_make_one_video_and_one_pipeline(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)

        made = await asyncio.gather(*[register(db, storage, viewer, upload) for _ in range(5)])

        assert len({video.id for video, _ in made}) == 1
        assert sorted(len(jobs) for _, jobs in made) == [0, 0, 0, 0, len(PIPELINE)]
        assert (await count(db, Video), await count(db, Job)) == (1, len(PIPELINE))
        assert await content(storage, made[0][0].storage_key) == DATA

    async def test_goes_on_where_a_crash_left_it_after_the_move(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)
        never_committed = service._new_video(upload, viewer, NO_DETAILS)
        await storage.finish_upload(upload.storage_key, never_committed.storage_key)

        video, _ = await register(db, storage, viewer, upload)

        assert video.storage_key == never_committed.storage_key
        assert await content(storage, video.storage_key) == DATA

    async def test_an_incomplete_upload_is_refused(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        await uploads.receive(db, storage, viewer, upload.id, 0, stream(b"0123"))

        with pytest.raises(CuepointError, match="4 of 10 bytes") as refused:
            await register(db, storage, viewer, upload)

        assert (refused.value.code, refused.value.field) == (ErrorCode.UPLOAD_INCOMPLETE, ("uploadId",))
        assert await count(db, Video) == 0

    @pytest.mark.parametrize("end", ["aborted", "expired", "swept"])
    async def test_one_that_is_over_is_refused(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, end: str
    ) -> None:
        upload = await make_upload(db, project)
        if end == "aborted":
            await uploads.abort_upload(db, storage, viewer, upload.id)
        else:
            await uploads.receive(db, storage, viewer, upload.id, 0, stream(DATA))
            async with db.write() as session:
                await session.execute(update(Upload).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        if end == "swept":
            await uploads.expire(db, storage, upload.id)

        with pytest.raises(CuepointError) as refused:
            await register(db, storage, viewer, upload)

        assert refused.value.code is ErrorCode.UPLOAD_EXPIRED
        assert await count(db, Video) == 0

    async def test_one_that_expires_between_the_move_and_the_commit_becomes_no_video(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)
        async with db.write() as session:
            await session.execute(update(Upload).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await uploads.take_upload(session, viewer, upload.id)

        assert refused.value.code is ErrorCode.UPLOAD_EXPIRED

    async def test_a_registered_one_never_expires(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)
        video, _ = await register(db, storage, viewer, upload)
        async with db.write() as session:
            await session.execute(update(Upload).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

        ended = await uploads.expire(db, storage, upload.id)
        again, _ = await register(db, storage, viewer, upload)

        assert not ended
        assert again.id == video.id
        assert await content(storage, video.storage_key) == DATA

    async def test_an_upload_whose_video_was_deleted_is_used_up(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)
        video, _ = await register(db, storage, viewer, upload)
        async with db.write() as session:
            await service.delete_video(session, viewer, video.id)

        with pytest.raises(CuepointError) as refused:
            await register(db, storage, viewer, upload)

        assert refused.value.code is ErrorCode.UPLOAD_ALREADY_USED

    @pytest.mark.parametrize(
        ("filename", "title"),
        [
            ("../../etc/passwd", "passwd"),
            ("a\n\tb\r\nc.mp4", "a b c.mp4"),
            ('it\'s "quoted".mp4', 'it\'s "quoted".mp4'),
            ("/", "/"),
            (" ", "Untitled"),
            ("日本.mp4", "日本.mp4"),
        ],
    )
    async def test_any_name_is_safe(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, filename: str, title: str
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project, filename=filename)

        video, _ = await register(db, storage, viewer, upload)

        assert (video.title, video.filename) == (title, filename)
        assert await content(storage, video.storage_key) == DATA

    @pytest.mark.parametrize("title", ["", "  \n", "x" * 301, "a\x00b"])
    async def test_refuses_a_bad_title_and_leaves_the_bytes(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, title: str
    ) -> None:
        upload = await whole_upload(db, storage, viewer, project)

        with pytest.raises(BadInputError):
            await register(db, storage, viewer, upload, title=title)

        assert [piece async for piece in storage.read_upload(upload.storage_key)] == [DATA]

    async def test_a_viewer_and_a_stranger_may_not(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        upload = await whole_upload(db, storage, viewer, project)

        with pytest.raises(ForbiddenError):
            await register(db, storage, member, upload)
        with pytest.raises(NotFoundError):
            await register(db, storage, stranger, upload)

        assert (await count(db, Video), await count(db, Job)) == (0, 0)


class TestOnDuplicate:
    async def answer(
        self, db: Database, storage: LocalStorage, viewer: Viewer, upload: Upload, choice: OnDuplicate
    ) -> service.Registration:
        return await service.register_video(
            db, storage, viewer, upload_id=upload.id, title=None, auto_start=True, on_duplicate=choice
        )

    async def test_link_answers_the_video_that_there_is_and_drops_the_bytes(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, tmp_path: Path
    ) -> None:
        first, _ = await register(db, storage, viewer, await whole_upload(db, storage, viewer, project))
        upload = await whole_upload(db, storage, viewer, project)

        made = await self.answer(db, storage, viewer, upload, OnDuplicate.LINK)
        again = await self.answer(db, storage, viewer, upload, OnDuplicate.LINK)

        for found in (made, again):
            assert (found.video and found.video.id, found.jobs) == (first.id, [])
            assert (found.duplicate_of and found.duplicate_of.id) == first.id
        assert (await count(db, Video), await count(db, Job)) == (1, len(PIPELINE))
        assert list((tmp_path / "storage" / "uploads" / "uploads").iterdir()) == []
        with pytest.raises(CuepointError) as refused:
            await self.answer(db, storage, viewer, upload, OnDuplicate.KEEP)
        assert refused.value.code is ErrorCode.UPLOAD_EXPIRED

    async def test_link_after_a_crash_removes_what_was_moved_already(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        await register(db, storage, viewer, await whole_upload(db, storage, viewer, project))
        upload = await whole_upload(db, storage, viewer, project)
        moved_to = service._new_video(upload, viewer, NO_DETAILS).storage_key
        await storage.finish_upload(upload.storage_key, moved_to)

        await self.answer(db, storage, viewer, upload, OnDuplicate.LINK)

        assert await storage.head(moved_to) is None

    async def test_reject_answers_no_video_and_leaves_the_bytes(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        first, _ = await register(db, storage, viewer, await whole_upload(db, storage, viewer, project))
        upload = await whole_upload(db, storage, viewer, project)

        made = await self.answer(db, storage, viewer, upload, OnDuplicate.REJECT)
        kept = await self.answer(db, storage, viewer, upload, OnDuplicate.KEEP)

        assert (made.video, made.jobs, made.duplicate_of and made.duplicate_of.id) == (None, [], first.id)
        assert kept.video is not None
        assert (kept.video.id != first.id, kept.duplicate_of and kept.duplicate_of.id) == (True, first.id)
        assert await content(storage, kept.video.storage_key) == DATA

    @pytest.mark.parametrize("choice", list(OnDuplicate))
    async def test_without_another_video_it_is_made(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, choice: OnDuplicate
    ) -> None:
        elsewhere = await make_project(db, owner_id=viewer.user_id)
        await register(db, storage, viewer, await whole_upload(db, storage, viewer, elsewhere))
        gone, _ = await register(db, storage, viewer, await whole_upload(db, storage, viewer, project))
        async with db.write() as session:
            await service.delete_video(session, viewer, gone.id)
        upload = await whole_upload(db, storage, viewer, project)

        made = await self.answer(db, storage, viewer, upload, choice)
        again = await self.answer(db, storage, viewer, upload, choice)

        assert made.video is not None
        assert (made.duplicate_of, again.duplicate_of, again.video and again.video.id) == (None, None, made.video.id)

    @pytest.mark.parametrize("known", [SHA256, None], ids=["migrated", "by-an-old-process"])
    async def test_a_video_of_an_earlier_release_is_found_by_the_declared_hash(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, known: str | None
    ) -> None:
        earlier = await make_video(db, project, content_hash=SHA256, sha256=known)
        declared = await whole_upload(db, storage, viewer, project, declared_sha256=SHA256)
        undeclared = await whole_upload(db, storage, viewer, project)

        linked = await self.answer(db, storage, viewer, declared, OnDuplicate.LINK)
        made = await self.answer(db, storage, viewer, undeclared, OnDuplicate.LINK)

        assert (linked.video and linked.video.id) == earlier.id
        assert made.video is not None
        assert (made.video.content_hash, made.video.sha256, made.duplicate_of) == (BLAKE3, None, None)

    async def test_an_upload_that_is_not_whole_is_no_duplicate_of_a_video_that_waits_for_its_bytes(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        waiting = await make_video(db, project, info=None)
        async with db.write() as session:
            await session.execute(update(Video).where(Video.id == waiting.id).values(content_hash=None))
        upload = await make_upload(db, project, declared_sha256=SHA256)

        with pytest.raises(CuepointError) as refused:
            await self.answer(db, storage, viewer, upload, OnDuplicate.LINK)

        assert refused.value.code is ErrorCode.UPLOAD_INCOMPLETE
        assert (await reload(db, upload.id)).status is UploadStatus.WAITING

    async def test_of_five_at_once_one_becomes_a_video(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        sent = [await whole_upload(db, storage, viewer, project) for _ in range(5)]

        made = await asyncio.gather(*[self.answer(db, storage, viewer, upload, OnDuplicate.LINK) for upload in sent])

        assert len({found.video.id for found in made if found.video}) == 1
        assert (await count(db, Video), await count(db, Job)) == (1, len(PIPELINE))
        kept = next(found.video for found in made if found.video)
        assert await content(storage, kept.storage_key) == DATA
        assert await storage.delete_prefix(f"projects/{project.id.hex}/uploads") == 1

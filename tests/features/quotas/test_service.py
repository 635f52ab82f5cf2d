"""Quotas: counted from the rows themselves, and the last unit goes to one of many at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project
from cuepoint.features.quotas import service
from cuepoint.features.quotas.figures import Figure, month_of
from cuepoint.features.quotas.models import MediaUsage, Quota
from cuepoint.features.quotas.service import Limits, Scope, State
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import INFO, make_upload, make_video
from tests.support.rows import count

LENGTH_MS = INFO.duration_ms or 0


@pytest.fixture
async def admin(db: Database) -> Viewer:
    return await make_viewer(db, is_admin=True)


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


async def limit(db: Database, admin: Viewer, scope: Scope, **limits: int) -> State:
    async with db.write() as session:
        return await service.set_quota(session, admin, scope, Limits(**limits))


async def state(db: Database, viewer: Viewer, scope: Scope) -> State:
    async with db.read() as session:
        return await service.quota_state(session, viewer, scope)


async def transcribe(db: Database, viewer: Viewer, video: Video) -> list[Job]:
    async with db.write() as session:
        return (await videos.start_pipeline(session, viewer, video.id, [JobKind.TRANSCRIPTION]))[1]


async def upload(db: Database, viewer: Viewer, settings: Settings, project: Project, size: int | None) -> Upload:
    async with db.write() as session:
        return await uploads.create_upload(
            session, viewer, settings, project_id=project.id, filename="a.mp4", size_bytes=size
        )


async def refused(outcome: Any) -> str:
    with pytest.raises(CuepointError) as error:
        await outcome
    assert error.value.code is ErrorCode.QUOTA_EXCEEDED
    return error.value.message


class TestSetQuota:
    async def test_replaces_all_limits_of_a_scope_and_none_removes_it(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        for scope in (Scope(), Scope(project_id=project.id), Scope(user_id=viewer.user_id)):
            await limit(db, admin, scope, storage_bytes=5, concurrent_jobs=2)
            second = await limit(db, admin, scope, concurrent_jobs=3)
            assert (second.storage.limit, second.jobs.limit) == (None, 3)
        made = await count(db, Quota)
        for scope in (Scope(), Scope(project_id=project.id), Scope(user_id=viewer.user_id)):
            await limit(db, admin, scope)

        assert (made, await count(db, Quota)) == (3, 0)

    async def test_administrators_only_and_for_what_there_is(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        with pytest.raises(ForbiddenError):
            await limit(db, viewer, Scope(project_id=project.id), concurrent_jobs=1)
        for scope in (Scope(project_id=uuid7()), Scope(user_id=uuid7())):
            with pytest.raises(NotFoundError):
                await limit(db, admin, scope, concurrent_jobs=1)
        with pytest.raises(BadInputError):
            await limit(db, admin, Scope(project.id, viewer.user_id), concurrent_jobs=1)
        with pytest.raises(BadInputError):
            await limit(db, admin, Scope(), storage_bytes=-1)

        assert await count(db, Quota) == 0


class TestQuotaState:
    async def test_counts_from_the_rows(self, db: Database, admin: Viewer, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)  # 1000 bytes
        await make_upload(db, project, size_bytes=70, created_by_id=viewer.user_id)
        await make_upload(db, project, size_bytes=500, status=UploadStatus.EXPIRED)
        await make_job(db, JobKind.PROBE, video, status=JobStatus.RUNNING, created_by_id=viewer.user_id)
        await make_job(db, JobKind.TRANSCRIPTION, video, created_by_id=viewer.user_id)
        await make_job(db, JobKind.VIDEO_DELETION, video)
        await make_job(db, JobKind.TRANSCRIPTION, await make_video(db, await make_project(db)))
        async with db.write() as session:
            session.add(MediaUsage(job_id=uuid7(), project_id=project.id, user_id=viewer.user_id, media_ms=60_000))
            old = datetime(2020, 1, 1, tzinfo=UTC)
            session.add(MediaUsage(job_id=uuid7(), project_id=project.id, media_ms=90_000, at=old))
        await limit(db, admin, Scope(project_id=project.id), storage_bytes=5_000, concurrent_jobs=9)

        mine = await state(db, viewer, Scope(project_id=project.id))
        own = await state(db, viewer, Scope(user_id=viewer.user_id))
        whole = await state(db, admin, Scope())

        assert mine.storage == Figure(1_000, 70, 5_000)
        assert (mine.media.used, mine.media.reserved, mine.media.limit) == (60_000, LENGTH_MS, None)
        assert mine.jobs == Figure(1, 1, 9)
        assert (own.storage.used, own.storage.reserved, own.jobs.reserved) == (0, 70, 1)
        assert (whole.storage.used, whole.media.reserved, whole.jobs.reserved) == (2_000, 2 * LENGTH_MS, 2)

    async def test_shows_members_their_own(self, db: Database, viewer: Viewer, project: Project) -> None:
        stranger = await make_viewer(db)

        for scope in (Scope(project_id=project.id), Scope(user_id=viewer.user_id)):
            assert (await state(db, viewer, scope)).scope == scope
            with pytest.raises(NotFoundError):
                await state(db, stranger, scope)


class TestConcurrentJobs:
    async def test_what_fits_is_made_and_what_does_not_leaves_nothing(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), concurrent_jobs=1)
        first, second = await make_video(db, project), await make_video(db, project)

        await transcribe(db, viewer, first)
        message = await refused(transcribe(db, viewer, second))

        assert "quota of the project: 1 unfinished jobs" in message
        assert await count(db, Job) == 1

    async def test_a_pipeline_that_does_not_fit_whole_is_not_begun(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(user_id=viewer.user_id), concurrent_jobs=5)
        video = await make_video(db, project)

        async def begin() -> None:
            async with db.write() as session:
                await videos.start_pipeline(session, viewer, video.id, None)

        await refused(begin())

        assert await count(db, Job) == 0

    async def test_deletions_take_nobodys_place(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(), concurrent_jobs=0)
        video = await make_video(db, project)

        async with db.write() as session:
            await videos.delete_video(session, viewer, video.id)

        assert await count(db, Job) == 1

    async def test_of_ten_at_once_one_gets_the_last_place(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), concurrent_jobs=3)
        for _ in range(2):
            await transcribe(db, viewer, await make_video(db, project))
        rivals = [await make_video(db, project) for _ in range(10)]

        outcomes = await asyncio.gather(*[transcribe(db, viewer, video) for video in rivals], return_exceptions=True)

        codes = [one.code for one in outcomes if isinstance(one, CuepointError)]
        assert codes == [ErrorCode.QUOTA_EXCEEDED] * 9
        assert await count(db, Job) == 3


class TestStorage:
    async def test_open_uploads_are_reserved_and_given_back(
        self, db: Database, settings: Settings, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), storage_bytes=1_000)
        first = await upload(db, viewer, settings, project, 600)

        message = await refused(upload(db, viewer, settings, project, 401))
        async with db.write() as session:
            await session.execute(update(Upload).where(Upload.id == first.id).values(status=UploadStatus.ABORTED))
        await upload(db, viewer, settings, project, 1_000)

        assert "1000 bytes of storage, of which 0 are used and 1001 would be reserved" in message
        assert await count(db, Upload) == 2

    async def test_of_ten_at_once_one_gets_the_last_bytes(
        self, db: Database, settings: Settings, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(), storage_bytes=1_000)
        await make_video(db, project)
        async with db.write() as session:
            await session.execute(update(Quota).values(storage_bytes=1_600))

        outcomes = await asyncio.gather(
            *[upload(db, viewer, settings, project, 600) for _ in range(10)], return_exceptions=True
        )

        assert sum(isinstance(one, Upload) for one in outcomes) == 1
        assert await count(db, Upload) == 1

    async def test_a_size_that_is_told_later_is_checked_then(
        self, db: Database, settings: Settings, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), storage_bytes=1_000)
        unknown = await upload(db, viewer, settings, project, None)

        async with db.write() as session:
            await refused(uploads.set_size(session, viewer, settings, unknown.id, 1_001))

    async def test_a_full_store_takes_nothing_of_unknown_size(
        self, db: Database, settings: Settings, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await make_video(db, project)
        await limit(db, admin, Scope(project_id=project.id), storage_bytes=1_000)

        before = await count(db, Upload)
        await refused(upload(db, viewer, settings, project, None))

        assert await count(db, Upload) == before


class TestMedia:
    async def test_waiting_transcriptions_are_reserved(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), media_ms_per_month=2 * LENGTH_MS)
        for _ in range(2):
            await transcribe(db, viewer, await make_video(db, project))

        message = await refused(transcribe(db, viewer, await make_video(db, project)))
        async with db.write() as session:
            await session.execute(delete(Job))
        await transcribe(db, viewer, await make_video(db, project))

        assert "minutes of media this month" in message
        assert "begins anew at" in message

    async def test_what_was_transcribed_counts_once(self, db: Database, viewer: Viewer, project: Project) -> None:
        (job,) = await transcribe(db, viewer, await make_video(db, project))

        for _ in range(2):
            async with db.write() as session:
                await service.record_media(session, job.id, LENGTH_MS)

        async with db.read() as session:
            usage = (await session.scalars(select(MediaUsage))).one()
        assert (usage.media_ms, usage.project_id, usage.user_id) == (LENGTH_MS, project.id, viewer.user_id)

    async def test_a_length_that_was_unknown_is_checked_at_the_start_and_the_earlier_job_goes(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), media_ms_per_month=LENGTH_MS)
        jobs = [
            (await transcribe(db, viewer, await make_video(db, project, info=None)))[0] for _ in range(2)
        ]  # nobody knows how long they are
        async with db.write() as session:
            await session.execute(update(Video).values(duration_ms=LENGTH_MS))

        async def start(job_id: UUID) -> None:
            async with db.write() as session:
                await service.check_media(session, job_id)

        await start(jobs[0].id)
        await refused(start(jobs[1].id))

    async def test_a_month_that_is_spent_takes_nothing_of_unknown_length(
        self, db: Database, admin: Viewer, viewer: Viewer, project: Project
    ) -> None:
        await limit(db, admin, Scope(project_id=project.id), media_ms_per_month=LENGTH_MS)
        async with db.write() as session:
            session.add(MediaUsage(job_id=uuid7(), project_id=project.id, media_ms=LENGTH_MS))

        await refused(transcribe(db, viewer, await make_video(db, project, info=None)))

        assert await count(db, Job) == 0

    @pytest.mark.parametrize(
        ("now", "start", "end"),
        [
            ("2026-02-28T23:59:59+00:00", "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"),
            ("2026-12-31T20:00:00-05:00", "2027-01-01T00:00:00+00:00", "2027-02-01T00:00:00+00:00"),
        ],
        ids=["february", "another-zone"],
    )
    def test_months_are_those_of_utc(self, now: str, start: str, end: str) -> None:
        found = month_of(datetime.fromisoformat(now))

        assert [time.isoformat() for time in found] == [start, end]

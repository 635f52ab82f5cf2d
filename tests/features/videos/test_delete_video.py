"""Starting and deleting: jobs of a video begin and end with it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select

from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import ForbiddenError, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos import service
from cuepoint.features.videos.models import RenditionKind, Video
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import INFO, make_rendition, make_video
from tests.support.rows import count
from tests.support.waiting import blocked_or_done


async def statuses(db: Database) -> dict[JobKind, JobStatus]:
    async with db.read() as session:
        return {row.kind: row.status for row in await session.execute(select(Job.kind, Job.status))}


class TestStartPipeline:
    async def test_joins_what_is_under_way(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        async with db.write() as session:
            _, first = await service.start_pipeline(session, viewer, video.id, [JobKind.PROBE])

        async with db.write() as session:
            _, second = await service.start_pipeline(session, viewer, video.id, None)

        assert second[0].id == first[0].id
        assert await count(db, Job) == len(PIPELINE)

    async def test_two_at_once_make_one_pipeline(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)

        async def start() -> list[UUID]:
            async with db.write() as session:
                return [job.id for job in (await service.start_pipeline(session, viewer, video.id, None))[1]]

        first, second = await asyncio.gather(start(), start())

        assert first == second
        assert await count(db, Job) == len(PIPELINE)

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, project: Project) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        video = await make_video(db, project)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.start_pipeline(session, member, video.id, None)
            with pytest.raises(NotFoundError):
                await service.start_pipeline(session, stranger, video.id, None)

        assert await count(db, Job) == 0

    async def test_a_video_that_is_being_deleted_starts_nothing(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)

        async def start() -> None:
            async with db.write() as session:
                await service.start_pipeline(session, viewer, video.id, None)

        async with db.write() as session:
            await service.delete_video(session, viewer, video.id)
            starting = asyncio.create_task(start())
            await blocked_or_done(db, starting)

        with pytest.raises(NotFoundError):
            await starting
        assert list(await statuses(db)) == [JobKind.VIDEO_DELETION]


class TestDeleteVideo:
    async def test_hides_it_at_once_and_cancels_its_jobs(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        poster = await make_rendition(db, video, RenditionKind.POSTER, content_type="image/jpeg")
        waiting = await make_job(db, JobKind.EMBEDDING, video)

        async with db.write() as session:
            _, job = await service.delete_video(session, viewer, video.id)

        async with db.read() as session:
            with pytest.raises(NotFoundError):
                await service.get_video(session, viewer, video.id)
            listed = await service.list_videos(session, viewer, PageRequest(5))
            total = await service.count_videos(session, viewer)
            files = [await service.media_file(session, video.id), await service.rendition_file(session, poster.id)]
            row = await service.video_row(session, video.id)
        assert (list(listed.rows), total, files, row) == ([], 0, [None, None], None)
        assert job.status is JobStatus.QUEUED
        assert await statuses(db) == {
            waiting.kind: JobStatus.CANCELLED,
            JobKind.VIDEO_DELETION: JobStatus.QUEUED,
        }

    async def test_waits_for_jobs_that_run(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        running = await make_job(db, JobKind.TRANSCRIPTION, video, status=JobStatus.RUNNING)

        async with db.write() as session:
            _, job = await service.delete_video(session, viewer, video.id)

        assert (job.status, job.dependencies_left) == (JobStatus.BLOCKED, 1)
        async with db.read() as session:
            asked = await session.scalar(select(Job.cancel_requested_at).where(Job.id == running.id))
        assert asked is not None

    async def test_a_second_time_there_is_nothing_to_delete(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)
        async with db.write() as session:
            await service.delete_video(session, viewer, video.id)

        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await service.delete_video(session, viewer, video.id)

        assert await count(db, Job) == 1

    async def test_of_two_at_once_one_deletes(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)

        async def delete() -> None:
            async with db.write() as session:
                await service.delete_video(session, viewer, video.id)

        results = await asyncio.gather(delete(), delete(), return_exceptions=True)

        assert sorted(type(result).__name__ for result in results) == ["NoneType", "NotFoundError"]
        assert await count(db, Job) == 1

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, viewer: Viewer, project: Project) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        video = await make_video(db, project)

        with pytest.raises(ForbiddenError):
            async with db.write() as session:
                await service.delete_video(session, member, video.id)
        with pytest.raises(NotFoundError):
            async with db.write() as session:
                await service.delete_video(session, stranger, video.id)

        async with db.read() as session:
            assert (await service.get_video(session, viewer, video.id)).deleted_at is None
        assert await count(db, Job) == 0


class TestDeadlock:
    async def test_a_job_that_ends_at_this_moment_does_not_stop_the_deletion(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project, info=None)
        running = await make_job(db, JobKind.PROBE, video, status=JobStatus.RUNNING)

        async def delete() -> None:
            await jobs.in_transaction(db, lambda session: service.delete_video(session, viewer, video.id))

        async def finish() -> None:
            async with db.write() as session:
                await session.execute(select(Job.id).where(Job.id == running.id).with_for_update())
                deleting.append(asyncio.create_task(delete()))
                await blocked_or_done(db, deleting[0])  # it has the video and wants the job
                await service.record_media_info(session, video.id, INFO, "video/mp4", None)

        deleting: list[asyncio.Task[None]] = []
        await asyncio.gather(finish(), return_exceptions=True)  # Postgres stops one of the two, whichever it likes
        await deleting[0]

        async with db.read() as session:
            assert await session.scalar(select(Video.deleted_at)) is not None
            kinds = set(await session.scalars(select(Job.kind)))
        assert kinds == {JobKind.PROBE, JobKind.VIDEO_DELETION}

"""The trash: what is deleted is invisible, can be restored for a while, and goes by itself afterwards."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.trash import service
from cuepoint.features.videos import deletion
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import RenditionKind, Video
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_video


async def trash(db: Database, viewer: Viewer, *trashed: Video, days: int = 7) -> None:
    for video in trashed:
        async with db.write() as session:
            await deletion.delete_video(session, viewer, video.id, trash_days=days)


async def restore(db: Database, viewer: Viewer, video: Video) -> Video:
    async with db.write() as session:
        return await deletion.restore_video(session, viewer, video.id)


async def expire(db: Database) -> None:
    async with db.write() as session:
        await session.execute(update(Video).values(purge_at=datetime.now(UTC) - timedelta(seconds=1)))


async def row_of(db: Database, video: Video) -> Video:
    async with db.read() as session:
        return await session.get_one(Video, video.id)


class TestDeleteVideo:
    async def test_into_the_trash_cancels_jobs_and_makes_none(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)
        waiting = await make_job(db, JobKind.EMBEDDING, video)

        async with db.write() as session:
            deleted, job = await deletion.delete_video(session, viewer, video.id, trash_days=30)

        assert job is None
        assert deleted.deleted_at is not None
        assert deleted.purge_at == deleted.deleted_at + timedelta(days=30)
        async with db.read() as session:
            found = {row.id: row.status for row in await session.scalars(select(Job))}
        assert found == {waiting.id: JobStatus.CANCELLED}

    async def test_takes_no_video_out_of_the_trash_a_second_time(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)
        await trash(db, viewer, video)
        before = (await row_of(db, video)).purge_at

        with pytest.raises(NotFoundError):
            await trash(db, viewer, video, days=0)

        assert (await row_of(db, video)).purge_at == before


class TestDeleteVideos:
    async def delete(
        self, db: Database, viewer: Viewer, given: list[Video | None], *, is_all_or_nothing: bool
    ) -> list[deletion.Deletion]:
        ids = [None if video is None else video.id for video in given]
        return await deletion.delete_videos(db, viewer, ids, trash_days=0, is_all_or_nothing=is_all_or_nothing)

    async def test_deletes_all(self, db: Database, viewer: Viewer, project: Project) -> None:
        given = [await make_video(db, project) for _ in range(3)]

        done = await self.delete(db, viewer, given, is_all_or_nothing=True)

        assert [one.video and one.video.id for one in done] == [video.id for video in given]
        assert [one.job and one.job.kind for one in done] == [JobKind.VIDEO_DELETION] * 3

    async def test_refuses_all_for_one(self, db: Database, viewer: Viewer, project: Project) -> None:
        stranger = await make_video(db, await make_project(db))
        mine = await make_video(db, project)

        with pytest.raises(NotFoundError) as refused:
            await self.delete(db, viewer, [mine, stranger], is_all_or_nothing=True)

        assert refused.value.field == ("ids", "1")
        assert (await row_of(db, mine)).deleted_at is None
        async with db.read() as session:
            assert list(await session.scalars(select(Job.id))) == []

    async def test_or_does_as_many_as_it_can(self, db: Database, viewer: Viewer, project: Project) -> None:
        stranger = await make_video(db, await make_project(db))
        mine, other = await make_video(db, project), await make_video(db, project)

        done = await self.delete(db, viewer, [mine, stranger, None, mine, other], is_all_or_nothing=False)

        codes = [one.error and one.error.code for one in done]
        assert codes == [None, ErrorCode.NOT_FOUND, ErrorCode.NOT_FOUND, ErrorCode.NOT_FOUND, None]
        assert (await row_of(db, stranger)).deleted_at is None
        assert (await row_of(db, other)).deleted_at is not None

    @pytest.mark.parametrize("count", [0, 101])
    async def test_takes_1_to_100(self, db: Database, viewer: Viewer, count: int) -> None:
        with pytest.raises(BadInputError):
            await self.delete(db, viewer, [None] * count, is_all_or_nothing=False)


class TestRestoreVideo:
    async def test_brings_everything_back(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        poster = await make_rendition(db, video, RenditionKind.POSTER)
        await trash(db, viewer, video)

        restored = await restore(db, viewer, video)

        assert (restored.id, restored.deleted_at, restored.purge_at) == (video.id, None, None)
        async with db.read() as session:
            assert await videos.media_file(session, video.id) is not None
            assert await videos.rendition_file(session, poster.id) is not None

    async def test_is_too_late_when_the_time_is_over(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        await trash(db, viewer, video)
        await expire(db)

        with pytest.raises(NotFoundError):
            await restore(db, viewer, video)

    async def test_finds_neither_a_living_video_nor_one_that_is_being_removed(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        living, going = await make_video(db, project), await make_video(db, project)
        await trash(db, viewer, going, days=0)

        for video in (living, going):
            with pytest.raises(NotFoundError):
                await restore(db, viewer, video)

        assert (await row_of(db, going)).deleted_at is not None

    async def test_is_refused_where_its_external_id_is_taken(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        first, second = await make_video(db, project), await make_video(db, project)
        async with db.write() as session:
            await session.execute(update(Video).where(Video.id == first.id).values(external_id="A1"))
        await trash(db, viewer, first)
        async with db.write() as session:
            await session.execute(update(Video).where(Video.id == second.id).values(external_id="A1"))

        with pytest.raises(CuepointError) as refused:
            await restore(db, viewer, first)

        assert refused.value.code is ErrorCode.EXTERNAL_ID_TAKEN
        assert (await row_of(db, first)).deleted_at is not None

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, viewer: Viewer, project: Project) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        video = await make_video(db, project)
        await trash(db, viewer, video)

        with pytest.raises(ForbiddenError):
            await restore(db, member, video)
        with pytest.raises(NotFoundError):
            await restore(db, stranger, video)

        assert (await row_of(db, video)).deleted_at is not None


class TestPurgeDue:
    async def test_of_two_at_once_each_video_is_purged_once(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        trashed = [await make_video(db, project) for _ in range(6)]
        await trash(db, viewer, *trashed)
        await expire(db)

        counts = await asyncio.gather(*[jobs.in_transaction(db, deletion.purge_due) for _ in range(3)])

        assert sum(counts) == 6
        async with db.read() as session:
            purged = list(await session.scalars(select(Job.video_id)))
        assert sorted(purged, key=str) == sorted((video.id for video in trashed), key=str)

    async def test_a_restoration_at_the_last_moment_wins_or_loses_whole(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)
        await trash(db, viewer, video)

        async with db.write() as session:
            await deletion.restore_video(session, viewer, video.id)
            await session.execute(text("select 1"))
            purged = await jobs.in_transaction(db, deletion.purge_due)

        assert purged == 0
        assert (await row_of(db, video)).deleted_at is None


class TestListTrash:
    async def test_shows_what_can_be_restored_newest_first(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        first, second, living = [await make_video(db, project) for _ in range(3)]
        await make_rendition(db, first, RenditionKind.POSTER)
        await trash(db, viewer, first, second)

        async with db.read() as session:
            page = await service.list_trash(session, viewer, PageRequest(5), None)
            total = await service.count_trash(session, viewer, project.id)

        assert [(row.id, row.size_bytes) for row in page.rows] == [(second.id, 1000), (first.id, 1010)]
        assert (total, living.deleted_at) == (2, None)

    async def test_leaves_out_what_is_over_and_what_others_have(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        member = await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        admin = await make_viewer(db, is_admin=True)
        await trash(db, admin, await make_video(db, await make_project(db)))
        await trash(db, viewer, await make_video(db, project))

        async def seen(who: Viewer) -> int:
            async with db.read() as session:
                return await service.count_trash(session, who, None)

        assert [await seen(who) for who in (viewer, member, admin)] == [1, 0, 2]
        await expire(db)
        assert await seen(admin) == 0

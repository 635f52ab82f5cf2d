"""Use cases of moments on real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text, update

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs.models import Job, JobDependency, JobKind, JobStatus
from cuepoint.features.moments import service
from cuepoint.features.moments.finder import MomentCandidate
from cuepoint.features.moments.models import Moment
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.moments import spoken
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.transcripts import make_running_job, make_transcript, member_of
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video

SENTENCES = spoken("One.", "Two.", "Three.", "Four.").sentences


def candidate(first: int, last: int, title: str = "Title", score: float = 0.5) -> MomentCandidate:
    return MomentCandidate(first, last, title, "Reason.", score, {"topic": score})


async def store(db: Database, video: Video, *candidates: MomentCandidate) -> list[Moment]:
    job = await make_running_job(db, video, JobKind.MOMENT_GENERATION)
    async with db.write() as session:
        await service.replace_moments(session, video, job.id, SENTENCES, candidates, method="test-1")
    async with db.read() as session:
        return list(await session.scalars(select(Moment).order_by(Moment.video_id, Moment.priority)))


async def editor_of(db: Database, project: Project) -> Viewer:
    viewer = await make_viewer(db)
    await make_member(db, project, viewer.user_id, ProjectRole.EDITOR)
    return viewer


class TestReplaceMoments:
    async def test_borders_are_those_of_the_sentences(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))

        best, second = await store(db, video, candidate(2, 3, "Best", 0.9), candidate(0, 0, "Second", 0.4))

        assert (best.title, best.priority, best.start_ms, best.end_ms) == ("Best", 1, 8_800, 17_200)
        assert (second.title, second.priority, second.start_ms, second.end_ms) == ("Second", 2, 0, 4_000)
        assert (best.score, best.signals, best.method, best.reason) == (0.9, {"topic": 0.9}, "test-1", "Reason.")
        assert best.project_id == video.project_id

    async def test_a_second_run_leaves_the_same_rows(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        before = await store(db, video, candidate(0, 0), candidate(2, 3))

        after = await store(db, video, candidate(0, 0), candidate(2, 3))

        assert [(m.id, m.created_at) for m in after] == [(m.id, m.created_at) for m in before]

    async def test_what_was_not_found_again_is_gone(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        before = await store(db, video, candidate(0, 0, "Old"), candidate(2, 3))

        after = await store(db, video, candidate(2, 3, "Now first"), candidate(1, 1, "New"))

        assert [(m.title, m.priority) for m in after] == [("Now first", 1), ("New", 2)]
        assert after[0].id == before[1].id

    async def test_none_found_leaves_none(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        await store(db, video, candidate(0, 0))

        assert await store(db, video) == []

    async def test_other_videos_keep_theirs(self, db: Database) -> None:
        project = await make_project(db)
        one, other = await make_video(db, project), await make_video(db, project)
        await store(db, other, candidate(0, 0, "Other"))

        found = await store(db, one, candidate(0, 0, "One"))

        assert {(m.title, m.video_id) for m in found} == {("Other", other.id), ("One", one.id)}

    async def test_a_deleted_video_gets_none(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        async with db.write() as session:
            await session.execute(update(Video).values(deleted_at=datetime.now(UTC)))

        with pytest.raises(NotFoundError):
            await store(db, video, candidate(0, 0))


class TestRequestMoments:
    async def test_a_job_with_the_limits_that_were_given(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await make_transcript(db, video, "A sentence.")
        async with db.write() as session:
            await session.execute(delete(Job))  # the transcription is over
        viewer = await editor_of(db, project)

        async with db.write() as session:
            job = await service.request_moments(session, viewer, video.id, count=5, max_ms=20_000)

        assert (job.kind, job.status, job.args) == (
            JobKind.MOMENT_GENERATION,
            JobStatus.QUEUED,
            {"count": 5, "max_ms": 20_000, "sources": {"count": "CALL", "max_ms": "CALL"}},
        )
        assert (job.video_id, job.project_id, job.created_by_id) == (video.id, project.id, viewer.user_id)

    async def test_it_waits_for_an_embedding_under_way(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        embedding = await make_running_job(db, video, JobKind.EMBEDDING)

        async with db.write() as session:
            job = await service.request_moments(session, await editor_of(db, project), video.id)

        assert job.status is JobStatus.BLOCKED
        async with db.read() as session:
            edges = (await session.scalars(select(JobDependency).where(JobDependency.job_id == job.id))).all()
        assert [(edge.dependency_id, edge.is_required) for edge in edges] == [(embedding.id, True)]

    async def test_the_same_request_twice_is_one_job(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await make_transcript(db, video, "A sentence.")
        viewer = await editor_of(db, project)

        ids = []
        for _ in range(2):
            async with db.write() as session:
                ids.append((await service.request_moments(session, viewer, video.id, count=5)).id)

        assert ids[0] == ids[1]

    async def test_other_limits_while_one_runs_are_refused(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await make_transcript(db, video, "A sentence.")
        viewer = await editor_of(db, project)
        async with db.write() as session:
            await service.request_moments(session, viewer, video.id, count=5)

        with pytest.raises(CuepointError) as refused:
            async with db.write() as session:
                await service.request_moments(session, viewer, video.id, count=6)

        assert refused.value.code is ErrorCode.DUPLICATE_JOB

    async def test_without_a_transcript_it_is_not_ready(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)

        with pytest.raises(CuepointError) as refused:
            async with db.write() as session:
                await service.request_moments(session, await editor_of(db, project), video.id)

        assert refused.value.code is ErrorCode.NOT_READY

    @pytest.mark.parametrize(
        ("limits", "field"),
        [
            ({"count": 0}, "count"),
            ({"count": -1}, "count"),
            ({"count": 51}, "count"),
            ({"min_ms": 999}, "minDuration"),
            ({"max_ms": 600_001}, "maxDuration"),
            ({"min_ms": 20_000, "max_ms": 10_000}, "minDuration"),
        ],
    )
    async def test_limits_that_cannot_be_met_are_refused(
        self, db: Database, limits: dict[str, int], field: str
    ) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await make_transcript(db, video, "A sentence.")
        viewer = await editor_of(db, project)

        with pytest.raises(BadInputError) as refused:
            async with db.write() as session:
                await service.request_moments(session, viewer, video.id, **limits)

        assert refused.value.field == (field,)
        await self._assert_no_job(db)

    async def test_strangers_find_nothing_and_viewers_may_not(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await make_transcript(db, video, "A sentence.")

        with pytest.raises(NotFoundError):
            async with db.write() as session:
                await service.request_moments(session, await make_viewer(db), video.id)
        with pytest.raises(ForbiddenError):
            async with db.write() as session:
                await service.request_moments(session, await member_of(db, project), video.id)

        await self._assert_no_job(db)

    async def _assert_no_job(self, db: Database) -> None:
        async with db.read() as session:
            statement = select(Job.id).where(Job.kind == JobKind.MOMENT_GENERATION)
            assert (await session.scalars(statement)).all() == []


class TestReading:
    async def test_members_see_moments_and_strangers_do_not(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        (moment,) = await store(db, video, candidate(0, 0))
        member, stranger = await member_of(db, project), await make_viewer(db)

        async with db.read() as session:
            assert (await service.get_moment(session, member, moment.id)).id == moment.id
            with pytest.raises(NotFoundError):
                await service.get_moment(session, stranger, moment.id)
            with pytest.raises(NotFoundError):
                await service.list_moments(session, stranger, video.id, PageRequest(10))
            with pytest.raises(NotFoundError):
                await service.get_moment(session, member, uuid7())

    async def test_moments_of_a_deleted_video_are_gone_at_once(self, db: Database) -> None:
        project = await make_project(db)
        (moment,) = await store(db, await make_video(db, project), candidate(0, 0))
        async with db.write() as session:
            await session.execute(update(Video).values(deleted_at=datetime.now(UTC)))

        async with db.read() as session:
            with pytest.raises(NotFoundError):
                await service.get_moment(session, await member_of(db, project), moment.id)

    async def test_pages_come_by_priority(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await store(db, video, *(candidate(number, number, f"M{number}") for number in (2, 0, 3)))
        viewer = await member_of(db, project)

        async with db.read() as session:
            first = await service.list_moments(session, viewer, video.id, PageRequest(2))
            rest = await service.list_moments(session, viewer, video.id, PageRequest(2, first.cursors[-1]))

        assert [m.title for m in first.rows] == ["M2", "M0"]
        assert [m.title for m in rest.rows] == ["M3"]
        assert (first.has_next_page, rest.has_next_page) == (True, False)

    async def test_the_list_is_read_from_its_index(self, db: Database) -> None:
        async with db.write() as session:
            await session.execute(text("set local enable_seqscan = off"))
            await session.execute(text("set local enable_sort = off"))
            plan = await session.execute(
                text("explain select * from moments where video_id = :id order by priority, id limit 26"),
                {"id": UUID(int=1)},
            )
            assert "Index Scan using ix_moments_video_id_priority" in "\n".join(row[0] for row in plan)

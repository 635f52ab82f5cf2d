"""Use cases of jobs: enqueue in the caller's transaction, pipelines, who may see and do what."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database, Effect, create_engine
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs import service
from cuepoint.features.jobs.announce import PublishEvents, RingLane, TellWorker
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.retrying import retry_job
from cuepoint.features.projects.models import ProjectRole
from tests.support.builders.jobs import make_job, make_project, make_video, make_viewer
from tests.support.jobs import status, take


@pytest.fixture
async def effects(database_url: str):
    """A database whose effects are kept, and the list of them."""
    kept: list[Effect] = []

    async def keep(more: Sequence[Effect]) -> None:
        kept.extend(more)

    database = Database(create_engine(database_url, pool_size=2), keep)
    yield database, kept
    await database.close()


class TestEnqueue:
    async def test_rings_and_publishes_after_the_commit(self, effects: Any) -> None:
        db, kept = effects

        async with db.write() as session:
            job = await service.enqueue(session, JobKind.PROBE, project_id=None, args={"x": 1})
            assert kept == []

        assert (job.status, job.lane, job.args, job.seq) == (JobStatus.QUEUED, "io", {"x": 1}, 1)
        assert [type(e) for e in kept] == [RingLane, PublishEvents]
        assert kept[0] == RingLane("io")

    async def test_a_rollback_creates_and_announces_nothing(self, effects: Any, sql: Any) -> None:
        db, kept = effects

        async def enqueue_and_fail() -> None:
            async with db.write() as session:
                await service.enqueue(session, JobKind.PROBE, project_id=None)
                raise KeyError

        with pytest.raises(KeyError):
            await enqueue_and_fail()

        assert kept == []
        assert await sql.fetchval("select count(*) from jobs") == 0
        assert await sql.fetchval("select count(*) from job_events") == 0

    async def test_a_new_row_of_the_same_transaction_can_be_named(self, db: Database, sql: Any) -> None:
        project_id = await make_project(db)
        video_id = await make_video(db, project_id)

        job = await make_job(db, project_id=project_id, video_id=video_id)

        assert (job.video_id, job.project_id) == (video_id, project_id)

    @pytest.mark.parametrize("priority", [-1, 11])
    async def test_a_priority_out_of_range_is_refused(self, db: Database, priority: int) -> None:
        with pytest.raises(BadInputError):
            await make_job(db, priority=priority)

    async def test_an_unknown_dependency_is_refused(self, db: Database) -> None:
        with pytest.raises(BadInputError):
            await make_job(db, depends_on=[(uuid7(), True)])

    async def test_a_dependency_of_another_project_is_as_unknown(self, db: Database, sql: Any) -> None:
        own, other = await make_project(db), await make_project(db)
        foreign, common = await make_job(db, project_id=other), await make_job(db)

        with pytest.raises(BadInputError, match="does not exist"):
            await make_job(db, project_id=own, depends_on=[(foreign.id, False)])

        assert await sql.fetchval("select count(*) from jobs") == 2
        waits = await make_job(db, project_id=own, depends_on=[(common.id, True)])
        assert waits.status is JobStatus.BLOCKED
        assert (await make_job(db, depends_on=[(foreign.id, True)])).status is JobStatus.BLOCKED

    async def test_the_cost_stays_between_one_and_sixty(self, db: Database, sql: Any) -> None:
        jobs = [await make_job(db, cost=cost) for cost in (0.1, 5, 1000)]

        assert [job.cost for job in jobs] == [1, 5, 60]


class TestStartPipeline:
    @pytest.fixture
    async def video(self, db: Database) -> dict[str, Any]:
        project_id = await make_project(db)
        return {"project_id": project_id, "video_id": await make_video(db, project_id), "created_by_id": None}

    async def test_the_whole_pipeline_waits_as_its_kinds_say(
        self, db: Database, sql: Any, video: dict[str, Any]
    ) -> None:
        async with db.write() as session:
            jobs = await service.start_pipeline(session, **video)

        assert [job.kind for job in jobs] == list(PIPELINE)
        assert [job.status for job in jobs] == [JobStatus.QUEUED] + [JobStatus.BLOCKED] * (len(PIPELINE) - 1)
        edges = await sql.fetch("select dependency_id, job_id from job_dependencies")
        kind_of = {job.id: job.kind.value for job in jobs}
        chain = ["PROBE", "AUDIO_EXTRACTION", "TRANSCRIPTION", "SEGMENTATION", "EMBEDDING", "MOMENT_GENERATION"]
        looks = [("PROBE", "STORYBOARD"), ("AUDIO_EXTRACTION", "WAVEFORM"), ("PROBE", "PROXY")]
        assert {(kind_of[r["dependency_id"]], kind_of[r["job_id"]]) for r in edges} == {*pairwise(chain), *looks}
        assert {job.root_id for job in jobs[1:]} == {jobs[0].id}

    async def test_a_second_start_joins_the_first(self, db: Database, sql: Any, video: dict[str, Any]) -> None:
        async with db.write() as session:
            first = await service.start_pipeline(session, **video)
        async with db.write() as session:
            second = await service.start_pipeline(session, **video)

        assert [job.id for job in second] == [job.id for job in first]
        assert await sql.fetchval("select count(*) from jobs") == len(PIPELINE)

    async def test_a_part_waits_for_what_still_runs(self, db: Database, sql: Any, video: dict[str, Any]) -> None:
        async with db.write() as session:
            [probe] = await service.start_pipeline(session, **video, kinds=[JobKind.PROBE])
            (moments,) = await service.start_pipeline(session, **video, kinds=[JobKind.MOMENT_GENERATION])

        assert moments.status is JobStatus.BLOCKED
        assert (
            await sql.fetchval("select dependency_id from job_dependencies where job_id = $1", moments.id) == probe.id
        )

    async def test_a_part_alone_begins_at_once(self, db: Database, sql: Any, video: dict[str, Any]) -> None:
        async with db.write() as session:
            jobs = await service.start_pipeline(session, **video, kinds=[JobKind.EMBEDDING, JobKind.SEGMENTATION])

        assert [(job.kind, job.status) for job in jobs] == [
            (JobKind.SEGMENTATION, JobStatus.QUEUED),
            (JobKind.EMBEDDING, JobStatus.BLOCKED),
        ]

    async def test_a_kind_outside_the_pipeline_is_refused(self, db: Database, video: dict[str, Any]) -> None:
        with pytest.raises(BadInputError):
            async with db.write() as session:
                await service.start_pipeline(session, **video, kinds=[JobKind.CLIP_EXTRACTION])

    async def test_a_known_length_scales_the_timeout(self, db: Database, sql: Any, video: dict[str, Any]) -> None:
        async with db.write() as session:
            [short] = await service.start_pipeline(session, **video, kinds=[JobKind.TRANSCRIPTION], media_ms=60_000)

        assert short.timeout_seconds == 3600
        assert (await make_job(db, JobKind.TRANSCRIPTION, media_ms=7_200_000)).timeout_seconds == 28_800
        assert (await make_job(db, JobKind.TRANSCRIPTION)).timeout_seconds == 172_800


class TestAccess:
    async def test_strangers_see_nothing(self, db: Database, sql: Any) -> None:
        project_id = await make_project(db)
        job = await make_job(db, project_id=project_id)
        stranger = await make_viewer(db, await make_project(db))

        async with db.write() as session:
            for call in (
                service.get_job(session, stranger, job.id),
                service.cancel_job(session, stranger, job.id),
                retry_job(session, stranger, job.id),
            ):
                with pytest.raises(NotFoundError):
                    await call
            page = await service.list_jobs(session, stranger, JobFilter(), PageRequest(10))
            assert list(page.rows) == []
            assert await service.count_jobs(session, stranger, JobFilter()) == 0
        assert await status(sql, job.id) == ["QUEUED"]

    async def test_viewers_look_but_do_not_touch(self, db: Database, sql: Any) -> None:
        project_id = await make_project(db)
        job = await make_job(db, project_id=project_id)
        reader = await make_viewer(db, project_id, ProjectRole.VIEWER)

        async with db.write() as session:
            assert (await service.get_job(session, reader, job.id)).id == job.id
            with pytest.raises(ForbiddenError):
                await service.cancel_job(session, reader, job.id)

        assert await status(sql, job.id) == ["QUEUED"]

    async def test_the_systems_jobs_are_the_administrators(self, db: Database) -> None:
        job = await make_job(db, JobKind.MAINTENANCE)
        member = await make_viewer(db, await make_project(db))
        admin = await make_viewer(db, is_admin=True)

        async with db.read() as session:
            with pytest.raises(NotFoundError):
                await service.get_job(session, member, job.id)
            assert (await service.get_job(session, admin, job.id)).id == job.id
            page = await service.list_jobs(session, admin, JobFilter(), PageRequest(10))
        assert [found.id for found in page.rows] == [job.id]


class TestListJobs:
    async def test_newest_first_filtered_and_paged(self, db: Database) -> None:
        project_id = await make_project(db)
        member = await make_viewer(db, project_id)
        probes = [await make_job(db, project_id=project_id) for _ in range(3)]
        await make_job(db, JobKind.SEGMENTATION, project_id=project_id)

        wanted = JobFilter(kind=(JobKind.PROBE,), status=(JobStatus.QUEUED,), project_id=project_id)
        async with db.read() as session:
            first = await service.list_jobs(session, member, wanted, PageRequest(2))
            rest = await service.list_jobs(session, member, wanted, PageRequest(2, first.cursors[-1]))
            count = await service.count_jobs(session, member, wanted)

        assert [j.id for j in [*first.rows, *rest.rows]] == [j.id for j in reversed(probes)]
        assert (first.has_next_page, rest.has_next_page, count) == (True, False, 3)


class TestCancelJob:
    async def test_tells_the_worker_that_runs_it(self, effects: Any, sql: Any, worker: UUID) -> None:
        db, kept = effects
        admin = await make_viewer(db, is_admin=True)
        job = await make_job(db)
        await take(sql, worker)
        kept.clear()

        async with db.write() as session:
            cancelled, changed = await service.cancel_job(session, admin, job.id)

        assert (changed, cancelled.status, cancelled.cancel_requested_at is not None) == (True, JobStatus.RUNNING, True)
        assert TellWorker(worker, job.id, 1) in kept

    async def test_a_deletion_cannot_be_taken_back(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)
        project_id = await make_project(db)
        deletion = await make_job(db, JobKind.VIDEO_DELETION, project_id=project_id)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await service.cancel_job(session, admin, deletion.id)

        assert refused.value.code is ErrorCode.ALREADY_FINAL
        async with db.read() as session:
            assert (await service.get_job(session, admin, deletion.id)).status is JobStatus.QUEUED

    async def test_a_second_cancel_changes_nothing(self, db: Database, sql: Any) -> None:
        admin = await make_viewer(db, is_admin=True)
        job = await make_job(db)

        async with db.write() as session:
            _, first = await service.cancel_job(session, admin, job.id)
            _, second = await service.cancel_job(session, admin, job.id)

        assert (first, second) == (True, False)


class TestCancelJobsOfVideo:
    async def test_answers_with_what_still_runs_and_spares_the_deletion(
        self, db: Database, sql: Any, worker: UUID
    ) -> None:
        project_id = await make_project(db)
        video_id = await make_video(db, project_id)
        probe = await make_job(db, project_id=project_id, video_id=video_id)
        await take(sql, worker)
        waiting = await make_job(db, project_id=project_id, video_id=video_id)

        async with db.write() as session:
            running = await service.cancel_jobs_of_video(session, video_id)
            deletion = await service.enqueue(
                session,
                JobKind.VIDEO_DELETION,
                project_id=project_id,
                video_id=video_id,
                depends_on=[(job_id, False) for job_id in running],
            )
            again = await service.cancel_jobs_of_video(session, video_id)

        assert (running, again) == ([probe.id], [probe.id])
        assert await status(sql, probe.id, waiting.id, deletion.id) == ["RUNNING", "CANCELLED", "BLOCKED"]

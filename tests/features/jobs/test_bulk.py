"""Many jobs at once: retry what failed, clear what waits, delete what is over, and what hangs on each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import (
    BadInputError,
    CuepointError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    QuotaLimit,
)
from cuepoint.features.jobs import bulk, service
from cuepoint.features.jobs.claims import Outcome
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.quotas import service as quotas
from cuepoint.features.quotas.service import Limits, Scope
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_job, make_project, make_viewer
from tests.support.graphql import count_statements
from tests.support.jobs import run, status, take


@pytest.fixture
async def project(db: Database) -> UUID:
    return await make_project(db)


@pytest.fixture
async def editor(db: Database, project: UUID) -> Viewer:
    return await make_viewer(db, project)


async def failed(db: Database, sql: Any, worker: UUID, **values: Any) -> UUID:
    job = await make_job(db, **values)
    await run(sql, worker, job.id, Outcome.PERMANENT)
    return job.id


class TestRetryFailed:
    async def test_brings_back_what_failed_and_what_hung_on_it(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        first = await make_job(db, project_id=project)
        child = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(first.id, True)])
        await run(sql, worker, first.id, Outcome.PERMANENT)
        good = await make_job(db, project_id=project)
        await run(sql, worker, good.id)

        async with db.write() as session:
            done = await bulk.retry_failed(session, editor, JobFilter())

        assert ([job.id for job in done.jobs], done.skipped, done.has_more) == ([first.id], 0, False)
        assert await status(sql, first.id, child.id, good.id) == ["QUEUED", "BLOCKED", "SUCCEEDED"]

    @pytest.mark.parametrize(
        ("limits", "what"),
        [
            (Limits(concurrent_jobs=1), QuotaLimit.CONCURRENT_JOBS),
            (Limits(media_ms_per_month=0), QuotaLimit.MEDIA_MINUTES_PER_MONTH),
        ],
        ids=["jobs", "media"],
    )
    async def test_what_passes_a_quota_stays_as_it_was_and_so_does_all_else(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer, limits: Limits, what: QuotaLimit
    ) -> None:
        first = await make_job(db, project_id=project)
        child = await make_job(db, JobKind.TRANSCRIPTION, project_id=project, depends_on=[(first.id, True)])
        await run(sql, worker, first.id, Outcome.PERMANENT)
        async with db.write() as session:
            admin = Viewer(uuid7(), is_admin=True)
            await quotas.set_quota(session, admin, Scope(project_id=project), limits)

        async def retry() -> None:
            async with db.write() as session:
                await bulk.retry_failed(session, editor, JobFilter())

        with pytest.raises(QuotaExceededError) as refused:
            await retry()

        assert refused.value.excess.what is what
        assert await status(sql, first.id, child.id) == ["FAILED", "CANCELLED"]

    async def test_quotas_are_locked_all_at_once_and_in_one_order(self, db: Database, sql: Any, worker: UUID) -> None:
        projects = [await make_project(db) for _ in range(3)]
        for project_id in projects:
            await failed(db, sql, worker, project_id=project_id)
        admin = Viewer(uuid7(), is_admin=True)
        async with db.write() as session:
            for project_id in projects:
                await quotas.set_quota(session, admin, Scope(project_id=project_id), Limits(concurrent_jobs=1))

        with count_statements(db.engine) as statements:
            async with db.write() as session:
                done = await bulk.retry_failed(session, admin, JobFilter())

        locks = [text for text, _ in statements.seen if "FOR NO KEY UPDATE" in text]
        assert len(done.jobs) == 3
        assert len(locks) == 1
        assert "ORDER BY quotas.id FOR NO KEY UPDATE" in locks[0]

    async def test_only_what_matches(self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer) -> None:
        old = await failed(db, sql, worker, project_id=project)
        await sql.execute("update jobs set error_code = 'JOB_TIMEOUT', error = '{}'")
        other = await failed(db, sql, worker, project_id=project)

        async with db.write() as session:
            done = await bulk.retry_failed(session, editor, JobFilter(error_code=("JOB_TIMEOUT",)))

        assert [job.id for job in done.jobs] == [old]
        assert await status(sql, old, other) == ["QUEUED", "FAILED"]

    async def test_what_is_done_by_another_already_is_skipped(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        doubled = await failed(db, sql, worker, project_id=project, dedupe_key="k")
        await make_job(db, project_id=project, dedupe_key="k")

        async with db.write() as session:
            done = await bulk.retry_failed(session, editor, JobFilter())

        assert (list(done.jobs), done.skipped) == ([], 1)
        assert await status(sql, doubled) == ["FAILED"]

    async def test_so_many_at_a_time(self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer) -> None:
        ids = [await failed(db, sql, worker, project_id=project) for _ in range(3)]

        async with db.write() as session:
            first = await bulk.retry_failed(session, editor, JobFilter(), 2)
        async with db.write() as session:
            second = await bulk.retry_failed(session, editor, JobFilter(), 2)

        assert ([job.id for job in first.jobs], first.has_more) == (ids[:2], True)
        assert ([job.id for job in second.jobs], second.has_more) == (ids[2:], False)

    async def test_only_in_projects_that_the_viewer_may_change(
        self, db: Database, sql: Any, worker: UUID, project: UUID
    ) -> None:
        job = await failed(db, sql, worker, project_id=project)
        system = await failed(db, sql, worker)
        reader = await make_viewer(db, project, ProjectRole.VIEWER)
        stranger = await make_viewer(db, await make_project(db))
        admin = await make_viewer(db, is_admin=True)

        for viewer in (reader, stranger):
            async with db.write() as session:
                assert list((await bulk.retry_failed(session, viewer, JobFilter())).jobs) == []
        assert await status(sql, job, system) == ["FAILED", "FAILED"]
        async with db.write() as session:
            assert len((await bulk.retry_failed(session, admin, JobFilter())).jobs) == 2

    async def test_a_status_is_refused(self, db: Database, editor: Viewer) -> None:
        async with db.read() as session:
            with pytest.raises(BadInputError):
                await bulk.retry_failed(session, editor, JobFilter(status=(JobStatus.SUCCEEDED,)))


class TestClearQueue:
    @pytest.fixture
    async def chain(self, db: Database, project: UUID) -> list[UUID]:
        """A queued job of lane io, and two of lane cpu that require it, one after the other."""
        first = await make_job(db, project_id=project)
        second = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(first.id, True)])
        third = await make_job(db, JobKind.MOMENT_GENERATION, project_id=project, depends_on=[(second.id, True)])
        return [first.id, second.id, third.id]

    async def test_a_dry_run_lists_everything_and_changes_nothing(
        self, db: Database, sql: Any, editor: Viewer, chain: list[UUID]
    ) -> None:
        async with db.write() as session:
            told = await bulk.clear_queue(session, editor, JobFilter(lane=("io",)), dry_run=True)

        assert ([job.id for job in told.jobs], told.count) == (chain[:1], 1)
        assert ([job.id for job in told.dependants], told.dependant_count) == (chain[1:], 2)
        assert await status(sql, *chain) == ["QUEUED", "BLOCKED", "BLOCKED"]

    async def test_what_was_told_is_done(self, db: Database, sql: Any, editor: Viewer, chain: list[UUID]) -> None:
        async with db.write() as session:
            done = await bulk.clear_queue(session, editor, JobFilter(lane=("io",)), dry_run=False)

        assert ([job.id for job in done.jobs], [job.id for job in done.dependants]) == (chain[:1], chain[1:])
        assert (done.count, done.dependant_count, done.has_more) == (1, 2, False)
        assert await status(sql, *chain) == ["CANCELLED"] * 3

    async def test_what_runs_goes_on_and_what_waits_optionally_stays(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        running = await make_job(db, project_id=project)
        await take(sql, worker)
        queued = await make_job(db, project_id=project)
        after = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(queued.id, False)])

        async with db.write() as session:
            done = await bulk.clear_queue(session, editor, JobFilter(kind=(JobKind.PROBE,)), dry_run=False)

        assert (done.count, done.dependant_count) == (1, 0)
        assert await status(sql, running.id, queued.id, after.id) == ["RUNNING", "CANCELLED", "QUEUED"]

    async def test_only_in_projects_that_the_viewer_may_change(
        self, db: Database, sql: Any, project: UUID, chain: list[UUID]
    ) -> None:
        reader = await make_viewer(db, project, ProjectRole.VIEWER)

        async with db.write() as session:
            assert (await bulk.clear_queue(session, reader, JobFilter(), dry_run=False)).count == 0

        assert await status(sql, *chain) == ["QUEUED", "BLOCKED", "BLOCKED"]

    async def test_what_runs_or_is_over_cannot_be_asked_for(self, db: Database, editor: Viewer) -> None:
        async with db.read() as session:
            with pytest.raises(BadInputError):
                await bulk.clear_queue(session, editor, JobFilter(status=(JobStatus.RUNNING,)), dry_run=True)


class TestDeleteJob:
    async def test_it_is_gone_with_its_events(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        job = await failed(db, sql, worker, project_id=project)

        async with db.write() as session:
            assert await bulk.delete_job(session, editor, job, include_dependants=False) == [job]

        assert await sql.fetchval("select count(*) from jobs") == 0
        assert await sql.fetchval("select count(*) from job_events") == 0

    async def test_what_hangs_on_it_is_named_and_goes_only_when_asked(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        job = await make_job(db, project_id=project)
        second = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(job.id, True)])
        third = await make_job(db, JobKind.MOMENT_GENERATION, project_id=project, depends_on=[(second.id, True)])
        free = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(job.id, False)])
        await run(sql, worker, job.id, Outcome.PERMANENT)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await bulk.delete_job(session, editor, job.id, include_dependants=False)
        kept = await sql.fetchval("select count(*) from jobs")
        async with db.write() as session:
            gone = await bulk.delete_job(session, editor, job.id, include_dependants=True)

        assert refused.value.code is ErrorCode.HAS_DEPENDANTS
        assert f"job_{second.id.hex}" in refused.value.message
        assert f"job_{third.id.hex}" in refused.value.message
        assert kept == 4
        assert gone == [job.id, second.id, third.id]
        assert [r["id"] for r in await sql.fetch("select id from jobs")] == [free.id]

    async def test_of_one_that_succeeded_the_followers_stay(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        job = await make_job(db, project_id=project)
        follower = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(job.id, True)])
        await run(sql, worker, job.id)

        async with db.write() as session:
            assert await bulk.delete_job(session, editor, job.id, include_dependants=False) == [job.id]

        assert await status(sql, follower.id) == ["QUEUED"]

    async def test_one_that_is_not_over_stays(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        queued = await make_job(db, JobKind.SEGMENTATION, project_id=project)
        running = await make_job(db, project_id=project)
        await take(sql, worker)

        for job in (queued, running):
            async with db.write() as session:
                with pytest.raises(CuepointError) as refused:
                    await bulk.delete_job(session, editor, job.id, include_dependants=True)
            assert refused.value.code is ErrorCode.NOT_FINAL

        assert await status(sql, queued.id, running.id) == ["QUEUED", "RUNNING"]

    async def test_readers_and_strangers_may_not(self, db: Database, sql: Any, worker: UUID, project: UUID) -> None:
        job = await failed(db, sql, worker, project_id=project)
        reader = await make_viewer(db, project, ProjectRole.VIEWER)
        stranger = await make_viewer(db, await make_project(db))

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await bulk.delete_job(session, reader, job, include_dependants=False)
            with pytest.raises(NotFoundError):
                await bulk.delete_job(session, stranger, job, include_dependants=False)

        assert await status(sql, job) == ["FAILED"]


class TestUpdatePriority:
    async def test_a_queued_job_takes_its_new_place_at_once(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        jobs = [(await make_job(db, project_id=project)).id for _ in range(3)]

        async with db.write() as session:
            last, changed = await service.update_priority(session, editor, jobs[2], 10)

        assert (last.priority, changed) == (10, True)
        assert [c.fence.job_id for c in await take(sql, worker, limit=3)] == [jobs[2], jobs[0], jobs[1]]

    async def test_one_that_is_not_queued_takes_it_when_it_is(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        first = await make_job(db, project_id=project)
        blocked = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(first.id, True)])
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        later = await make_job(db, project_id=project, run_at=tomorrow)

        async with db.write() as session:
            for job in (blocked, later):
                after, changed = await service.update_priority(session, editor, job.id, 9)
                assert (after.status, after.priority, after.due, changed) == (job.status, 9, None, True)

        await run(sql, worker, first.id)
        assert await sql.fetchval(
            "select due < virtual_now from jobs, lanes where jobs.id = $1 and name = 'cpu'", blocked.id
        )

    async def test_what_runs_or_is_over_or_has_it_stays(
        self, db: Database, sql: Any, worker: UUID, project: UUID, editor: Viewer
    ) -> None:
        over = await failed(db, sql, worker, project_id=project)
        running = await make_job(db, project_id=project)
        await take(sql, worker)
        queued = await make_job(db, project_id=project, priority=7)

        async with db.write() as session:
            answers = [await service.update_priority(session, editor, one, 7) for one in (over, running.id, queued.id)]

        assert [changed for _, changed in answers] == [False, False, False]
        assert [job.priority for job, _ in answers] == [5, 5, 7]

    @pytest.mark.parametrize("priority", [-1, 11])
    async def test_one_out_of_range_is_refused(
        self, db: Database, project: UUID, editor: Viewer, priority: int
    ) -> None:
        job = await make_job(db, project_id=project)

        async with db.write() as session:
            with pytest.raises(BadInputError):
                await service.update_priority(session, editor, job.id, priority)

    async def test_readers_may_not(self, db: Database, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        reader = await make_viewer(db, project, ProjectRole.VIEWER)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.update_priority(session, reader, job.id, 10)

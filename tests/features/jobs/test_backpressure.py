"""Back-pressure: new jobs are refused beyond the limits, with a time to come back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import QueueFullError
from cuepoint.features.jobs import service
from cuepoint.features.jobs.backpressure import (
    EVERY,
    STALE_SECONDS,
    QueueLimits,
    queue_limits,
    require_room,
    rest_seconds,
    trust_seconds,
)
from cuepoint.features.jobs.bulk import retry_failed
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.graphql.errors import UserError
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_job, make_project, make_video
from tests.support.graphql import count_statements
from tests.support.jobs import make, run, take


@pytest.fixture
async def limited(db: Database, settings: Settings) -> Database:
    """Sessions with room for three jobs a project, five in all."""
    limits = settings.model_copy(update={"queue_max_per_project": 3, "queue_max": 5})
    return Database(db.engine, info=queue_limits(limits))


async def count(sql: Any) -> int:
    found: int = await sql.fetchval("select count(*) from jobs")
    return found


class TestRequireRoom:
    async def test_a_project_has_its_limit(self, limited: Database, sql: Any) -> None:
        project, other = await make_project(limited), await make_project(limited)
        for _ in range(3):
            await make_job(limited, project_id=project)

        with pytest.raises(QueueFullError) as refused:
            await make_job(limited, project_id=project)

        assert refused.value.retryable
        assert refused.value.retry_after_seconds == 30  # nothing runs: one job's expected time
        assert await count(sql) == 3
        await make_job(limited, project_id=other)

    async def test_the_instance_has_one_too(self, limited: Database, sql: Any) -> None:
        for _ in range(5):
            await make_job(limited, project_id=await make_project(limited))

        with pytest.raises(QueueFullError):
            await make_job(limited, project_id=await make_project(limited))

        assert await count(sql) == 5

    async def test_what_is_over_takes_no_room(self, limited: Database, sql: Any, worker: UUID) -> None:
        project = await make_project(limited)
        for _ in range(4):
            job = await make_job(limited, project_id=project)
            await run(sql, worker, job.id)

        assert await count(sql) == 4

    async def test_the_pace_says_when_to_come_back(self, limited: Database, sql: Any, worker: UUID) -> None:
        project = await make_project(limited)
        for _ in range(3):
            await make_job(limited, project_id=project, cost=12)
        await take(sql, worker, limit=3)

        with pytest.raises(QueueFullError) as refused:
            await make_job(limited, project_id=project)

        assert refused.value.retry_after_seconds == 4

    async def test_joining_what_exists_is_not_refused(self, limited: Database) -> None:
        project = await make_project(limited)
        jobs = [await make_job(limited, project_id=project, dedupe_key=str(n)) for n in range(3)]

        assert (await make_job(limited, project_id=project, dedupe_key="1")).id == jobs[1].id

    async def test_a_deletion_always_finds_room(self, limited: Database, sql: Any) -> None:
        project = await make_project(limited)
        for _ in range(3):
            await make_job(limited, project_id=project)

        await make_job(limited, JobKind.VIDEO_DELETION, project_id=project)

        assert await count(sql) == 4

    async def test_a_pipeline_is_made_whole_or_not_at_all(self, limited: Database, sql: Any) -> None:
        project = await make_project(limited)
        video = await make_video(limited, project)

        async with limited.write() as session:
            await service.start_pipeline(session, project_id=project, video_id=video, created_by_id=None)
        with pytest.raises(QueueFullError):
            async with limited.write() as session:
                await service.start_pipeline(
                    session, project_id=project, video_id=await make_video(limited, project), created_by_id=None
                )

        assert await count(sql) == len(PIPELINE)

    async def test_sessions_without_limits_and_a_limit_of_zero_refuse_nothing(
        self, db: Database, sql: Any, settings: Settings
    ) -> None:
        project = await make_project(db)
        endless = Database(
            db.engine, info=queue_limits(settings.model_copy(update={"queue_max_per_project": 0, "queue_max": 0}))
        )

        for database in (db, endless):
            for _ in range(6):
                await make_job(database, project_id=project)

        assert await count(sql) == 12

    async def test_a_count_with_much_room_is_not_made_again_at_once(self, db: Database, settings: Settings) -> None:
        roomy = Database(db.engine, info=queue_limits(settings))
        project = await make_project(roomy)
        await make_job(roomy, project_id=project)

        with count_statements(roomy.engine) as seen:
            await make_job(roomy, project_id=project)

        assert not any("count(*)" in statement for statement, _ in seen.seen)

    async def test_what_was_created_since_is_added_without_a_whole_count(
        self, db: Database, sql: Any, worker: UUID
    ) -> None:
        limits = QueueLimits(per_project=0, in_all=10)
        limited = Database(db.engine, info={QueueLimits: limits})
        project = await make_project(limited)

        wholes = []
        for number in range(12):
            with count_statements(limited.engine) as seen:
                job = await make_job(limited, project_id=project)
            wholes += [number for statement, _ in seen.seen if "from jobs where status in" in statement]
            limits.known[EVERY] = replace(limits.known[EVERY], until=0.0, whole_after=0.0)
            if number < 6:
                await run(sql, worker, job.id)

        # Six of the first ten are over: the sum passes the limit at the eleventh, and the whole does not.
        assert wholes == [0, 10]

    async def test_a_sum_that_passes_the_limit_refuses_nobody_before_the_whole_may_be_counted(
        self, db: Database
    ) -> None:
        limits = QueueLimits(per_project=0, in_all=10)
        limited = Database(db.engine, info={QueueLimits: limits})
        await make_job(limited)
        later = time.monotonic() + 60
        limits.known[EVERY] = replace(limits.known[EVERY], number=10, until=0.0, whole_after=later)

        with count_statements(limited.engine) as seen:
            await make_job(limited)
            await make_job(limited)

        assert [statement for statement, _ in seen.seen if "from jobs where status in" in statement] == []
        assert limits.known[EVERY].until == later

    async def test_what_no_sum_sees_is_counted_as_a_whole_now_and_then(self, db: Database) -> None:
        limits = QueueLimits(per_project=0, in_all=10)
        limited = Database(db.engine, info={QueueLimits: limits})
        await make_job(limited)
        fresh = limits.known[EVERY]
        for _ in range(3):
            await make_job(db)
        wholes = []
        for stale_after in (fresh.stale_after, 0.0):
            limits.known[EVERY] = replace(fresh, number=0, until=0.0, stale_after=stale_after)
            with count_statements(limited.engine) as seen:
                await make_job(limited)
            wholes.append(sum("from jobs where status in" in statement for statement, _ in seen.seen))

        assert fresh.stale_after > time.monotonic() + STALE_SECONDS / 2
        assert wholes == [0, 1]

    async def test_a_retry_is_counted_at_once(self, db: Database, viewer: Viewer, project: UUID, sql: Any) -> None:
        limits = QueueLimits(per_project=2, in_all=0)
        limited = Database(db.engine, info={QueueLimits: limits})
        failed = [await make(sql, project_id=project) for _ in range(2)]
        await sql.execute("update jobs set status = 'FAILED', finished_at = now(), due = null")
        async with limited.write() as session:
            await require_room(session, project)
        async with limited.write() as session:
            retried = await retry_failed(session, viewer, JobFilter(project_id=project))

        assert [job.id for job in retried.jobs] == failed
        assert limits.known == {}
        with pytest.raises(QueueFullError):
            await make_job(limited, project_id=project)


class TestTrustSeconds:
    @pytest.mark.parametrize(("room", "seconds"), [(100_000, 2.0), (4000, 1.0), (0, 0.0)], ids=["much", "some", "none"])
    def test_follows_the_room(self, room: int, seconds: float) -> None:
        assert trust_seconds(room) == seconds


class TestRestSeconds:
    def test_whole_counts_take_a_tenth_of_the_time(self) -> None:
        assert rest_seconds(94_000) == pytest.approx(0.62)
        assert rest_seconds(3) < 0.0001


class TestUserError:
    def test_carries_the_time(self) -> None:
        error = UserError.from_error(QueueFullError("Full.", retry_after_seconds=7))

        assert (error.code.value, error.retryable, error.retry_after_seconds) == ("QUEUE_FULL", True, 7)

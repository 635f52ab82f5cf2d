"""Back-pressure: new jobs are refused beyond the limits, with a time to come back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import QueueFullError
from cuepoint.features.jobs import service
from cuepoint.features.jobs.backpressure import queue_limits, trust_seconds
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import JobKind
from cuepoint.graphql.errors import UserError
from tests.support.builders.jobs import make_job, make_project, make_video
from tests.support.graphql import count_statements
from tests.support.jobs import run, take


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

        assert not any("as every" in statement for statement, _ in seen.seen)


class TestTrustSeconds:
    @pytest.mark.parametrize(
        ("room", "took", "seconds"),
        [
            (None, 1.0, 2.0),
            (100_000, 0.06, 2.0),
            (4000, 0.06, 1.0),
            (0, 0.06, 0.0),
            (-1, 0.062, 0.62),
            (-1, 0.004, 0.0),
        ],
        ids=["no-limit", "much", "some", "none-left", "full-and-slow", "full-and-quick"],
    )
    def test_follows_the_room_and_what_a_count_costs(self, room: int | None, took: float, seconds: float) -> None:
        assert trust_seconds(room, took) == pytest.approx(seconds)


class TestUserError:
    def test_carries_the_time(self) -> None:
        error = UserError.from_error(QueueFullError("Full.", retry_after_seconds=7))

        assert (error.code.value, error.retryable, error.retry_after_seconds) == ("QUEUE_FULL", True, 7)

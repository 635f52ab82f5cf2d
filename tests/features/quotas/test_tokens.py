"""Quotas on tokens of paid models and what they cost: reserved when a job is made, settled by what it took."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, QuotaExceededError, QuotaLimit, QuotaScope
from cuepoint.features.jobs.creation import enqueue
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project
from cuepoint.features.quotas import service
from cuepoint.features.quotas.figures import month_of
from cuepoint.features.quotas.metering import Metering, Price
from cuepoint.features.quotas.models import ModelUsage
from cuepoint.features.quotas.service import Limits, Scope, State
from cuepoint.features.videos.models import Video
from cuepoint.processes.metering import Meter, Use
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import INFO, make_video

LENGTH_MS = INFO.duration_ms or 0
TOKENS = 652  # reserved for a video of the builders: 81.458 seconds at 8 tokens each, rounded up
PAID = {Metering: Metering({"EMBEDDING": "embedder-3"}, {"embedder": Price(0.5, 0)})}


@pytest.fixture
async def admin(db: Database) -> Viewer:
    return await make_viewer(db, is_admin=True)


@pytest.fixture
async def project(db: Database) -> Project:
    return await make_project(db)


@pytest.fixture
def paid(db: Database) -> Database:
    """An installation whose embeddings come from a provider, at half a unit for a million tokens."""
    return Database(db.engine, info=PAID)


async def limit(db: Database, admin: Viewer, scope: Scope, **limits: int) -> State:
    async with db.write() as session:
        return await service.set_quota(session, admin, scope, Limits(**limits))


async def state(db: Database, viewer: Viewer, scope: Scope) -> State:
    async with db.read() as session:
        return await service.quota_state(session, viewer, scope)


async def count(db: Database, model: type) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(model))).scalar_one()


async def refused(outcome: Any) -> str:
    with pytest.raises(QuotaExceededError) as error:
        await outcome
    return error.value.message


async def embed(db: Database, video: Video) -> Job:
    async with db.write() as session:
        return await enqueue(session, JobKind.EMBEDDING, project_id=video.project_id, video_id=video.id)


async def take(db: Database, job_id: UUID, *uses: Use) -> Meter:
    meter = Meter()
    for use in uses:
        meter.add(use)
    async with db.write() as session:
        await service.settle(session, meter, job_id)
    return meter


class TestTokens:
    async def test_are_reserved_by_the_length_of_the_media_and_settled_by_what_was_taken(
        self, paid: Database, admin: Viewer, project: Project
    ) -> None:
        job = await embed(paid, await make_video(paid, project))
        await take(paid, job.id, Use("embedder-3-large", 100), Use("embedder-3-large", 33, 7))

        running = await state(paid, admin, Scope(project_id=project.id))
        async with paid.write() as session:
            await session.execute(update(Job).values(status=JobStatus.FAILED, finished_at=func.now()))
        over = await state(paid, admin, Scope(project_id=project.id))

        assert (running.tokens.used, running.tokens.reserved) == (140, TOKENS - 140)
        assert (running.cost.used, running.cost.reserved) == (67, TOKENS // 2 - 67)
        assert (over.tokens.used, over.tokens.reserved, over.cost.used, over.cost.reserved) == (140, 0, 67, 0)
        assert over.tokens.resets_at is not None

    async def test_of_several_projects_are_those_of_each(self, paid: Database, admin: Viewer) -> None:
        projects = [await make_project(paid) for _ in range(3)]
        for project in projects[:2]:
            await embed(paid, await make_video(paid, project))
            job = await embed(paid, await make_video(paid, project))
        await take(paid, job.id, Use("embedder-3", 100))
        await limit(paid, admin, Scope(project_id=projects[0].id), tokens_per_month=9_000)

        async with paid.read() as session:
            states = await service.states_of_projects(session, admin, [project.id for project in projects])

        assert states == {one.id: await state(paid, admin, Scope(project_id=one.id)) for one in projects}
        figures = [states[project.id].tokens for project in projects]
        assert [(one.used, one.reserved) for one in figures] == [(0, 2 * TOKENS), (100, 2 * TOKENS - 100), (0, 0)]
        assert [one.limit for one in figures] == [9_000, None, None]

    async def test_a_job_that_would_pass_the_limit_is_refused_with_the_figures(
        self, paid: Database, admin: Viewer, project: Project
    ) -> None:
        await limit(paid, admin, Scope(project_id=project.id), tokens_per_month=2 * TOKENS - 1)
        job = await embed(paid, await make_video(paid, project))
        await take(paid, job.id, Use("embedder-3", 9))

        with pytest.raises(QuotaExceededError) as refused:
            await embed(paid, await make_video(paid, project))

        excess = refused.value.excess
        assert (excess.scope, excess.what) == (QuotaScope.PROJECT, QuotaLimit.TOKENS_PER_MONTH)
        assert (excess.limit, excess.used, excess.reserved) == (2 * TOKENS - 1, 9, 2 * TOKENS - 9)
        assert excess.resets_at == month_of(datetime.now(UTC))[1]
        assert await count(paid, Job) == 1

    async def test_a_retried_job_that_took_more_than_expected_gives_others_no_room(
        self, paid: Database, admin: Viewer, project: Project
    ) -> None:
        job = await embed(paid, await make_video(paid, project))
        await embed(paid, await make_video(paid, project))
        await take(paid, job.id, Use("embedder-3", TOKENS + 50))

        both = await state(paid, admin, Scope(project_id=project.id))

        assert (both.tokens.used, both.tokens.reserved) == (TOKENS + 50, TOKENS)
        assert (both.cost.used, both.cost.reserved) == ((TOKENS + 50) // 2, TOKENS // 2)

    async def test_cost_is_limited_alike(self, paid: Database, admin: Viewer, project: Project) -> None:
        await limit(paid, admin, Scope(), cost_micros_per_month=TOKENS // 2)
        await embed(paid, await make_video(paid, project))

        message = await refused(embed(paid, await make_video(paid, project)))

        assert "0.000326 of cost this month, of which 0 are used and 0.000652 would be reserved" in message

    async def test_of_ten_at_once_none_overshoots(self, paid: Database, admin: Viewer, project: Project) -> None:
        await limit(paid, admin, Scope(project_id=project.id), tokens_per_month=3 * TOKENS)
        rivals = [await make_video(paid, project) for _ in range(10)]

        outcomes = await asyncio.gather(*[embed(paid, video) for video in rivals], return_exceptions=True)

        assert sum(isinstance(one, Job) for one in outcomes) == 3
        assert sum(isinstance(one, QuotaExceededError) for one in outcomes) == 7
        assert (await state(paid, admin, Scope(project_id=project.id))).tokens.reserved == 3 * TOKENS

    async def test_an_unknown_price_is_not_nothing(self, db: Database, admin: Viewer, project: Project) -> None:
        unpriced = Database(db.engine, info={Metering: Metering({"EMBEDDING": "embedder-3"})})
        await embed(unpriced, await make_video(db, project))  # nobody limits what it costs
        await limit(db, admin, Scope(), cost_micros_per_month=10**9)

        with pytest.raises(CuepointError, match="price of the model embedder-3 is not known") as refused:
            await embed(unpriced, await make_video(db, project))

        assert refused.value.code is ErrorCode.MISCONFIGURED
        assert await count(db, Job) == 1

    async def test_what_a_transaction_could_not_write_is_still_to_be_written(
        self, paid: Database, project: Project
    ) -> None:
        job, meter = await embed(paid, await make_video(paid, project)), Meter()
        meter.add(Use("embedder-3", 5))

        async def fail() -> None:
            async with paid.write() as session:
                await service.settle(session, meter, job.id)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail()

        assert (meter.take(), await count(paid, ModelUsage)) == ([Use("embedder-3", 5)], 0)

    async def test_what_was_written_by_a_commit_whose_answer_was_lost_counts_once(
        self, paid: Database, admin: Viewer, project: Project
    ) -> None:
        job, meter = await embed(paid, await make_video(paid, project)), Meter()
        meter.add(Use("embedder-3", 5))
        uses = meter.take()
        meter.put_back(uses)
        async with paid.write() as session:
            await service.settle(session, meter, job.id)

        meter.put_back(uses)
        meter.add(Use("embedder-3", 7))
        async with paid.write() as session:
            await service.settle(session, meter, job.id)

        assert (await state(paid, admin, Scope(project_id=project.id))).tokens.used == 12

    async def test_a_length_that_was_unknown_is_checked_at_the_start_and_the_earlier_job_goes(
        self, paid: Database, admin: Viewer, project: Project
    ) -> None:
        await limit(paid, admin, Scope(), tokens_per_month=TOKENS)
        jobs = [await embed(paid, await make_video(paid, project, info=None)) for _ in range(2)]
        async with paid.write() as session:
            await session.execute(update(Video).values(duration_ms=LENGTH_MS))

        async def start(job_id: UUID) -> None:
            async with paid.write() as session:
                await service.check_usage(session, job_id)

        await start(jobs[0].id)
        await refused(start(jobs[1].id))

    async def test_local_vectors_take_nothing(self, db: Database, admin: Viewer, project: Project) -> None:
        await limit(db, admin, Scope(), tokens_per_month=0, cost_micros_per_month=0)

        assert (await embed(db, await make_video(db, project))).kind is JobKind.EMBEDDING

    async def test_a_spent_month_lets_no_search_through(self, paid: Database, admin: Viewer, project: Project) -> None:
        await limit(paid, admin, Scope(user_id=admin.user_id), tokens_per_month=10)

        async def search(tokens: int) -> None:
            async with paid.write() as session:
                await service.check_call(session, "EMBEDDING", project_id=None, user_id=admin.user_id)
                use = Use("embedder-3", tokens)
                await service.record_uses(session, [use], job_id=None, project_id=None, user_id=admin.user_id)

        for _ in range(2):
            await search(5)
        await refused(search(5))

        assert (await state(paid, admin, Scope(user_id=admin.user_id))).tokens.used == 10

"""Seeded random operations on the job layer and its model: after every step all columns of all rows are equal."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cuepoint.features.jobs.claims import Outcome
from tests.support.job_model import STEP, ModelJob
from tests.support.job_steps import STEPS, SeededDice, create
from tests.support.job_twin import Twin
from tests.support.jobs import LEASE, connect

EPISODES = 40
BEGINNING = 6  # jobs, so that the first steps find something
EPISODE = 60  # steps; then the tables are emptied: new jobs meet few others, and comparisons stay quick
WEIGHTED = [step for step, weight in STEPS.items() for _ in range(weight)]


async def run_episode(twin: Twin, seed: int) -> None:
    """What failed is told by its seed and its story."""
    dice = SeededDice(seed)
    await twin.empty()
    try:
        for _ in range(BEGINNING):
            await create(twin, dice)
        for _ in range(EPISODE - BEGINNING):
            await dice.one(WEIGHTED)(twin, dice)
        await twin.check_history()
    except Exception as error:
        error.add_note(f"seed {seed}, after:\n" + "\n".join(twin.story[-12:]))
        raise


@pytest.fixture
async def twin(own_database_url: str) -> Any:
    async with connect(own_database_url) as sql:
        await Twin.set_up(sql)
        yield Twin(sql)


def job(twin: Twin, **values: Any) -> ModelJob:
    return ModelJob(UUID(int=0), twin.model.now, max_losses=2, **values)


@pytest.fixture
async def live_worker(twin: Twin) -> UUID:
    await twin.register()
    return next(iter(twin.model.workers))


class TestSituations:
    """What chance brings about too seldom; the model says what is right."""

    async def test_whoever_comes_after_a_job_that_came_back_is_placed_at_the_lanes_clock(
        self, twin: Twin, live_worker: UUID
    ) -> None:
        await twin.create(job(twin))
        await twin.create(job(twin))
        await twin.claim("io", live_worker, 2)
        await twin.end_attempt(twin.tokens[0], Outcome.RELEASE, 0.0, None)

        await twin.create(job(twin))

        first, _, third = twin.model.jobs.values()
        assert first.due is not None
        assert third.due == twin.model.lanes["io"].virtual_now - 5 * STEP == first.due + timedelta(seconds=60)

    async def test_a_draining_worker_keeps_its_jobs_for_as_long_as_it_renews(
        self, twin: Twin, live_worker: UUID
    ) -> None:
        await twin.create(job(twin))
        await twin.claim("io", live_worker, 1)
        await twin.drain(live_worker)

        await twin.lost()
        before = [j.status for j in twin.model.jobs.values()]
        await twin.advance(LEASE + 1)
        await twin.lost()

        assert before == ["RUNNING"]
        assert [j.status for j in twin.model.jobs.values()] == ["QUEUED"]

    async def test_two_optional_dependencies_that_end_in_one_turn_count_as_two(self, twin: Twin) -> None:
        await twin.create(job(twin))
        [root] = twin.model.jobs
        for _ in range(2):
            await twin.create(job(twin, edges={root: True}))
        await twin.create(job(twin, edges=dict.fromkeys(list(twin.model.jobs)[1:], False)))

        await twin.cancel([root])

        assert [j.status for j in twin.model.jobs.values()] == ["CANCELLED"] * 3 + ["QUEUED"]

    async def test_an_optional_dependency_revives_nothing(self, twin: Twin) -> None:
        """Not even a job that was passed over once, because its newer twin came back, and that could come back now."""
        await twin.create(job(twin))
        await twin.create(job(twin))
        needed, wanted = twin.model.jobs
        edges = {needed: True, wanted: False}
        await twin.create(job(twin, edges=edges, dedupe_key="a"))
        await twin.cancel([needed])
        await twin.create(job(twin, edges=edges, dedupe_key="a"))
        older, newer = list(twin.model.jobs)[2:]
        await twin.retry(needed)
        await twin.cancel([newer])
        await twin.cancel([wanted])

        await twin.retry(wanted)

        assert [twin.model.jobs[i].status for i in (wanted, older, newer)] == ["QUEUED", "CANCELLED", "CANCELLED"]
        assert twin.model.jobs[older].cancel_reason == "DEPENDENCY"


class TestRandomDriver:
    async def test_the_database_does_what_the_model_does(self, twin: Twin) -> None:
        for seed in range(EPISODES):
            await run_episode(twin, seed)

        assert twin.comparisons > EPISODES * EPISODE // 2

    @pytest.mark.long
    async def test_the_same_for_minutes_with_other_seeds(self, twin: Twin) -> None:
        first = time.time_ns()
        end = time.monotonic() + 180
        while time.monotonic() < end:
            await run_episode(twin, first)
            first += 1

        assert twin.comparisons > EPISODE

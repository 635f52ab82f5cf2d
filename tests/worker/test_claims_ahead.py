"""Short jobs are claimed ahead of their slots; what finds none soon goes back to the queue, and runs once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from cuepoint.config import Settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from tests.support.jobs import ended, event_types, make, row, status, until
from tests.support.workers import worker_for_tests


@pytest.fixture(autouse=True)
def slow_machines_have_short_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that do nothing are short, however busy the machine is."""
    monkeypatch.setattr("cuepoint.worker.lane_slots.SHORT_SECONDS", 0.5)


class TestClaimsAhead:
    async def test_jobs_that_found_no_slot_are_given_back_and_run_once(self, sql: Any, settings: Settings) -> None:
        go_on = asyncio.Event()
        ran: list[UUID] = []

        async def probe(ctx: TaskContext) -> None:
            ran.append(ctx.job_id)
            if ctx.args.get("waits"):
                await go_on.wait()

        async def are_given_back() -> bool:
            types = [await event_types(sql, job) for job in behind]
            return types == [["CREATED", "STARTED", "RELEASED"]] * 3

        short = [await make(sql) for _ in range(60)]
        one_slot = settings.model_copy(update={"worker_slots_io": 1})
        async with worker_for_tests(one_slot, {JobKind.PROBE: probe}):
            await ended(sql, *short)
            async with sql.transaction():
                long = await make(sql, args={"waits": True})
                behind = [await make(sql) for _ in range(3)]
            await until(are_given_back)
            go_on.set()
            assert await ended(sql, long, *behind) == ["SUCCEEDED"] * 4

        assert sorted(ran) == sorted([*short, long, *behind])
        assert [(await row(sql, job))["failures"] for job in behind] == [0, 0, 0]

    async def test_a_worker_that_drains_gives_them_back(self, sql: Any, settings: Settings) -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def probe(ctx: TaskContext) -> None:
            if ctx.args.get("waits"):
                began.set()
                await go_on.wait()

        async def are_given_back() -> bool:
            return [await event_types(sql, job) for job in behind] == [["CREATED", "STARTED", "RELEASED"]] * 3

        short = [await make(sql) for _ in range(60)]
        one_slot = settings.model_copy(update={"worker_slots_io": 1})
        async with worker_for_tests(one_slot, {JobKind.PROBE: probe}) as worker:
            await ended(sql, *short)
            async with sql.transaction():
                long = await make(sql, args={"waits": True})
                behind = [await make(sql) for _ in range(3)]
            await began.wait()
            worker.drain()
            await until(are_given_back)  # while the long one still runs
            go_on.set()

        assert await status(sql, long, *behind) == ["SUCCEEDED", "QUEUED", "QUEUED", "QUEUED"]

    async def test_a_worker_that_drains_in_the_middle_of_many_loses_none(self, sql: Any, settings: Settings) -> None:
        done = asyncio.Event()
        ran: list[UUID] = []

        async def probe(ctx: TaskContext) -> None:
            ran.append(ctx.job_id)
            if len(ran) == 100:
                done.set()

        jobs = [await make(sql) for _ in range(300)]
        async with worker_for_tests(settings, {JobKind.PROBE: probe}) as worker:
            await done.wait()
            worker.drain()

        states = Counter(await status(sql, *jobs))
        assert states["SUCCEEDED"] == len(ran) == len(set(ran))
        assert states["QUEUED"] == 300 - len(ran)
        assert await sql.fetchval("select sum(losses) from jobs") == 0

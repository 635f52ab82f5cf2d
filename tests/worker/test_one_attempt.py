"""One attempt of a job at a time in one process, whatever was lost or forgotten; no attempt ends another one's job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from saq.job import Job as SaqJob
from saq.job import Status

from cuepoint.config import Settings
from cuepoint.db.session import Database, Effect
from cuepoint.features.jobs.claims import Outcome, end_attempt
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.announcer import Announcer
from cuepoint.worker.attempt import Attempt, Attempts
from cuepoint.worker.connections import Connections
from cuepoint.worker.finisher import Finisher
from cuepoint.worker.queue import DurableQueue
from tests.support.jobs import ended, event_types, forget_claim, make, make_worker, row, take, until
from tests.support.workers import worker_for_tests


class Deaf:
    """A task that cannot be stopped: each attempt ends when it may."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.running = 0
        self.most = 0
        self.may_end = [asyncio.Event(), asyncio.Event()]

    async def __call__(self, ctx: TaskContext) -> dict[str, Any]:
        turn = len(self.began)
        self.began.append(ctx.attempt)
        self.running += 1
        self.most = max(self.most, self.running)
        while not self.may_end[turn].is_set():
            try:
                await self.may_end[turn].wait()
            except asyncio.CancelledError:
                continue
        self.running -= 1
        return {"turn": turn}

    @asynccontextmanager
    async def to_the_end(self) -> AsyncIterator[None]:
        """Afterwards every attempt may end."""
        try:
            yield
        finally:
            for one in self.may_end:
                one.set()


class TestOneAttempt:
    async def test_a_lost_job_that_does_not_stop_is_begun_again_only_when_it_has(
        self, sql: Any, settings: Settings
    ) -> None:
        deaf = Deaf()
        job = await make(sql)

        async def is_given_back() -> bool:
            return "RELEASED" in await event_types(sql, job)

        async def runs_again() -> bool:
            return len(deaf.began) == 2

        async with worker_for_tests(settings, {JobKind.PROBE: deaf}) as worker, deaf.to_the_end():
            await until(lambda: _is(deaf.began))
            await sql.execute("update workers set state = 'LOST' where id = $1", worker.worker_id)
            await until(is_given_back)
            deaf.may_end[0].set()
            await until(runs_again)
            between = (await row(sql, job))["status"]
            deaf.may_end[1].set()
            await ended(sql, job)

        found = await row(sql, job)
        assert deaf.most == 1
        assert between == "RUNNING"
        assert (found["status"], found["result"]) == ("SUCCEEDED", {"turn": 1})

    async def test_a_claim_that_postgres_forgot_and_makes_anew_is_the_running_one_s(
        self, sql: Any, settings: Settings
    ) -> None:
        deaf = Deaf()
        job = await make(sql)
        settings = settings.model_copy(update={"lease_seconds": 300.0})  # a renewal in between would give the job back

        async def is_claimed_again() -> bool:
            return (await row(sql, job))["status"] == "RUNNING"

        async with worker_for_tests(settings, {JobKind.PROBE: deaf}), deaf.to_the_end():
            await until(lambda: _is(deaf.began))
            await forget_claim(sql, job)
            await until(is_claimed_again)
            deaf.may_end[0].set()
            await ended(sql, job)

        assert deaf.began == [1]
        assert (await row(sql, job))["result"] == {"turn": 0}

    async def test_saq_s_end_of_an_attempt_is_not_that_of_one_claimed_since(
        self, sql: Any, tmp_path: Path, database_url: str, db: Database
    ) -> None:
        """A job that was given back may be claimed anew before SAQ has left the slot of the first."""
        job = await make(sql)
        queue = DurableQueue.from_url("redis://127.0.0.1:1/0", name="cuepoint")
        assert isinstance(queue, DurableQueue)
        freed: list[str] = []
        finisher = Finisher(Connections(database_url), Attempts(), Announcer(_nobody))
        queue.bind(db, finisher, lambda lane, _: freed.append(lane))
        first, second = [await _attempt(sql, job, tmp_path) for _ in range(2)]

        slots: list[SaqJob] = []
        for attempt in (first, second):
            queue.put(attempt)
            taken = await queue.dequeue()
            assert taken is not None
            slots.append(taken)
        first.is_over = True
        await slots[0].finish(Status.COMPLETE)

        assert (second.is_over, freed) == (False, ["io"])
        assert queue.attempt_of(slots[1]) is second
        await queue.disconnect()


async def _nobody(_effects: Sequence[Effect]) -> None:
    """Told to nobody."""


async def _attempt(sql: Any, job: UUID, folder: Path) -> Attempt:
    """A new attempt of the job, given back at once."""
    [claimed] = await take(sql, await make_worker(sql))
    await end_attempt(sql, claimed.fence, Outcome.RELEASE)
    assert claimed.fence.job_id == job
    return Attempt(claimed, folder)


async def _is(value: object) -> bool:
    return bool(value)

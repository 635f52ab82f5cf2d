"""Ten connections at once on a few hot jobs and their dependents, then the invariants by SQL.

A model on one connection cannot see the races between them: a statement whose snapshot is older than the lock that it
waited for passes every test but this one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest

from cuepoint.features.jobs.claims import Fence, Outcome, claim, end_attempt, succeed
from cuepoint.features.jobs.leases import lost, promote, remove_worker
from cuepoint.features.jobs.statements import is_conflict
from cuepoint.features.jobs.transitions import cancel, retry
from tests.support.job_twin import ERROR, LOST_ERROR, replayed, to_event
from tests.support.jobs import connect, make, make_worker, status, until, violations
from tests.support.waiting import is_someone_waiting

CONNECTIONS = 10
MOVES = ("create", "claim", "finish", "end", "cancel", "retry", "lose")
MOST_SELDOM = 20
HOT = 6  # the newest jobs: every connection works on these and their dependents
LONG_LEASE = 3600.0

T = TypeVar("T")

_REASONLESS = """
select j.id from jobs j where j.cancel_reason = 'DEPENDENCY' and j.dedupe_key is null and not exists (
  select from job_dependencies d join jobs p on p.id = d.dependency_id
  where d.job_id = j.id and d.is_required and p.status in ('FAILED', 'CANCELLED'))
"""
_LIVES_ON_DEAD = """
select j.id from jobs j join job_dependencies d on d.job_id = j.id and d.is_required
join jobs p on p.id = d.dependency_id where j.finished_at is null and p.status in ('FAILED', 'CANCELLED')
"""
_EFFECTS = """
select j.id from jobs j left join effects e on e.job_id = j.id group by j.id
having count(e.job_id) <> (j.status = 'SUCCEEDED')::integer or max(e.attempt) <> j.attempt
"""
_STATES = "select id, status, attempt, seq, worker_id, started_at, finished_at from jobs"


class Crowd:
    """What the connections share: the jobs they made and the fences they hold."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.jobs: list[UUID] = []
        self.fences: list[Fence] = []
        self.done: Counter[str] = Counter()

    async def work(self, sql: Any, until: float) -> None:
        worker_id = await make_worker(sql, lease_seconds=LONG_LEASE)
        actions = [self.create] * 4 + [self.finish] * 5 + [self.claim] * 4 + [self.end] * 3 + [self.cancel] * 2
        actions += [self.retry] * 4 + [self.lose, self.finish_many]
        while time.monotonic() < until or not self.has_seen_all():
            action = self.random.choice(actions)
            if action == self.lose:
                worker_id = await self.lose(sql, worker_id)
            else:
                self.remember(await self.repeat(sql, partial(action, sql, worker_id)))
            self.done[action.__name__] += 1

    def has_seen_all(self) -> bool:
        """Every move was made often enough, however slow the machine is."""
        return all(self.done[name] > MOST_SELDOM for name in MOVES)

    async def repeat(self, sql: Any, work: Callable[[], Awaitable[T]]) -> T:
        """One transaction, again if another one won: as the product does."""
        while True:
            try:
                async with sql.transaction():
                    return await work()
            except asyncpg.PostgresError as error:
                if not is_conflict(error):
                    raise
                self.done[type(error).__name__] += 1

    def remember(self, made: UUID | list[Fence] | None) -> None:
        """Only now, after the commit, may others try it."""
        if isinstance(made, UUID):
            self.jobs.append(made)
        elif made is not None:
            self.fences += made

    async def breathe(self) -> None:
        """Inside a transaction: the others get on meanwhile."""
        await asyncio.sleep(self.random.choice((0, 0.001, 0.003)))

    def hot(self) -> UUID:
        return self.random.choice(self.jobs[-HOT:])

    def a_fence(self) -> Fence | None:
        """Mostly a fresh one; some stay, to come too late."""
        if not self.fences:
            return None
        position = self.random.randrange(max(0, len(self.fences) - HOT), len(self.fences))
        return self.fences.pop(position) if self.random.random() < 0.9 else self.fences[position]

    async def create(self, sql: Any, _worker_id: UUID) -> UUID:
        wanted = self.random.choice((0, 1, 1, 2, 3)) if self.jobs else 0
        edges = {self.hot(): self.random.random() < 0.6 for _ in range(wanted)}
        key = self.random.choice((None, None, None, None, None, "a", "b"))
        job_id = await make(sql, depends_on=list(edges.items()), dedupe_key=key, max_attempts=2)
        await self.breathe()
        if self.random.random() < 0.3:  # a job that is seen only after its commit, with its dependencies held
            await make(sql, needs=[job_id], wants=[self.hot()] if self.jobs else [])
        return job_id

    async def claim(self, sql: Any, worker_id: UUID) -> list[Fence]:
        claimed = await claim(sql, lane="io", worker_id=worker_id, limit=self.random.choice((1, 2, 4)))
        return [c.fence for c in claimed]

    async def finish(self, sql: Any, _worker_id: UUID) -> None:
        """Results and state in one transaction; the fence alone decides whether they stay."""
        fence = self.a_fence()
        if fence is None:
            return
        changes = await succeed(sql, [(fence, None)])
        if changes:
            await sql.execute("insert into effects values ($1, $2)", fence.job_id, fence.attempt)
        await self.breathe()

    async def finish_many(self, sql: Any, _worker_id: UUID) -> None:
        fences = [f for f in (self.a_fence() for _ in range(4)) if f is not None]
        for change in await succeed(sql, [(f, None) for f in fences]):
            if change.type == "SUCCEEDED":
                await sql.execute("insert into effects values ($1, $2)", change.job_id, change.attempt)

    async def end(self, sql: Any, _worker_id: UUID) -> None:
        fence = self.a_fence()
        if fence is not None:
            outcome = self.random.choice(list(Outcome))
            delay = 0.01 if outcome is Outcome.SNOOZE else 0.0
            await end_attempt(sql, fence, outcome, delay_seconds=delay, error=ERROR)
            await promote(sql)
            await self.breathe()

    async def cancel(self, sql: Any, _worker_id: UUID) -> None:
        if self.jobs:
            await cancel(sql, [self.hot()])
            await self.breathe()

    async def retry(self, sql: Any, _worker_id: UUID) -> None:
        if self.jobs:
            await retry(sql, self.hot())
            await self.breathe()

    async def lose(self, sql: Any, worker_id: UUID) -> UUID:
        """The worker is over, its jobs are taken back, and it comes again under a new name."""
        await remove_worker(sql, worker_id)
        await self.repeat(sql, lambda: lost(sql, stop_seconds=LONG_LEASE, lease_seconds=LONG_LEASE, error=LOST_ERROR))
        return await make_worker(sql, lease_seconds=LONG_LEASE)


async def broken(sql: Any) -> list[str]:
    """Invariants that do not hold, now that nobody works."""
    names = [name for name in await violations(sql) if not name.startswith("cancelled because")]
    own = {
        "cancelled for a dependency that lives": _REASONLESS,
        "lives on a dead dependency": _LIVES_ON_DEAD,
        "not one effect for one success": _EFFECTS,
    }
    names += [name for name, query in own.items() if await sql.fetch(query)]
    events = [to_event(r) for r in await sql.fetch("select * from job_events order by job_id, seq")]
    states = {r["id"]: tuple(r)[1:] for r in await sql.fetch(_STATES)}
    return names + (["the log does not replay to the states"] if replayed(events) != states else [])


async def run_out(sql: Any, crowd: Crowd) -> None:
    """Everything that still can run does, well."""
    worker_id = await make_worker(sql, lease_seconds=LONG_LEASE)
    await sql.execute("update workers set state = 'GONE' where id <> $1", worker_id)
    await lost(sql, stop_seconds=0, lease_seconds=LONG_LEASE, error=LOST_ERROR)
    await sql.execute("update jobs set run_at = now() - interval '1 hour' where status = 'SCHEDULED'")
    await promote(sql)
    crowd.fences.clear()
    while claimed := await claim(sql, lane="io", worker_id=worker_id, limit=100):
        crowd.fences += [c.fence for c in claimed]
        while crowd.fences:
            await crowd.repeat(sql, lambda: crowd.finish(sql, worker_id))


@pytest.fixture
async def crowded_url(own_database_url: str) -> str:
    async with connect(own_database_url) as sql:
        await sql.execute("create table effects (job_id uuid, attempt integer)")
    return own_database_url


async def run_round(url: str, seed: int, seconds: float) -> Counter[str]:
    """All at once, then: the invariants hold, whoever can end ends, and they hold again."""
    crowd = Crowd(seed)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connect(url)) for _ in range(CONNECTIONS)]
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(crowd.work(connection, until))
        sql = connections[0]
        found = await broken(sql)
        assert found == [], f"seed {seed}: {dict(crowd.done)}"
        await run_out(sql, crowd)
        assert await broken(sql) == []
        assert await sql.fetch("select id, status from jobs where finished_at is null") == []
        await sql.execute("delete from job_events; delete from job_dependencies; delete from jobs; delete from effects")
    return crowd.done


class TestConcurrency:
    async def test_ten_connections_on_a_few_hot_jobs(self, crowded_url: str) -> None:
        done: Counter[str] = Counter()
        for seed in range(3):
            done += await run_round(crowded_url, seed, 1.5)

        assert all(done[name] > MOST_SELDOM for name in MOVES), dict(done)

    @pytest.mark.long
    async def test_the_same_for_minutes(self, crowded_url: str) -> None:
        for seed in range(100, 130):
            done = await run_round(crowded_url, seed, 5.0)

            assert all(done[name] > MOST_SELDOM for name in MOVES), f"seed {seed}: {dict(done)}"


class TestRacesOfRetry:
    """Those that the crowd meets too seldom."""

    async def test_is_refused_when_a_dependency_dies_meanwhile(self, own_database_url: str) -> None:
        async with connect(own_database_url) as sql, connect(own_database_url) as other:
            root = await make(sql)
            child = await make(sql, needs=[root])
            await cancel(sql, [child])

            async with other.transaction():
                await cancel(other, [root])
                retrying = asyncio.create_task(retry(sql, child))
                await wait_or_finish(other, retrying)

            assert await retrying == ()
            assert await status(sql, root, child) == ["CANCELLED", "CANCELLED"]

    async def test_two_dead_dependencies_retried_at_once_bring_their_dependent_back(
        self, own_database_url: str
    ) -> None:
        async with connect(own_database_url) as sql, connect(own_database_url) as other:
            first, second = await make(sql), await make(sql)
            child = await make(sql, needs=[first, second])
            await cancel(sql, [first])
            await cancel(sql, [second])

            async with other.transaction():
                await retry(other, first)
                retrying = asyncio.create_task(retry(sql, second))
                await wait_or_finish(other, retrying)
            await retrying

            assert await status(sql, first, second, child) == ["QUEUED", "QUEUED", "BLOCKED"]
            assert await violations(sql) == []

    async def test_a_dependent_that_a_user_cancels_meanwhile_stays_cancelled(self, own_database_url: str) -> None:
        async with connect(own_database_url) as sql, connect(own_database_url) as other:
            root = await make(sql)
            child = await make(sql, needs=[root])
            await cancel(sql, [root])

            async with other.transaction():
                await cancel(other, [child])
                retrying = asyncio.create_task(retry(sql, root))
                await wait_or_finish(other, retrying)
            await retrying

            assert await status(sql, root, child) == ["QUEUED", "CANCELLED"]


async def wait_or_finish(sql: Any, task: asyncio.Task[Any]) -> None:
    """Until the other transaction waits for this one, or did not have to."""

    async def is_so() -> bool:
        return task.done() or await is_someone_waiting(sql)

    await until(is_so)

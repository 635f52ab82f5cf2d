"""Helpers of job tests: a connection as workers have it, the clock of the database, and the invariants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.claims import Claimed, Outcome, claim, end_attempt, succeed
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.leases import register_worker
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import use_json_text
from cuepoint.features.jobs.transitions import NewJob, create

LEASE = 15.0


@asynccontextmanager
async def connect(database_url: str) -> AsyncIterator[Any]:
    """A connection as a worker's pool has it."""
    connection = await asyncpg.connect(database_url)
    await use_json_text(connection)
    try:
        yield connection
    finally:
        await connection.close()


async def move_clock(sql: Any, seconds: float) -> None:
    """The database's clock is that far ahead of the machine's, until it is moved again."""
    body = f"select clock_timestamp() + interval '{seconds} seconds'"
    if body != await sql.fetchval("select prosrc from pg_proc where proname = 'job_now'"):  # else plans are kept
        await sql.execute(
            f"create or replace function job_now() returns timestamptz language sql volatile as $${body}$$"
        )


async def make(
    sql: Any, kind: JobKind = JobKind.PROBE, *, needs: Sequence[UUID] = (), wants: Sequence[UUID] = (), **values: Any
) -> UUID:
    """A job by the transition alone; `needs` are required dependencies, `wants` optional ones."""
    spec = SPECS[kind]
    given = {
        "lane": spec.lane,
        "timeout_seconds": 100,
        "max_attempts": 3,
        "cost": 30.0,
        "depends_on": [(i, True) for i in needs] + [(i, False) for i in wants],
    } | values
    return (await create(sql, NewJob(kind=kind, **given))).job_id


async def make_worker(sql: Any, *, lease_seconds: float = LEASE) -> UUID:
    """A LIVE worker."""
    worker_id = uuid7()
    await register_worker(sql, worker_id, lanes=["io"], info={}, lease_seconds=lease_seconds)
    return worker_id


async def take(sql: Any, worker_id: UUID, *, lane: str = "io", limit: int = 1) -> list[Claimed]:
    """Claim."""
    return await claim(sql, lane=lane, worker_id=worker_id, limit=limit)


async def run(
    sql: Any, worker_id: UUID, job_id: UUID, outcome: Outcome | None = None, *, lane: str = "io"
) -> list[Change]:
    """Claim everything of the lane and end this one; None is success."""
    for claimed in await take(sql, worker_id, lane=lane, limit=100):
        if claimed.fence.job_id == job_id:
            if outcome is None:
                return await succeed(sql, [(claimed.fence, None)])
            return await end_attempt(sql, claimed.fence, outcome)
    raise AssertionError("the job was not claimed")


async def forget_claim(sql: Any, job_id: UUID) -> None:
    """As a crash of Postgres does with the first claim of a job, which is not on the disk when it is told."""
    async with sql.transaction():
        await sql.execute("delete from job_events where job_id = $1 and seq = 2", job_id)
        await sql.execute(
            "update jobs set status = 'QUEUED', attempt = 0, worker_id = null, started_at = null, seq = 1 "
            "where id = $1",
            job_id,
        )


async def row(sql: Any, job_id: UUID) -> Any:
    """The job's row."""
    return await sql.fetchrow("select * from jobs where id = $1", job_id)


async def status(sql: Any, *job_ids: UUID) -> list[str]:
    """Their states."""
    return [(await row(sql, job_id))["status"] for job_id in job_ids]


async def event_types(sql: Any, job_id: UUID) -> list[str]:
    """Types of its events, in order."""
    rows = await sql.fetch("select type from job_events where job_id = $1 order by seq", job_id)
    return [r["type"] for r in rows]


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Returns once the condition holds; fails the test after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what it waits for happens in other processes
            await asyncio.sleep(0.01)


async def is_over(sql: Any, *jobs: Any) -> bool:
    """Whether all of them are."""
    return all(s in ("SUCCEEDED", "FAILED", "CANCELLED") for s in await status(sql, *jobs))


async def ended(sql: Any, *jobs: Any, seconds: float = 10.0) -> list[str]:
    """Their states once all are over."""
    await until(lambda: is_over(sql, *jobs), seconds=seconds)
    return await status(sql, *jobs)


_VIOLATIONS = {
    "numbers of events have gaps": """
        select j.id from jobs j left join job_events e on e.job_id = j.id
        group by j.id
        having count(e.seq) <> j.seq or coalesce(max(e.seq), 0) <> j.seq or coalesce(min(e.seq), 0) <> 1""",
    "the last event does not say the state": """
        select j.id from jobs j join job_events e on e.job_id = j.id and e.seq = j.seq
        where e.data ->> 'status' <> j.status""",
    "dependencies_left is not the number of unsettled dependencies": """
        select j.id from jobs j
        left join job_dependencies d on d.job_id = j.id left join jobs p on p.id = d.dependency_id
        group by j.id
        having j.dependencies_left <> count(p.id) filter (
          where (d.is_required and p.status <> 'SUCCEEDED')
             or (not d.is_required and p.status not in ('SUCCEEDED', 'FAILED', 'CANCELLED')))""",
    "blocked on nothing": "select id from jobs where status = 'BLOCKED' and dependencies_left = 0",
    "waits for a required dependency that is dead": """
        select j.id from jobs j join job_dependencies d on d.job_id = j.id and d.is_required
        join jobs p on p.id = d.dependency_id
        where j.status in ('BLOCKED') and p.status in ('FAILED', 'CANCELLED')""",
    "cancelled because of a dependency, but none is dead": """
        select j.id from jobs j where j.cancel_reason = 'DEPENDENCY' and not exists (
          select from job_dependencies d join jobs p on p.id = d.dependency_id
          where d.job_id = j.id and d.is_required and p.status in ('FAILED', 'CANCELLED'))
        and not exists (select from jobs o where o.dedupe_key = j.dedupe_key and o.finished_at is null)""",
}


async def violations(sql: Any) -> list[str]:
    """Broken invariants of the job layer, by name."""
    return [name for name, query in _VIOLATIONS.items() if await sql.fetch(query)]


@asynccontextmanager
async def checked(sql: Any) -> AsyncIterator[Any]:
    """The connection, of a test. At its end the clock is right again, and the invariants hold."""
    yield sql
    await move_clock(sql, 0)
    assert await violations(sql) == []

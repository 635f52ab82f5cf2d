"""What feeds read: the watermark under open transactions, and pages whose order holds whatever the times say."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database
from cuepoint.features.jobs.event_log import SLACK_SECONDS, Scope, database_now, read_live, read_page, watermark
from cuepoint.features.jobs.hub import JobHub
from tests.support.builders.jobs import make_project, make_viewer
from tests.support.feeds import FeedReader, hub_on
from tests.support.graphql import count_statements
from tests.support.jobs import connect, make, run
from tests.support.waiting import blocked_or_done

EVERYTHING = Scope(None)
FIRST = (UUID(int=0), 0)
SLACK = timedelta(seconds=SLACK_SECONDS)


async def marked(db: Database) -> tuple[datetime, datetime, datetime]:
    """The time, the watermark after it, and the time after that."""
    async with db.read() as session:
        return await database_now(session), await watermark(session), await database_now(session)


class TestEvents:
    async def test_go_with_their_jobs_however_these_go(self, sql: Any, db: Database, project: UUID) -> None:
        single, _, kept = await make(sql), await make(sql, project_id=project), await make(sql)

        await sql.execute("delete from jobs where id = $1", single)
        await sql.execute("delete from projects where id = $1", project)

        assert await sql.fetchval("select array_agg(job_id) from job_events") == [kept]


class TestWatermark:
    async def test_lies_a_second_back(self, db: Database) -> None:
        before, mark, after = await marked(db)

        assert before <= mark + SLACK <= after

    async def test_stops_at_the_begin_of_a_transaction_that_has_written(self, db: Database, database_url: str) -> None:
        async with connect(database_url) as other:
            transaction = other.transaction()
            await transaction.start()
            began = await other.fetchval("select now()")
            await make(other)
            _, mark, _ = await marked(db)
            await transaction.rollback()

        assert timedelta(0) <= began - SLACK - mark < timedelta(milliseconds=50)

    async def test_does_not_wait_for_one_that_reads(self, db: Database, database_url: str) -> None:
        async with connect(database_url) as other, other.transaction():
            await other.fetchval("select count(*) from jobs")
            before, mark, after = await marked(db)

        assert before <= mark + SLACK <= after

    async def test_counts_a_statement_that_waits_before_it_writes(
        self, sql: Any, db: Database, database_url: str
    ) -> None:
        job = await make(sql)
        async with connect(database_url) as other:
            async with sql.transaction():
                await sql.fetch("select from jobs where id = $1 for update", job)
                waiting = asyncio.create_task(other.fetch("select from jobs where id = $1 for share", job))
                await blocked_or_done(db, waiting)
                before, mark, _ = await marked(db)
            await waiting

        assert mark + SLACK < before


class TestReadPage:
    async def test_an_earlier_event_with_a_later_time_comes_first(self, sql: Any, worker: UUID, db: Database) -> None:
        job = await make(sql)
        await run(sql, worker, job)
        since, until = await sql.fetchrow(
            "select at - interval '1 second', at + interval '10 seconds' from job_events where job_id = $1 and seq = 1",
            job,
        )
        await sql.execute("update job_events set at = $2 where job_id = $1 and seq = 2", job, until + SLACK)

        async with db.read() as session:
            page = await read_page(session, EVERYTHING, since, until, FIRST)
            rest = await read_page(session, EVERYTHING, since, until, (job, 2))

        assert [row.event.seq for row in page if row.event] == [1, 2, 3]
        assert [row.event.seq for row in rest if row.event] == [3]

    async def test_narrows_to_projects(self, sql: Any, db: Database) -> None:
        project = await make_project(db)
        await make(sql)
        job = await make(sql, project_id=project)
        start = datetime.fromisoformat("2020-01-02T00:00:00+00:00")

        async with db.read() as session:
            page = await read_page(session, Scope((project,)), start, None, FIRST)
            nothing = await read_page(session, Scope(()), start, None, FIRST)

        assert ([row.id for row in page], nothing) == ([job], [])


class TestReadLive:
    async def test_uses_the_index_on_time(self, sql: Any, db: Database) -> None:
        await sql.execute(
            """insert into jobs (id, kind, lane, timeout_seconds, status, due, seq)
            select gen_random_uuid(), 'PROBE', 'io', 1, 'QUEUED', now(), 1 from generate_series(1, 5000)"""
        )
        await sql.execute(
            """insert into job_events (job_id, seq, at, type, attempt, data)
            select id, 1, now() - interval '1 hour', 'CREATED', 0, '{"status": "QUEUED"}' from jobs"""
        )
        await sql.execute("analyze jobs, job_events")
        with count_statements(db.engine) as seen:
            async with db.read() as session:
                now = await database_now(session)
                await read_live(session, now - timedelta(seconds=2), [UUID(int=1)], [])

        seen.seen = seen.seen[-1:]
        plan = await seen.plans(db)
        assert "ix_job_events_at" in plan
        assert "Seq Scan on jobs" not in plan
        assert "Seq Scan on job_events" not in plan


class TestSafetyQuery:
    async def test_is_one_for_all_jobs_and_feeds(self, sql: Any, db: Database, redis_url: str) -> None:
        project = await make_project(db)
        viewer = await make_viewer(db, project)
        live = RedisLive(redis_url)
        async with hub_on(db, live, safety_seconds=0.1) as hub:
            readers = [await FeedReader(hub, viewer).caught_up() for _ in range(10)]
            watchers = [asyncio.create_task(_first(hub, await make(sql, project_id=project))) for _ in range(10)]
            for reader in readers:
                await reader.until(lambda r: len(r.numbers) == 10)
            began = time.monotonic()
            with count_statements(db.engine) as seen:
                async with asyncio.timeout(15):
                    while len(seen) < 10:  # noqa: ASYNC110 - asked by the hub's task
                        await asyncio.sleep(0.01)
            took = time.monotonic() - began
            for task in watchers:
                task.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            for reader in readers:
                await reader.stop()
        await live.close()

        assert len(seen) <= took / 0.1 + 3  # both ends, one begun before, one asked for besides


async def _first(hub: JobHub, job: UUID) -> None:
    async for _ in hub.watch_job(job):
        continue

"""Feeds miss nothing: lost messages, Redis and Postgres away, late commits, bursts, slow readers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.claims import Outcome
from cuepoint.features.jobs.cursors import Cursor
from cuepoint.features.jobs.event_log import (
    LIVE_ROWS,
    SLACK_SECONDS,
    LiveRead,
    LoggedJob,
    Scope,
    database_now,
    read_page,
)
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.feeds import MAX_WAITING, Feed
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.progress import UpdateType
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_project, make_video, make_viewer
from tests.support.database import put_out_others
from tests.support.feeds import FeedReader, LossyLive, churn, gapless, hub_on, revive
from tests.support.jobs import connect, make, make_worker
from tests.support.redis import start_redis


class TestWatchFeed:
    async def test_a_third_of_the_messages_is_lost(
        self, sql: Any, worker: UUID, db: Database, redis_url: str, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        lossy = LossyLive(redis_url, 0.3)
        async with hub_on(db, lossy, safety_seconds=0.2) as hub, hub_on(db, lossy, safety_seconds=0.2) as other:
            readers = [await FeedReader(h, viewer, JobFilter(project_id=project)).caught_up() for h in (hub, other)]
            for _ in range(20):
                await make(sql, project_id=project)
            last = await churn(sql, worker, live, 10)
            for reader in readers:
                await reader.has_events(last)
                await reader.stop()
        await lossy.close()

        assert lossy.lost > 100
        assert all(gapless(reader.numbers, last) for reader in readers)

    async def test_without_redis_everything_comes_two_seconds_late_at_most(
        self, sql: Any, worker: UUID, db: Database, project: UUID, viewer: Viewer
    ) -> None:
        deaf = RedisLive("redis://127.0.0.1:1/0")
        async with hub_on(db, deaf, safety_seconds=0.1) as hub:
            reader = await FeedReader(hub, viewer).caught_up()
            for _ in range(3):
                await make(sql, project_id=project)
            last = await churn(sql, worker, None, 2)
            await reader.has_events(last, seconds=3)
            await reader.stop()
        await deaf.close()

        assert gapless(reader.numbers, last)

    async def test_redis_is_flushed_killed_and_back(
        self, sql: Any, worker: UUID, db: Database, project: UUID, viewer: Viewer
    ) -> None:
        with start_redis() as redis:
            live = RedisLive(redis.url)
            async with hub_on(db, live, safety_seconds=0.3) as hub:
                reader = await FeedReader(hub, viewer).caught_up()
                jobs = [await make(sql, project_id=project) for _ in range(3)]
                await churn(sql, worker, live, 1, Outcome.PERMANENT)
                redis.kill()
                await revive(sql, jobs)
                last = await churn(sql, worker, live, 1, Outcome.PERMANENT)
                await reader.has_events(last)
                redis.start()
                await revive(sql, jobs)
                jobs += [await make(sql, project_id=project) for _ in range(3)]
                last = await churn(sql, worker, live, 1)
                await reader.has_events(last)
                await reader.stop()
            await live.close()

        assert set(last) == set(jobs)
        assert gapless(reader.numbers, last)

    async def test_postgres_drops_every_connection(
        self, own_database_url: str, redis_url: str, live: RedisLive
    ) -> None:
        db = Database(create_engine(own_database_url))
        project = await make_project(db)
        viewer = await make_viewer(db, project)
        async with connect(own_database_url) as sql, hub_on(db, live, safety_seconds=0.1) as hub:
            worker = await make_worker(sql)
            reader = await FeedReader(hub, viewer).caught_up()
            jobs = [await make(sql, project_id=project) for _ in range(3)]
            for _ in range(3):
                await put_out_others(sql)
                await churn(sql, worker, live, 2, Outcome.PERMANENT)
                await revive(sql, jobs)
                jobs.append(await make(sql, project_id=project))
            last = await churn(sql, worker, live, 0)
            await reader.has_events(last)
            await reader.stop()
        await db.close()

        assert gapless(reader.numbers, last)

    async def test_a_commit_that_comes_late_is_not_passed_over(
        self, sql: Any, worker: UUID, db: Database, database_url: str, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        async with (
            connect(database_url) as slow,
            hub_on(db, live, safety_seconds=0.1) as hub,
            hub_on(db, live, safety_seconds=0.1) as other,
        ):
            reader = await FeedReader(hub, viewer).caught_up()
            transaction = slow.transaction()
            await transaction.start()
            late = await make(slow, project_id=project)
            for _ in range(3):
                await make(sql, project_id=project)
            await reader.has_events(await churn(sql, worker, live, 2))
            await asyncio.sleep(2 * SLACK_SECONDS)  # only the open transaction holds the watermark back
            cursor = await reader.stop()
            again = await FeedReader(other, viewer, after=cursor).caught_up()
            await transaction.commit()
            await again.has_events({late: 1})
            await again.stop()

        assert again.numbers == {late: [1]}

    async def test_more_changes_than_a_cursor_holds(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        async with hub_on(db, live, safety_seconds=0.2) as hub:
            reader = await FeedReader(hub, viewer).caught_up()
            jobs: list[UUID] = []
            numbers: dict[UUID, list[int]] = {}
            for _ in range(3):
                jobs += [await make(sql, project_id=project) for _ in range(200)]
                await reader.until(lambda r: len(r.numbers) >= 60)
                cursor = await reader.stop()
                for job, seen in reader.numbers.items():
                    numbers.setdefault(job, []).extend(seen)
                reader = FeedReader(hub, viewer, after=cursor)
            total = len(jobs)
            await reader.until(lambda r: len(numbers.keys() | r.numbers.keys()) == total)
            await reader.stop()
            for job, seen in reader.numbers.items():
                numbers.setdefault(job, []).extend(seen)

        assert numbers == {job: [1] for job in jobs}
        assert max(len(update.cursor) for update in reader.updates) < 3500

    async def test_more_events_than_one_read_brings(
        self, sql: Any, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        async with hub_on(db, live, safety_seconds=0.1) as hub:
            reader = await FeedReader(hub, viewer).caught_up()
            job = await make(sql, project_id=project)
            count = LIVE_ROWS + 500
            async with sql.transaction():
                await add_events(sql, job, count)
            await reader.has_events({job: count})
            await reader.stop()

        assert gapless(reader.numbers, {job: count})

    async def test_a_slow_reader_keeps_little_and_misses_nothing(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        request = FeedRequest(viewer, JobFilter(project_id=project))
        async with hub_on(db, live, safety_seconds=0.1) as hub, aclosing(hub.watch_feed(request)) as updates:
            assert (await anext(updates)).job is None
            [feed] = hub._feeds
            jobs = [await make(sql, project_id=project) for _ in range(10)]
            most = 0
            for _ in range(20):
                await churn(sql, worker, live, 0, Outcome.PERMANENT)
                await revive(sql, jobs)
                await asyncio.sleep(0.06)  # a read of the hub
                most = max(most, sum(isinstance(one, LoggedJob) for one in feed._waiting))  # beside watermarks
            last = await churn(sql, worker, live, 0)
            numbers: dict[UUID, list[int]] = {job: [] for job in jobs}
            async with asyncio.timeout(15):
                async for update in updates:
                    if update.update is not None and update.update.type is UpdateType.EVENT:
                        numbers[update.update.job_id].append(update.update.seq)
                    if all(numbers[job][-1:] == [seq] for job, seq in last.items()):
                        break

        assert 0 < most <= MAX_WAITING
        assert gapless(numbers, last)

    async def test_more_events_than_one_read_brings_hide_none_of_another_job(
        self, sql: Any, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        video = await make_video(db, project)
        async with hub_on(db, live, safety_seconds=0.1) as hub:
            reader = await FeedReader(hub, viewer, JobFilter(video_id=video)).caught_up()
            noise = await make(sql, project_id=project)
            count = LIVE_ROWS + 500
            async with sql.transaction():
                await add_events(sql, noise, count)
                job = await make(sql, project_id=project, video_id=video)
            await reader.has_events({job: 1})
            await reader.stop()

        assert reader.numbers == {job: [1]}

    async def test_an_event_that_commits_while_a_watermark_is_taken_is_told(
        self, sql: Any, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        job = await make(sql, project_id=project)
        async with db.read() as session:
            start = await database_now(session) - timedelta(minutes=1)
            [logged] = await read_page(session, Scope(None), start, None, (UUID(int=0), 0))
        assert logged.event is not None
        after_it = logged.event.at + timedelta(seconds=1)
        feed = Feed(db, FeedRequest(viewer, JobFilter()), Scope((project,)))
        feed._is_behind = False
        hub = JobHub(db, live)
        hub._feeds, hub._next_base, seen = {feed}, start, Cursor(start)

        hub._tell_feeds(
            seen, LiveRead([], [], after_it)
        )  # its rows are from before the commit, its watermark from after
        hub._tell_feeds(seen, LiveRead([logged], [], after_it))

        assert [item for item in feed._waiting if item is logged] == [logged]
        assert seen.base == after_it
        assert job == logged.id


async def add_events(sql: Any, job: UUID, count: int) -> None:
    """The job has that many events."""
    await sql.execute(
        """insert into job_events (job_id, seq, at, type, attempt, data)
        select $1, n, now(), 'QUEUED', 0, '{"status": "QUEUED"}' from generate_series(2, $2::int) n""",
        job,
        count,
    )
    await sql.execute("update jobs set seq = $2 where id = $1", job, count)

"""Watching a job: the snapshot, every event once and in order, whatever the messages do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.jobs.announce import JOBS_CHANNEL, Change, dispatcher, effects_of, job_messages
from cuepoint.features.jobs.claims import Fence, Outcome, Progress, end_attempt, save_progress, succeed
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.models import JobEventType, JobStatus
from cuepoint.features.jobs.progress import JobUpdate, ProgressMessage, UpdateType
from cuepoint.features.jobs.transitions import cancel, retry
from cuepoint.features.jobs.watches import Watch
from cuepoint.graphql.sources import Standing
from tests.support.jobs import forget_claim, make, run, take


@pytest.fixture
async def live(redis_url: str) -> AsyncIterator[RedisLive]:
    """The run's Redis."""
    adapter = RedisLive(redis_url)
    yield adapter
    await adapter.close()


@asynccontextmanager
async def hub_on(db: Database, live: RedisLive, **values: Any) -> AsyncIterator[JobHub]:
    hub = JobHub(db, live, **values)
    try:
        yield hub
    finally:
        await hub.close()


class Watcher:
    """Collects the updates of one subscription."""

    def __init__(self, hub: JobHub, job_id: UUID, after: int | None = None) -> None:
        self.updates: list[JobUpdate] = []
        self._arrived = asyncio.Event()
        self.task = asyncio.create_task(self._collect(hub, job_id, after))

    async def _collect(self, hub: JobHub, job_id: UUID, after: int | None) -> None:
        async with aclosing(hub.watch_job(job_id, after)) as updates:
            async for update in updates:
                self.updates.append(update)
                self._arrived.set()

    async def has(self, count: int) -> list[JobUpdate]:
        """The updates, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.updates) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.updates

    async def end(self) -> list[JobUpdate]:
        """The updates, once the subscription has ended by itself."""
        async with asyncio.timeout(5):
            await self.task
        return self.updates


def numbers(updates: list[JobUpdate]) -> list[int]:
    return [u.seq for u in updates if u.type is UpdateType.EVENT]


async def publish(live: RedisLive, changes: list[Change]) -> None:
    await dispatcher(live)(effects_of(changes))


async def started(sql: Any, worker: UUID) -> tuple[Fence, Change]:
    await make(sql)
    [claimed] = await take(sql, worker)
    return claimed.fence, claimed.change


class TestWatchJob:
    async def test_snapshot_then_every_event_in_order_then_the_end(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        job = await make(sql)
        async with hub_on(db, live, safety_seconds=60) as hub:
            watcher = Watcher(hub, job, after=0)
            await watcher.has(2)
            [claimed] = await take(sql, worker)
            await publish(live, [claimed.change])
            await watcher.has(3)
            await publish(live, await succeed(sql, [(claimed.fence, None)]))
            updates = await watcher.end()

        assert [u.type for u in updates] == [UpdateType.SNAPSHOT] + [UpdateType.EVENT] * 3
        assert numbers(updates) == [1, 2, 3]
        assert [u.event.type for u in updates if u.event] == [
            JobEventType.CREATED,
            JobEventType.STARTED,
            JobEventType.SUCCEEDED,
        ]
        assert [u.status for u in updates][1:] == [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED]
        assert updates[-1].progress == 1.0

    async def test_without_after_it_begins_now(self, sql: Any, worker: UUID, db: Database, live: RedisLive) -> None:
        fence, _ = await started(sql, worker)
        async with hub_on(db, live, safety_seconds=60) as hub:
            watcher = Watcher(hub, fence.job_id)
            await watcher.has(1)
            await publish(live, await succeed(sql, [(fence, None)]))
            updates = await watcher.end()

        assert (updates[0].seq, updates[0].status) == (2, JobStatus.RUNNING)
        assert numbers(updates) == [3]

    async def test_resume_gives_what_was_missed_and_nothing_twice(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        fence, _ = await started(sql, worker)
        await end_attempt(sql, fence, Outcome.RELEASE)
        await run(sql, worker, fence.job_id)

        async with hub_on(db, live) as hub:
            updates = await Watcher(hub, fence.job_id, after=2).end()

        assert numbers(updates) == [3, 4, 5]

    @pytest.mark.parametrize("after", [None, 3])
    async def test_resume_after_the_end_closes_at_once(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, after: int | None
    ) -> None:
        fence, _ = await started(sql, worker)
        await succeed(sql, [(fence, None)])

        async with hub_on(db, live) as hub:
            updates = await Watcher(hub, fence.job_id, after=after).end()

        assert [(u.type, u.status) for u in updates] == [(UpdateType.SNAPSHOT, JobStatus.SUCCEEDED)]

    async def test_an_old_end_does_not_stop_a_retried_job(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        fence, _ = await started(sql, worker)
        await end_attempt(sql, fence, Outcome.PERMANENT)
        await retry(sql, fence.job_id)

        async with hub_on(db, live, safety_seconds=60) as hub:
            watcher = Watcher(hub, fence.job_id, after=0)
            await watcher.has(5)
            await publish(live, await run(sql, worker, fence.job_id))
            updates = await watcher.end()

        assert numbers(updates) == [1, 2, 3, 4, 5, 6]

    async def test_lost_and_doubled_messages_make_no_difference(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        fence, start = await started(sql, worker)
        async with hub_on(db, live, safety_seconds=60) as hub:
            watcher = Watcher(hub, fence.job_id, after=1)
            await watcher.has(2)
            await end_attempt(sql, fence, Outcome.RELEASE)  # its message is lost
            [again] = await take(sql, worker)
            await publish(live, [start, again.change, again.change])
            await watcher.has(4)
            await publish(live, await succeed(sql, [(again.fence, None)]))
            updates = await watcher.end()

        assert numbers(updates) == [2, 3, 4, 5]

    async def test_without_redis_the_safety_query_brings_everything(self, sql: Any, worker: UUID, db: Database) -> None:
        deaf = RedisLive("redis://127.0.0.1:1/0")
        fence, _ = await started(sql, worker)
        async with hub_on(db, deaf, safety_seconds=0.05) as hub:
            watcher = Watcher(hub, fence.job_id, after=0)
            await watcher.has(3)
            await save_progress(sql, [Progress(fence, 0.5, "Half", None, None)])
            await watcher.has(4)
            await succeed(sql, [(fence, None)])
            updates = await watcher.end()
        await deaf.close()

        assert numbers(updates) == [1, 2, 3]
        assert [(u.progress, u.stage) for u in updates if u.type is UpdateType.PROGRESS] == [(0.5, "Half")]

    async def test_of_progress_the_newest_wins_and_old_attempts_are_silent(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        fence, change = await started(sql, worker)
        async with hub_on(db, live, safety_seconds=60) as hub:
            watcher = Watcher(hub, fence.job_id)
            await watcher.has(1)
            for attempt, fraction in ((1, 0.5), (1, 0.4), (7, 0.9), (1, 0.6)):
                message = ProgressMessage(attempt, change.at, fraction, "x", None, None, 3.0)
                await live.publish(job_messages([message.item(fence.job_id)]))
            while watcher.updates[-1].progress < 0.6:
                await watcher.has(len(watcher.updates) + 1)
            await publish(live, await succeed(sql, [(fence, None)]))
            updates = await watcher.end()

        shown = [u.progress for u in updates]
        assert shown == sorted(shown)
        assert 0.9 not in shown

    @pytest.mark.parametrize("payload", [b"", b"{", b"7", b"{}", b"[{}]", b'[{"job_id":7,"type":"STARTED"}]'])
    async def test_a_message_that_is_not_ours_is_passed_over(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, payload: bytes
    ) -> None:
        fence, _ = await started(sql, worker)
        async with hub_on(db, live, safety_seconds=60) as hub:
            watcher = Watcher(hub, fence.job_id, after=0)
            await watcher.has(3)
            await live.publish([(JOBS_CHANNEL, payload)])
            await publish(live, await succeed(sql, [(fence, None)]))
            updates = await watcher.end()

        assert numbers(updates) == [1, 2, 3]

    async def test_a_slow_watcher_keeps_a_bounded_queue_and_misses_nothing(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        job = await make(sql)
        async with hub_on(db, live, safety_seconds=60) as hub, aclosing(hub.watch_job(job, 0)) as updates:
            seen = [(await anext(updates)).seq]
            for _ in range(300):
                [claimed] = await take(sql, worker)
                changes = await end_attempt(sql, claimed.fence, Outcome.RELEASE)
                await publish(live, [claimed.change, *changes])
            [claimed] = await take(sql, worker)
            await publish(live, [claimed.change, *await succeed(sql, [(claimed.fence, None)])])
            events = [update.seq async for update in updates if update.type is UpdateType.EVENT]

        assert seen == [1]
        assert events == list(range(1, 604))

    async def test_many_watchers_share_one_subscription(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        fence, _ = await started(sql, worker)
        async with hub_on(db, live, safety_seconds=60) as hub:
            watchers = [Watcher(hub, fence.job_id, after=0) for _ in range(20)]
            for watcher in watchers:
                await watcher.has(3)
            await publish(live, await succeed(sql, [(fence, None)]))
            ends = [numbers(await watcher.end()) for watcher in watchers]

        assert ends == [[1, 2, 3]] * 20

    async def test_a_job_that_is_not_there_is_not_found(self, db: Database, live: RedisLive) -> None:
        async with hub_on(db, live) as hub:
            with pytest.raises(NotFoundError):
                await Watcher(hub, uuid7()).end()

    @pytest.mark.parametrize("after", [-1, 3])
    async def test_a_number_that_no_event_has_is_refused(
        self, sql: Any, db: Database, live: RedisLive, after: int
    ) -> None:
        job = await make(sql)
        async with hub_on(db, live) as hub:
            with pytest.raises(BadInputError):
                await Watcher(hub, job, after).end()

    async def test_a_job_that_ends_before_its_forgotten_claim_is_made_anew_ends_its_watch(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive
    ) -> None:
        fence, change = await started(sql, worker)
        async with hub_on(db, live, safety_seconds=0.05) as hub:
            first = Watcher(hub, fence.job_id, after=1)
            await first.has(2)
            await forget_claim(sql, fence.job_id)
            resumed = Watcher(hub, fence.job_id, after=change.seq)
            await resumed.has(1)
            await cancel(sql, [fence.job_id])
            ends = [(await watcher.end())[-1].status for watcher in (first, resumed)]

        assert ends == [JobStatus.CANCELLED] * 2

    async def test_where_a_reader_stands_is_unknown_once_it_is_woken_or_gone(self) -> None:
        told = JobUpdate(UpdateType.SNAPSHOT, uuid7(), 1, datetime.now(UTC), JobStatus.QUEUED, 0, 0.0)

        def resting() -> Watch:
            watch = Watch(told.job_id, seen=1)
            watch.news_after(told)
            return watch

        at_rest, woken, gone = resting(), resting(), resting()
        woken.wake()
        gone.leave()
        gone.has_news = False

        assert [watch.standing for watch in (at_rest, woken, gone)] == [Standing(1, told.shown), None, None]

    async def test_a_pool_without_free_connections_ends_no_watch(
        self, sql: Any, worker: UUID, database_url: str, live: RedisLive, caplog: pytest.LogCaptureFixture
    ) -> None:
        fence, _ = await started(sql, worker)
        address = database_url.replace("postgresql://", "postgresql+asyncpg://")
        db = Database(create_async_engine(address, pool_size=1, max_overflow=0, pool_timeout=0.01))
        async with hub_on(db, live, safety_seconds=0.02, rights_seconds=0.02) as hub:
            watcher = Watcher(hub, fence.job_id)
            await watcher.has(1)
            async with AsyncExitStack() as held:
                while "TimeoutError: QueuePool limit" not in caplog.text:
                    with suppress(PoolTimeoutError):  # the hub has the only connection at this very moment
                        await held.enter_async_context(db.engine.connect())
                    await asyncio.sleep(0.01)
            await succeed(sql, [(fence, None)])  # its message is lost
            updates = await watcher.end()
        await db.close()

        assert "TimeoutError: QueuePool limit" in caplog.text
        assert numbers(updates) == [3]

    async def test_a_loop_that_broke_off_begins_again(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(JobHub):
            faults = 2

            async def _read_once(self, job_ids: Sequence[UUID]) -> None:
                self.faults -= 1
                if self.faults >= 0:
                    raise RuntimeError("a bug")
                await super()._read_once(job_ids)

        fence, _ = await started(sql, worker)
        hub = Broken(db, live, safety_seconds=0.02)
        watcher = Watcher(hub, fence.job_id)
        await watcher.has(1)
        await succeed(sql, [(fence, None)])
        updates = await watcher.end()
        await hub.close()

        assert numbers(updates) == [3]
        assert caplog.text.count("begins again") == 2

    async def test_a_job_that_is_deleted_ends_the_watch(self, sql: Any, db: Database, live: RedisLive) -> None:
        job = await make(sql)
        async with hub_on(db, live, safety_seconds=0.05) as hub:
            watcher = Watcher(hub, job)
            await watcher.has(1)
            await sql.execute("delete from jobs")
            updates = await watcher.end()

        assert len(updates) == 1

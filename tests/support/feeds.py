"""Readers of feeds in tests, and a Redis that loses messages."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

import orjson

from cuepoint.adapters.live.base import Live
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database
from cuepoint.features.jobs.announce import Change, dispatcher, effects_of
from cuepoint.features.jobs.claims import Outcome, end_attempt, succeed
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.feeds import FeedUpdate
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.progress import UpdateType
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.transitions import retry
from cuepoint.viewer import Viewer
from tests.support.jobs import take


@asynccontextmanager
async def hub_on(db: Database, live: Live, **values: Any) -> AsyncIterator[JobHub]:
    """A hub as an API process has it."""
    hub = JobHub(db, live, **values)
    try:
        yield hub
    finally:
        await hub.close()


async def publish(live: Live, changes: Sequence[Change]) -> None:
    """Announce these changes."""
    await dispatcher(live)(effects_of(changes))


class LossyLive(RedisLive):
    """Loses a share of the events and progress that it should receive."""

    def __init__(self, url: str, share: float, seed: int = 1) -> None:
        super().__init__(url)
        self.lost = 0
        self._share = share
        self._random = random.Random(seed)

    def subscribe(self, patterns: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, bytes]]]:
        """As the adapter, with gaps."""
        return self._thinned(patterns)

    @asynccontextmanager
    async def _thinned(self, patterns: Sequence[str]) -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
        async with RedisLive.subscribe(self, patterns) as messages:
            yield self._kept(messages)

    async def _kept(self, messages: AsyncIterator[tuple[str, bytes]]) -> AsyncIterator[tuple[str, bytes]]:
        async for channel, payload in messages:
            items = orjson.loads(payload)
            kept = [item for item in items if self._random.random() >= self._share]
            self.lost += len(items) - len(kept)
            yield channel, orjson.dumps(kept)


class FeedReader:
    """Collects the updates of one feed."""

    def __init__(
        self,
        hub: JobHub,
        viewer: Viewer,
        wanted: JobFilter | None = None,
        after: str | None = None,
        *,
        pause: float = 0,
    ) -> None:
        self.updates: list[FeedUpdate] = []
        self._pause = pause
        self._arrived = asyncio.Event()
        request = FeedRequest(viewer, wanted or JobFilter())
        self.task = asyncio.create_task(self._collect(hub, request, after))

    async def _collect(self, hub: JobHub, request: FeedRequest, after: str | None) -> None:
        try:
            async with aclosing(hub.watch_feed(request, after)) as updates:
                async for update in updates:
                    self.updates.append(update)
                    self._arrived.set()
                    if self._pause:
                        await asyncio.sleep(self._pause)
        finally:
            self._arrived.set()

    async def until(self, condition: Callable[[FeedReader], object], *, seconds: float = 15) -> FeedReader:
        """Itself, once the condition holds; fails the test when the feed ends or `seconds` are over."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._arrived.clear()
                assert not self.task.done(), self.task
                await self._arrived.wait()
        return self

    async def caught_up(self) -> FeedReader:
        """Itself, once it has reached the present."""
        return await self.until(lambda reader: any(update.job is None for update in reader.updates))

    async def has_events(self, expected: dict[UUID, int], *, seconds: float = 15) -> FeedReader:
        """Itself, once the event of that number of each job has come."""
        return await self.until(
            lambda reader: all(reader.numbers[job_id][-1:] == [seq] for job_id, seq in expected.items()),
            seconds=seconds,
        )

    async def stop(self) -> str:
        """Leave, as a client whose connection breaks; the last cursor."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        return self.updates[-1].cursor

    @property
    def numbers(self) -> dict[UUID, list[int]]:
        """Numbers of the events of each job, as they came."""
        found: dict[UUID, list[int]] = defaultdict(list)
        for update in self.updates:
            if update.update is not None and update.update.type is UpdateType.EVENT:
                found[update.update.job_id].append(update.update.seq)
        return found

    @property
    def snapshot(self) -> dict[UUID, int]:
        """The number of the newest event in each SNAPSHOT."""
        return {
            update.update.job_id: update.update.seq
            for update in self.updates
            if update.update is not None and update.update.type is UpdateType.SNAPSHOT
        }


async def churn(
    sql: Any, worker: UUID, live: RedisLive | None, rounds: int, ending: Outcome | None = None
) -> dict[UUID, int]:
    """Attempts of all queued jobs that are given back, then one that ends them (None: well); last number by job."""
    for outcome in [Outcome.RELEASE] * rounds + [ending]:
        changes: list[Change] = []
        for claimed in await take(sql, worker, limit=1000):
            ended = end_attempt(sql, claimed.fence, outcome) if outcome else succeed(sql, [(claimed.fence, None)])
            changes += [claimed.change, *await ended]
        if live is not None:
            await publish(live, changes)
    return {change.job_id: change.seq for change in changes}


async def revive(sql: Any, jobs: list[UUID]) -> None:
    """Retry by hand; nobody announces it."""
    for job in jobs:
        assert await retry(sql, job)


def gapless(numbers: dict[UUID, list[int]], expected: dict[UUID, int], first: int = 1) -> bool:
    """Whether the events of exactly these jobs came, from the first to their last, in order and once."""
    return {job: numbers[job] for job in expected} == {
        job: list(range(first, last + 1)) for job, last in expected.items()
    }

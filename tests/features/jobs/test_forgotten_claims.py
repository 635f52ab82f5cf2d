"""Feeds beside a crash of Postgres that forgets a claim which was told: it is made anew under the same number."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database
from cuepoint.features.jobs.cursors import Cursor
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.models import JobEventType
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.transitions import cancel
from cuepoint.viewer import Viewer
from tests.support.feeds import FeedReader, hub_on
from tests.support.jobs import forget_claim, make, move_clock, run, take

SAFETY_SECONDS = 0.05


async def told_of_a_claim(hub: JobHub, viewer: Viewer, sql: Any, worker: UUID, job: UUID) -> FeedReader:
    """A reader who has heard that the job started."""
    reader = await FeedReader(hub, viewer).caught_up()
    [claimed] = await take(sql, worker)
    assert claimed.fence.job_id == job
    return await reader.has_events({job: 2})


async def pass_by(reader: FeedReader, viewer: Viewer, sql: Any, project: UUID) -> None:
    """The reader's watermark is behind everything so far: seconds go by, as while Postgres is away."""
    name = FeedRequest(viewer, JobFilter()).name
    until = await sql.fetchval("select job_now()")
    await move_clock(sql, 3)
    while Cursor.decode(reader.updates[-1].cursor, name).base <= until:
        await make(sql, project_id=project)  # any event brings the watermark along
        await asyncio.sleep(SAFETY_SECONDS)


class TestForgottenClaim:
    @pytest.mark.parametrize("is_long", [False, True], ids=["at once", "after a while"])
    async def test_is_told_once_to_who_heard_it_and_to_who_did_not(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer, is_long: bool
    ) -> None:
        job = await make(sql, project_id=project)
        async with hub_on(db, live, safety_seconds=SAFETY_SECONDS) as hub:
            reader = await told_of_a_claim(hub, viewer, sql, worker, job)
            await forget_claim(sql, job)
            if is_long:
                await pass_by(reader, viewer, sql, project)
            late = await FeedReader(hub, viewer).caught_up()
            await run(sql, worker, job)
            await reader.has_events({job: 3})
            await late.has_events({job: 3})
            await reader.stop()
            await late.stop()

        assert reader.numbers[job] == late.numbers[job] == [2, 3]

    @pytest.mark.parametrize("is_long", [False, True], ids=["at once", "after a while"])
    async def test_is_told_once_to_who_goes_on_elsewhere(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer, is_long: bool
    ) -> None:
        job = await make(sql, project_id=project)
        async with hub_on(db, live, safety_seconds=SAFETY_SECONDS) as hub:
            reader = await told_of_a_claim(hub, viewer, sql, worker, job)
            await forget_claim(sql, job)
            if is_long:
                await pass_by(reader, viewer, sql, project)
            cursor = await reader.stop()
        await move_clock(sql, 6)
        async with hub_on(db, live, safety_seconds=SAFETY_SECONDS) as other:
            middle = await FeedReader(other, viewer, after=cursor).caught_up()
            await pass_by(middle, viewer, sql, project)
            cursor = await middle.stop()
            last = FeedReader(other, viewer, after=cursor)
            await run(sql, worker, job)
            await last.has_events({job: 3})
            await last.stop()

        assert [*reader.numbers[job], *middle.numbers[job], *last.numbers[job]] == [2, 3]

    async def test_is_told_once_to_who_goes_on_elsewhere_before_the_watermark_has_passed_it(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        job = await make(sql, project_id=project)
        async with hub_on(db, live, safety_seconds=SAFETY_SECONDS) as hub:
            reader = await told_of_a_claim(hub, viewer, sql, worker, job)
            await forget_claim(sql, job)
            cursor = await reader.stop()
        async with hub_on(db, live, safety_seconds=SAFETY_SECONDS) as other:
            late = await FeedReader(other, viewer, after=cursor).caught_up()
            await pass_by(late, viewer, sql, project)
            await run(sql, worker, job)
            await late.has_events({job: 3})
            await late.stop()

        assert [*reader.numbers[job], *late.numbers[job]] == [2, 3]

    async def test_what_comes_in_its_place_is_told(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        job = await make(sql, project_id=project)
        async with hub_on(db, live, safety_seconds=SAFETY_SECONDS) as hub:
            reader = await told_of_a_claim(hub, viewer, sql, worker, job)
            await forget_claim(sql, job)
            await cancel(sql, [job])
            await reader.until(lambda r: r.numbers[job] == [2, 2])
            await reader.stop()

        [*_, last] = [update.update for update in reader.updates if update.job and update.job.id == job]
        assert last is not None
        assert last.event is not None
        assert last.event.type is JobEventType.CANCELLED

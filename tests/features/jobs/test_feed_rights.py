"""Nobody hears of jobs that are not theirs to see, at the start or later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.jobs.cursors import Cursor
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.projects.models import ProjectMember
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_project, make_video, make_viewer
from tests.support.feeds import FeedReader, churn, hub_on
from tests.support.jobs import make, until


@pytest.fixture
async def admin(db: Database) -> Viewer:
    return await make_viewer(db, is_admin=True)


class TestRights:
    async def test_strangers_do_not_find_projects_and_videos(
        self, db: Database, live: RedisLive, project: UUID
    ) -> None:
        stranger = await make_viewer(db, await make_project(db))
        video = await make_video(db, project)
        async with hub_on(db, live) as hub:
            for wanted in (
                JobFilter(project_id=project),
                JobFilter(video_id=video),
                JobFilter(project_id=uuid7()),
                JobFilter(video_id=uuid7()),
            ):
                with pytest.raises(NotFoundError):
                    await FeedReader(hub, stranger, wanted).task

    async def test_nobody_hears_of_others_jobs(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer, admin: Viewer
    ) -> None:
        own = await make_project(db)
        stranger = await make_viewer(db, own)
        foreign, mine = await make(sql, project_id=project), await make(sql, project_id=own)
        system = await make(sql)
        async with hub_on(db, live, safety_seconds=0.1) as hub:
            readers = [await FeedReader(hub, who).caught_up() for who in (stranger, viewer, admin)]
            last = await churn(sql, worker, live, 1)
            await readers[2].has_events(last)
            await readers[1].has_events({foreign: last[foreign]})
            await readers[0].has_events({mine: last[mine]})
            cursor = await readers[1].stop()
            resumed = await FeedReader(hub, stranger, after=cursor).caught_up()

        assert set(readers[0].numbers) | set(readers[0].snapshot) == {mine}
        assert set(readers[1].numbers) | set(readers[1].snapshot) == {foreign}
        assert set(readers[2].numbers) == {foreign, mine, system}
        assert foreign not in resumed.numbers

    async def test_who_is_removed_hears_no_more(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        async with hub_on(db, live, safety_seconds=0.1, rights_seconds=0.1) as hub:
            named = await FeedReader(hub, viewer, JobFilter(project_id=project)).caught_up()
            all_of_them = await FeedReader(hub, viewer).caught_up()
            async with db.write() as session:
                await session.execute(delete(ProjectMember).where(ProjectMember.user_id == viewer.user_id))
            with pytest.raises(NotFoundError):
                await asyncio.wait_for(named.task, 5)
            [feed] = hub._feeds

            async def is_out() -> bool:
                return not feed.scope.project_ids

            await until(is_out)
            await make(sql, project_id=project)
            async with db.write() as session:
                other = await make_project(db)
                session.add(ProjectMember(project_id=other, user_id=viewer.user_id, role="VIEWER"))
            seen = await make(sql, project_id=other)
            await all_of_them.has_events({seen: 1})
            await all_of_them.stop()

        assert all_of_them.numbers == {seen: [1]}

    async def test_a_cursor_of_another_feed_or_of_the_future_is_refused(
        self, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        future = Cursor(datetime(2200, 1, 1, tzinfo=UTC)).encode(FeedRequest(viewer, JobFilter()).name)
        async with hub_on(db, live) as hub:
            other = await (await FeedReader(hub, viewer).caught_up()).stop()
            for wanted, after in ((JobFilter(project_id=project), other), (JobFilter(), future), (JobFilter(), "x")):
                with pytest.raises(BadInputError):
                    await FeedReader(hub, viewer, wanted, after).task

"""Every order of every list goes along an index: a page of a million rows costs what a page of a hundred does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.repository import JobFilter, JobOrder
from cuepoint.features.projects import service as projects
from cuepoint.features.projects.service import ProjectOrder
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.lists import VideoFilter, VideoOrder
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements

ADMIN = Viewer(user_id=uuid7(), is_admin=True)
SOMEWHERE = uuid7()
PAGE = PageRequest(25)
INDEX_OF_VIDEOS = {
    VideoOrder.CREATED_DESC: "ix_videos_created_at_id",
    VideoOrder.CREATED_ASC: "ix_videos_created_at_id",
    VideoOrder.TITLE_ASC: "ix_videos_sort_title_id",
    VideoOrder.DURATION_DESC: "ix_videos_sort_duration_ms_id",
    VideoOrder.DURATION_ASC: "ix_videos_sort_duration_ms_id",
    VideoOrder.SIZE_DESC: "ix_videos_sort_size_bytes_id",
    VideoOrder.SIZE_ASC: "ix_videos_sort_size_bytes_id",
}
INDEX_OF_PROJECTS = {
    ProjectOrder.CREATED_ASC: "ix_projects_created_at_id",
    ProjectOrder.CREATED_DESC: "ix_projects_created_at_id",
    ProjectOrder.NAME_ASC: "ix_projects_sort_name_id",
    ProjectOrder.UPDATED_DESC: "ix_projects_updated_at_id",
}

Ask = Callable[[AsyncSession], Awaitable[Any]]


async def plan_of(db: Database, ask: Ask) -> str:
    """How Postgres reads the page where it neither may read the whole table nor sort it."""
    with count_statements(db.engine) as seen:
        async with db.read() as session:
            await ask(session)
    ((statement, parameters),) = seen.seen
    async with db.write() as session:
        for way in ("seqscan", "sort", "bitmapscan"):
            await session.execute(text(f"set local enable_{way} = off"))
        connection = await session.connection()
        lines = await connection.exec_driver_sql(f"explain {statement}", parameters)
        return "\n".join(lines.scalars())


class TestVideos:
    @pytest.mark.parametrize("order", list(VideoOrder), ids=lambda order: order.value)
    async def test_each_order_has_an_index(self, db: Database, order: VideoOrder) -> None:
        plan = await plan_of(db, lambda session: videos.list_videos(session, ADMIN, PAGE, order=order))

        assert f"using {INDEX_OF_VIDEOS[order]} on videos" in plan
        assert "Sort" not in plan

    async def test_those_of_one_project_have_their_own(self, db: Database) -> None:
        wanted = VideoFilter(project_id=SOMEWHERE)

        plan = await plan_of(db, lambda session: videos.list_videos(session, ADMIN, PAGE, wanted))

        assert "using ix_videos_project_id_created_at_id on videos" in plan


class TestProjects:
    @pytest.mark.parametrize("order", list(ProjectOrder), ids=lambda order: order.value)
    async def test_each_order_has_an_index(self, db: Database, order: ProjectOrder) -> None:
        plan = await plan_of(db, lambda session: projects.list_projects(session, ADMIN, PAGE, order=order))

        assert f"using {INDEX_OF_PROJECTS[order]} on projects" in plan


class TestJobs:
    @pytest.mark.parametrize("order", list(JobOrder), ids=lambda order: order.value)
    @pytest.mark.parametrize(
        ("wanted", "index"),
        [(JobFilter(), "pk_jobs"), (JobFilter(project_id=SOMEWHERE), "ix_jobs_project_id_created_at_id")],
        ids=["all", "of a project"],
    )
    async def test_each_order_has_an_index(self, db: Database, order: JobOrder, wanted: JobFilter, index: str) -> None:
        plan = await plan_of(db, lambda session: jobs.list_jobs(session, ADMIN, wanted, PAGE, order))

        assert f"using {index} on jobs" in plan


class TestCursors:
    async def test_one_of_another_order_is_refused(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        await make_job(db, JobKind.PROBE, video)
        lists: list[tuple[type[Enum], Any]] = [
            (ProjectOrder, lambda session, page, order: projects.list_projects(session, ADMIN, page, order=order)),
            (VideoOrder, lambda session, page, order: videos.list_videos(session, ADMIN, page, order=order)),
            (JobOrder, lambda session, page, order: jobs.list_jobs(session, ADMIN, JobFilter(), page, order)),
        ]

        for orders, ask in lists:
            async with db.read() as session:
                cursors = {order: (await ask(session, PAGE, order)).cursors[-1] for order in orders}
                for order, cursor in cursors.items():
                    assert (await ask(session, PageRequest(25, cursor), order)).rows == []
                for order, other in permutations(orders, 2):
                    with pytest.raises(BadInputError, match="in this order"):
                        await ask(session, PageRequest(25, cursors[other]), order)

"""Pages stay stable while rows come and go between them: nothing is told twice, nothing that stayed is lost."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest, fetch_page, fetch_pages
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project

START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """Videos at few different times, so that ties are common; each of them numbered."""

    def __init__(self, db: Database, project: Project, seed: int) -> None:
        self.db = db
        self.project = project
        self.random = random.Random(seed)
        self.here: set[UUID] = set()

    async def add(self, count: int) -> None:
        rows = [
            Video(
                id=uuid7() if self.random.random() < 0.5 else UUID(int=self.random.getrandbits(128)),
                project_id=self.project.id,
                title="v",
                filename="v.mp4",
                storage_key=f"k{self.random.getrandbits(64):x}",
                size_bytes=1,
                content_hash=f"{self.random.getrandbits(256):064x}",
                created_at=START + timedelta(seconds=self.random.randrange(5)),
            )
            for _ in range(count)
        ]
        self.here |= {row.id for row in rows}
        async with self.db.write() as session:
            session.add_all(rows)

    async def remove(self, count: int) -> None:
        gone = set(self.random.sample(sorted(self.here), min(count, len(self.here))))
        self.here -= gone
        async with self.db.write() as session:
            await session.execute(delete(Video).where(Video.id.in_(gone)))

    async def order(self, *, descending: bool) -> list[UUID]:
        columns = (Video.created_at, Video.id)
        async with self.db.read() as session:
            statement = select(Video.id).order_by(*[c.desc() if descending else c.asc() for c in columns])
            return list(await session.scalars(statement))


async def page_of(world: World, page: PageRequest, *, is_nested: bool, descending: bool) -> Any:
    keys = [(Video.created_at, datetime), (Video.id, UUID)]
    async with world.db.read() as session:
        if is_nested:
            parent = [world.project.id]
            found = await fetch_pages(session, Video, Video.project_id, parent, keys, page, descending=descending)
            return found[world.project.id]
        return await fetch_page(session, select(Video), keys, page, descending=descending)


class TestStability:
    @pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
    @pytest.mark.parametrize("is_nested", [False, True], ids=["root", "nested"])
    @pytest.mark.parametrize("seed", range(5))
    async def test_rows_that_stay_are_told_once_and_in_order(
        self, db: Database, seed: int, is_nested: bool, descending: bool
    ) -> None:
        world = World(db, await make_project(db), seed)
        await world.add(30)
        stayed = set(world.here)
        told: list[UUID] = []
        after, has_more = None, True

        while has_more:
            request = PageRequest(world.random.randrange(1, 7), after)
            page = await page_of(world, request, is_nested=is_nested, descending=descending)
            told += [row.id for row in page.rows]
            after, has_more = (page.cursors[-1] if page.cursors else after), page.has_next_page
            await world.add(world.random.randrange(2))
            await world.remove(world.random.randrange(3))
            stayed &= world.here

        assert len(told) == len(set(told))
        assert stayed <= set(told)
        place = {key: number for number, key in enumerate(await world.order(descending=descending))}
        places = [place[key] for key in told if key in place]
        assert places == sorted(places)

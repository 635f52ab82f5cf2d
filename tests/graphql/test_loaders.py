"""Loaders: what several parts of an operation wait for is fetched once, and no part takes it from another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.context import Context
from cuepoint.graphql.loaders import Loader
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import api_of

HALF_WRONG = """query ($x: ID!) {
  a: video(id: $x) { jobs(after: "junk") { nodes { id } } clips { nodes { id } } }
  b: video(id: $x) { clips { nodes { id } } } }"""


class Squares(Loader[int, int]):
    """Squares, once they may be told."""

    def __init__(self) -> None:
        super().__init__(cast(Context, None))
        self.may_tell = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.asked: list[list[int]] = []
        self.was_cancelled = False

    async def fetch(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.asked.append(list(keys))
        self.is_asked.set()
        try:
            await self.may_tell.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return {key: key * key for key in keys}


@pytest.fixture
def squares() -> Squares:
    return Squares()


async def waiting(squares: Squares, *keys: Any) -> list[asyncio.Task[Any]]:
    """One task for each of the keys; a list is asked for at once. All of them wait."""
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(squares.load_many(key) if isinstance(key, list) else squares.load(key)) for key in keys
    ]
    await squares.is_asked.wait()
    return tasks


class TestLoader:
    async def test_an_error_beside_a_waiting_part_does_not_end_another(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        video = await make_video(db, await make_project(db, owner_id=viewer.user_id))
        clip = await make_clip(db, video)

        answer = await api_of(db, settings, viewer).execute(HALF_WRONG, {"x": encode_id("Video", video.id)})

        assert answer["data"] == {"a": None, "b": {"clips": {"nodes": [{"id": encode_id("Clip", clip.id)}]}}}
        assert [error["path"] for error in answer["errors"]] == [["a", "jobs", "nodes"]]

    @pytest.mark.parametrize("gone", [0, 1, 2])
    async def test_who_leaves_takes_nothing_from_the_others(self, squares: Squares, gone: int) -> None:
        tasks = await waiting(squares, 3, 3, [3, 4])

        tasks.pop(gone).cancel()
        await asyncio.sleep(0)
        squares.may_tell.set()

        assert await asyncio.gather(*tasks) == ([9, 9] if gone == 2 else [9, [9, 16]])
        assert squares.asked == [[3, 4]]

    async def test_what_is_under_way_is_not_fetched_again(self, squares: Squares) -> None:
        tasks = await waiting(squares, 3)
        later = asyncio.create_task(squares.load_many([3, 4]))
        for _ in range(5):
            await asyncio.sleep(0)

        squares.may_tell.set()

        assert await asyncio.gather(*tasks, later) == [9, [9, 16]]
        assert squares.asked == [[3], [4]]

    async def test_what_was_under_way_for_nobody_is_fetched_for_who_comes_later(self, squares: Squares) -> None:
        [first] = await waiting(squares, 3)
        later = asyncio.create_task(squares.load(3))
        for _ in range(5):
            await asyncio.sleep(0)

        first.cancel()
        squares.may_tell.set()

        assert await later == 9

    async def test_nothing_is_fetched_for_nobody(self, squares: Squares) -> None:
        tasks = await waiting(squares, 3, [3, 4])

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)

        assert squares.was_cancelled

    async def test_what_came_along_is_not_fetched(self, squares: Squares) -> None:
        squares.may_tell.set()
        squares.tell(5, 0)

        assert (squares.get(5), await squares.load(5), await squares.load_many([5, 6, 5])) == (0, 0, [0, 36, 0])
        assert squares.asked == [[6]]

"""Whoever came by the link of a whole project looks at videos: they learn of no people and no work, and change nothing.

The access matrix asks all of this as whoever came by the link of one video.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cuepoint.api.schema import schema
from cuepoint.api.visitors import visitor_token
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.shares.service import Target, create_link
from cuepoint.graphql.scalars import decode_id
from tests.support.access_matrix import outcome, read_table, root_fields
from tests.support.access_world import World, world_of
from tests.support.graphql import Api

FIELDS = root_fields(schema._schema)
ROWS, MAKINGS = read_table()
# What a project's videos are looked at with, and what is nobody's.
SHOWN = {
    "clip",
    "clipCounts",
    "clips",
    "health",
    "moment",
    "moments",
    "node",
    "nodes",
    "project",
    "projects",
    "reel",
    "reels",
    "semanticSearch",
    "serverInfo",
    "transcript",
    "transcriptFile",
    "video",
    "videos",
}
EVERYTHING = """query ($id: ID!) { project(id: $id) { name viewerRole
  members { totalCount nodes { user { email } } } jobs { totalCount nodes { id } } usage { scope }
  videos { totalCount nodes { createdBy { email } jobs { totalCount nodes { id } } source { id } } } } }"""


@pytest.fixture
async def world(db: Database, settings: Settings) -> AsyncIterator[World]:
    """A world in which the caller `guest` came by a link of the whole project."""
    async with world_of(db, settings, MAKINGS) as made:
        owner = await made.viewer("owner")
        assert owner is not None
        target = Target(decode_id("Project", made.ids["project"]), None)
        async with db.write() as session:
            link = await create_link(session, owner, target, expires_at=None, may_download=True, password=None)
        token, _ = visitor_token(made.process.adapters.signer, link.link.id)
        yield World(made.db, made.process, made.dry, {**made.tokens, "guest": token}, made.ids)


async def asked(world: World, kind: str) -> dict[str, str]:
    """The outcome of every field of that kind, as the guest sees it."""
    return {
        row.name: outcome(row.name, FIELDS[row.key], (await world.ask("guest", row, FIELDS[row.key], world.ids)).body)
        for row in ROWS
        if row.kind == kind
    }


class TestAVisitorOfAProject:
    async def test_changes_nothing(self, world: World) -> None:
        found = await asked(world, "mutation")

        assert set(found.values()) == {"no"}

    async def test_looks_at_what_the_project_shows(self, world: World) -> None:
        found = await asked(world, "query")

        assert {name for name, one in found.items() if one == "ok"} == SHOWN
        assert set(found.values()) == {"ok", "absent", "empty", "no"}

    async def test_watches_no_work(self, world: World) -> None:
        assert set((await asked(world, "subscription")).values()) <= {"absent", "empty", "no"}

    async def test_learns_of_no_people_and_no_jobs(self, world: World) -> None:
        guest = await world.viewer("guest")

        found = (await Api(world.process, guest).data(EVERYTHING, {"id": world.ids["project"]}))["project"]

        nothing = {"totalCount": 0, "nodes": []}
        assert (found["viewerRole"], found["usage"]) == (None, None)
        assert (found["members"], found["jobs"]) == (nothing, nothing)
        assert found["videos"]["totalCount"] > 0
        for video in found["videos"]["nodes"]:
            assert video == {"createdBy": None, "jobs": nothing, "source": None}

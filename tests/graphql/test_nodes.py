"""Every type with an id is found again by it, by those who may see it; for others it is as if it were not there."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind, Worker, WorkerState
from cuepoint.features.users import service as users
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload, make_video
from tests.support.graphql import api_of

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


NO_NODES = {
    "SearchHit",  # its id tells caches which passage of which query it is; there is nothing to look up by it
    "TrashedVideo",  # the id is that of the video, for restoreVideo alone
    "TrashedWork",  # likewise, for restoreClip and restoreReel
    "DeletedVideo",  # the id that was given
    "AuditEvent",  # entries of a log, read in their order
    "StorageFinding",
    "LiveClient",  # lives as long as its connection, which every process is asked for anew
    "ApiProcess",
    "Session",  # a part of `me`; whoever holds a key of theirs may not look for it
}


@dataclass(frozen=True)
class World:
    """One object of each type, by the type's name, and who may see them."""

    owner: Viewer
    ids: dict[str, str]


@pytest.fixture
async def world(db: Database) -> World:
    owner = await make_viewer(db)
    project = await make_project(db, owner_id=owner.user_id)
    video = await make_video(db, project)
    batch_id = uuid7()
    job = await make_job(db, JobKind.PROBE, video, batch_id=batch_id)
    async with db.write() as session:
        key, _ = await users.create_api_key(session, owner, name="k", expires_at=None, user_id=None)
        worker = Worker(id=uuid7(), lanes=["cpu"], state=WorkerState.LIVE, lease_until=video.created_at)
        session.add(worker)
    keys = {
        "User": owner.user_id,
        "ApiKey": key.id,
        "Project": project.id,
        "Video": video.id,
        "Upload": (await make_upload(db, project)).id,
        "Transcript": (await make_transcript(db, video, "One.", "Two.")).id,
        "Moment": (await make_moment(db, video)).id,
        "Clip": (await make_clip(db, video)).id,
        "Job": job.id,
        "Batch": batch_id,
        "Worker": worker.id,
    }
    return World(owner, {name: encode_id(name, key) for name, key in keys.items()})


class TestSchema:
    def test_every_type_with_an_id_is_a_node(self) -> None:
        node = schema._schema.type_map["Node"]
        assert isinstance(node, GraphQLInterfaceType)
        objects = [kind for kind in schema._schema.type_map.values() if isinstance(kind, GraphQLObjectType)]

        without = {
            kind.name
            for kind in objects
            if "id" in kind.fields and str(kind.fields["id"].type) == "ID!" and node not in kind.interfaces
        }

        assert without - NO_NODES == set(), "derive these types from graphql.nodes.Node and give them `find`"

    def test_every_node_can_be_found(self) -> None:
        without = [kind.__name__ for kind in Node.__subclasses__() if "find" not in vars(kind)]

        assert without == [], "give these types a classmethod `find`, as in features/clips/types.py"


class TestNode:
    async def test_finds_each_type_for_its_owner(self, db: Database, settings: Settings, world: World) -> None:
        api = api_of(db, settings, world.owner)

        found = {name: (await api.data(NODE, {"id": key}))["node"] for name, key in world.ids.items()}

        hidden = {"Worker": None}  # administrators only
        assert found == {name: {"__typename": name, "id": key} for name, key in world.ids.items()} | hidden

    async def test_finds_nothing_for_a_stranger(self, db: Database, settings: Settings, world: World) -> None:
        api = api_of(db, settings, await make_viewer(db))

        found = [(await api.data(NODE, {"id": key}))["node"] for key in world.ids.values()]

        assert found == [None] * len(world.ids)

    async def test_finds_all_but_keys_for_an_administrator(
        self, db: Database, settings: Settings, world: World
    ) -> None:
        api = api_of(db, settings, await make_viewer(db, is_admin=True))

        found = {name for name, key in world.ids.items() if (await api.data(NODE, {"id": key}))["node"]}

        assert found == world.ids.keys() - {"ApiKey"}

    @pytest.mark.parametrize("id", ["", "video_", "video_x", "nothing_" + "0" * 32, "Video_" + "0" * 32, "é", "node_1"])
    async def test_finds_nothing_by_what_is_no_id(self, db: Database, settings: Settings, id: str) -> None:
        api = api_of(db, settings, await make_viewer(db))

        assert await api.data(NODE, {"id": id}) == {"node": None}

    async def test_needs_a_credential(self, db: Database, settings: Settings) -> None:
        assert await api_of(db, settings, None).codes(NODE, {"id": "video_" + "0" * 32}) == ["UNAUTHENTICATED"]


class TestNodes:
    async def test_keeps_the_order_and_says_null(self, db: Database, settings: Settings, world: World) -> None:
        api = api_of(db, settings, world.owner)
        clip, video = world.ids["Clip"], world.ids["Video"]

        found = await api.data(NODES, {"ids": [clip, "nonsense", video, encode_id("Video", uuid7()), clip]})

        kinds = [one and one["__typename"] for one in found["nodes"]]
        assert kinds == ["Clip", None, "Video", None, "Clip"]

    async def test_takes_one_statement_for_each_type(self, db: Database, settings: Settings, world: World) -> None:
        api = api_of(db, settings, world.owner)
        project = await make_project(db, owner_id=world.owner.user_id)
        more = [encode_id("Video", (await make_video(db, project)).id) for _ in range(5)]

        few = await api.statements(NODES, {"ids": [world.ids["Video"], world.ids["Job"]]})
        many = await api.statements(NODES, {"ids": [*world.ids.values(), *more]})

        assert few == 2
        assert many == len(world.ids) - 1  # of the worker nothing is read for who is no administrator

    async def test_refuses_more_than_a_hundred(self, db: Database, settings: Settings) -> None:
        api = api_of(db, settings, await make_viewer(db))

        assert await api.codes(NODES, {"ids": ["x"] * 101}) == ["BAD_USER_INPUT"]

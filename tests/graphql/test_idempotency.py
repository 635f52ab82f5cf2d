"""Idempotency keys: one effect and one answer, whoever else asks at the same time and whatever breaks in between."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import strawberry
from graphql import GraphQLObjectType, GraphQLSchema, get_named_type
from sqlalchemy import func, select, update

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.idempotency import SWEPT_ROWS, IdempotencyKey
from cuepoint.db.session import Database, create_engine
from cuepoint.features.clips.models import Clip
from cuepoint.features.jobs.models import Job
from cuepoint.features.projects.models import Project
from cuepoint.features.videos.models import Video
from cuepoint.graphql.errors import Payload
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of
from tests.support.waiting import blocked_or_done

CREATE = """mutation ($input: CreateClipInput!) { createClip(input: $input) {
  clip { id title } job { id status } replayed errors { code field message } } }"""
PROJECT = """mutation ($input: CreateProjectInput!) { createProject(input: $input) {
  project { id name } replayed errors { code } } }"""
BATCH = """mutation ($input: StartPipelinesInput!) { startPipelines(input: $input) {
  batch { id total } items { index jobs { id kind } error { code field message retryable } } replayed
  errors { code } } }"""
KEY = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id } secret replayed errors { code } } }"""


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def video(db: Database, viewer: Viewer) -> Video:
    return await make_video(db, await make_project(db, owner_id=viewer.user_id))


@pytest.fixture
def api(db: Database, settings: Settings, viewer: Viewer) -> Api:
    return api_of(db, settings, viewer)


async def rows(db: Database, table: Any) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


def clip_of(video: Video, key: str | None = "k1", **given: Any) -> dict[str, Any]:
    asked = {"videoId": encode_id("Video", video.id), "start": 1, "end": 2, **given}
    return {"input": asked if key is None else {**asked, "idempotencyKey": key}}


class TestOnce:
    async def test_the_second_answers_the_same_and_changes_nothing(self, db: Database, api: Api, video: Video) -> None:
        first = (await api.data(CREATE, clip_of(video)))["createClip"]

        second = (await api.data(CREATE, clip_of(video)))["createClip"]

        assert first["replayed"] is False
        assert second == {**first, "replayed": True}
        assert (await rows(db, Clip), await rows(db, Job)) == (1, 1)

    async def test_without_a_key_each_request_counts(self, db: Database, api: Api, video: Video) -> None:
        for _ in range(2):
            assert (await api.data(CREATE, clip_of(video, None)))["createClip"]["replayed"] is False

        assert await rows(db, Clip) == 2
        assert await rows(db, IdempotencyKey) == 0

    async def test_what_is_left_at_its_default_is_the_same_input(self, db: Database, api: Api, video: Video) -> None:
        first = (await api.data(CREATE, clip_of(video)))["createClip"]

        second = (await api.data(CREATE, clip_of(video, snap="NONE", title=None)))["createClip"]

        assert second == {**first, "replayed": True}

    async def test_objects_are_answered_as_they_are_now(self, db: Database, api: Api, video: Video) -> None:
        await api.data(CREATE, clip_of(video))
        async with db.write() as session:
            await session.execute(update(Clip).values(title="Renamed"))

        again = (await api.data(CREATE, clip_of(video)))["createClip"]

        assert again["clip"]["title"] == "Renamed"

    async def test_objects_that_are_gone_are_null(self, db: Database, api: Api, video: Video) -> None:
        await api.data(CREATE, clip_of(video))
        async with db.write() as session:
            await session.execute(update(Video).values(deleted_at=func.now()))

        again = (await api.data(CREATE, clip_of(video)))["createClip"]

        assert (again["clip"], again["replayed"], again["errors"]) == (None, True, [])

    async def test_a_secret_is_told_once(self, api: Api, db: Database) -> None:
        asked = {"input": {"name": "k", "idempotencyKey": "k1"}}
        first = (await api.data(KEY, asked))["createApiKey"]

        second = (await api.data(KEY, asked))["createApiKey"]

        assert first["secret"].startswith("cp_")
        assert second == {"apiKey": first["apiKey"], "secret": None, "replayed": True, "errors": []}
        async with db.read() as session:
            stored = (await session.execute(select(IdempotencyKey.payload))).scalar_one()
        assert stored == {"api_key": {"node": first["apiKey"]["id"]}}

    async def test_several_transactions_become_one(self, api: Api, video: Video) -> None:
        ids = [encode_id("Video", video.id), "nonsense"]
        asked = {"input": {"videoIds": ids, "steps": ["PROBE"], "idempotencyKey": "k1"}}
        first = (await api.data(BATCH, asked))["startPipelines"]

        second = (await api.data(BATCH, asked))["startPipelines"]

        assert [item["error"] and item["error"]["code"] for item in first["items"]] == [None, "NOT_FOUND"]
        assert first["batch"]["total"] == 1
        assert second == {**first, "replayed": True}

    async def test_takes_five_statements_more_than_without(self, api: Api, video: Video) -> None:
        plain = await api.statements(CREATE, clip_of(video, None))

        with_key = await api.statements(CREATE, clip_of(video))
        again = await api.statements(CREATE, clip_of(video))

        assert with_key - plain == 5  # look it up, take it, open and close a savepoint, store the answer
        assert again == 3  # look it up, load the clip, load the job


class TestConflict:
    async def test_another_input_is_refused(self, db: Database, api: Api, video: Video) -> None:
        await api.data(CREATE, clip_of(video))

        refused = (await api.data(CREATE, clip_of(video, end=3)))["createClip"]

        assert refused == {
            "clip": None,
            "job": None,
            "replayed": False,
            "errors": [
                {
                    "code": "IDEMPOTENCY_CONFLICT",
                    "field": ["idempotencyKey"],
                    "message": "This idempotency key was used for another request in the last 24 hours. "
                    "Use a new key for a new request.",
                }
            ],
        }
        assert await rows(db, Clip) == 1

    async def test_so_is_another_mutation(self, api: Api, video: Video) -> None:
        await api.data(CREATE, clip_of(video))

        refused = await api.data(PROJECT, {"input": {"name": "P", "idempotencyKey": "k1"}})

        assert [error["code"] for error in refused["createProject"]["errors"]] == ["IDEMPOTENCY_CONFLICT"]

    async def test_another_user_may_use_the_same_key(self, db: Database, settings: Settings, api: Api) -> None:
        asked = {"input": {"name": "P", "idempotencyKey": "k1"}}
        other = api_of(db, settings, await make_viewer(db))

        mine, theirs = [(await one.data(PROJECT, asked))["createProject"] for one in (api, other)]

        assert (mine["replayed"], theirs["replayed"]) == (False, False)
        assert mine["project"]["id"] != theirs["project"]["id"]

    @pytest.mark.parametrize("key", ["", "k" * 201], ids=["empty", "too long"])
    async def test_a_key_of_a_wrong_length_is_refused(self, db: Database, api: Api, video: Video, key: str) -> None:
        refused = (await api.data(CREATE, clip_of(video, key)))["createClip"]

        assert [(error["code"], error["field"]) for error in refused["errors"]] == [
            ("BAD_USER_INPUT", ["idempotencyKey"])
        ]
        assert await rows(db, Clip) == 0


class TestRefusals:
    async def test_a_refused_request_leaves_its_key_unused(self, db: Database, api: Api, video: Video) -> None:
        refused = (await api.data(CREATE, clip_of(video, end=1000)))["createClip"]
        assert [error["code"] for error in refused["errors"]] == ["RANGE_OUTSIDE_MEDIA"]
        assert await rows(db, IdempotencyKey) == 0

        mended = (await api.data(CREATE, clip_of(video, end=2)))["createClip"]

        assert (mended["errors"], mended["replayed"]) == ([], False)


class TestExpiry:
    async def test_after_a_day_the_key_is_new(self, db: Database, api: Api, video: Video) -> None:
        await api.data(CREATE, clip_of(video))
        async with db.write() as session:
            await session.execute(update(IdempotencyKey).values(expires_at=func.now()))

        again = (await api.data(CREATE, clip_of(video, end=3)))["createClip"]

        assert (again["replayed"], again["errors"]) == (False, [])
        assert await rows(db, IdempotencyKey) == 1

    async def test_a_day_is_what_it_lasts(self, db: Database, api: Api, video: Video) -> None:
        await api.data(CREATE, clip_of(video))

        async with db.read() as session:
            expires = (await session.execute(select(IdempotencyKey.expires_at))).scalar_one()
        assert timedelta(hours=23, minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=24)

    async def test_each_new_key_takes_expired_ones_along(
        self, db: Database, api: Api, video: Video, viewer: Viewer
    ) -> None:
        past = datetime.now(UTC) - timedelta(hours=1)
        async with db.write() as session:
            session.add_all(
                IdempotencyKey(user_id=viewer.user_id, key=f"old{n}", operation="x", request_hash="x", expires_at=past)
                for n in range(SWEPT_ROWS + 5)
            )

        await api.data(CREATE, clip_of(video))

        assert await rows(db, IdempotencyKey) == 5 + 1


class TestAtOnce:
    async def test_ten_callers_make_one(self, db: Database, api: Api, video: Video) -> None:
        answers = await asyncio.gather(*[api.data(CREATE, clip_of(video)) for _ in range(10)])

        payloads = [answer["createClip"] for answer in answers]
        assert sorted(payload["replayed"] for payload in payloads) == [False, *[True] * 9]
        assert len({payload["clip"]["id"] for payload in payloads}) == 1
        assert (await rows(db, Clip), await rows(db, Job)) == (1, 1)


@pytest.fixture
async def own_db(own_database_url: str) -> AsyncIterator[Database]:
    database = Database(create_engine(own_database_url, pool_size=5))
    yield database
    await database.close()


class TestBrokenInBetween:
    async def test_a_connection_that_dies_leaves_nothing_and_the_next_try_does_it(
        self, own_db: Database, own_database_url: str, settings: Settings
    ) -> None:
        viewer = await make_viewer(own_db)
        video = await make_video(own_db, await make_project(own_db, owner_id=viewer.user_id))
        await make_clip(own_db, video)
        api = api_of(own_db, settings, viewer)
        holder = await asyncpg.connect(own_database_url)
        holding = holder.transaction()
        await holding.start()
        await holder.execute("lock table clips in share mode")  # the insert of the clip waits for this

        asked = asyncio.create_task(api.execute(CREATE, clip_of(video)))
        await blocked_or_done(own_db, asked)
        waiting = await _waiting_for(holder)
        await holder.execute("select pg_terminate_backend($1)", waiting)
        broken = await asked
        await holding.rollback()
        await holder.close()

        assert broken["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert (await rows(own_db, Clip), await rows(own_db, Job), await rows(own_db, IdempotencyKey)) == (1, 0, 0)
        again = (await api.data(CREATE, clip_of(video)))["createClip"]
        assert (again["replayed"], await rows(own_db, Clip), await rows(own_db, Job)) == (False, 2, 1)

    async def test_who_waited_for_it_does_it(self, own_db: Database, own_database_url: str, settings: Settings) -> None:
        viewer = await make_viewer(own_db)
        api = api_of(own_db, settings, viewer)
        asked = {"input": {"name": "P", "idempotencyKey": "k1"}}
        holder = await asyncpg.connect(own_database_url)
        holding = holder.transaction()
        await holding.start()
        await holder.execute("lock table projects in share mode")

        first = asyncio.create_task(api.execute(PROJECT, asked))
        await blocked_or_done(own_db, first)
        waiting = await _waiting_for(holder)
        second = asyncio.create_task(api.execute(PROJECT, asked))
        await asyncio.sleep(0.1)
        await holder.execute("select pg_terminate_backend($1)", waiting)
        await holding.rollback()
        await holder.close()

        assert (await first)["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert (await second)["data"]["createProject"]["replayed"] is False
        assert await rows(own_db, Project) == 1


async def _waiting_for(holder: asyncpg.Connection) -> int:
    """The connection that waits for a lock of this one."""
    statement = "select pid from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))"
    found: int = await holder.fetchval(statement)
    return found


class TestPayloads:
    def test_all_of_them_can_be_stored(self, built: GraphQLSchema) -> None:
        definitions = schema.schema_converter.type_map
        problems = []
        for name in idempotent_mutations(built):
            payload = definitions[get_named_type(built.mutation_type.fields[name].type).name].definition.origin
            assert issubclass(payload, Payload)
            fields = {field.python_name: field for field in payload.__strawberry_definition__.fields}
            for field in fields.values():
                if field.python_name != "errors":
                    problems += unstorable_type(field.type, f"{name}.{field.python_name}")

        assert problems == []

    def test_whatever_creates_or_enqueues_takes_a_key(self, built: GraphQLSchema) -> None:
        missing = []
        for name, field in built.mutation_type.fields.items():
            payload = get_named_type(field.type)
            assert isinstance(payload, GraphQLObjectType)
            enqueues = {"job", "jobs"} & payload.fields.keys() and not name.startswith(NOT_ENQUEUEING)
            creates = name.startswith(CREATING)
            if (enqueues or creates) and name not in idempotent_mutations(built) | {"createPageCode"}:
                missing.append(name)

        assert missing == [], "derive their inputs from graphql.idempotency.IdempotentInput"


CREATING = ("create", "register", "import", "generate", "start", "duplicate", "copy")
# createPageCode makes a secret for one browser, good for a minute: a second one is what is wanted.
# They change jobs that exist, and may be repeated as they are.
NOT_ENQUEUEING = ("cancel", "update", "clear", "pause", "resume", "drain", "set")


@pytest.fixture(scope="module")
def built() -> GraphQLSchema:
    return schema._schema


def idempotent_mutations(built: GraphQLSchema) -> set[str]:
    found = set()
    for name, field in built.mutation_type.fields.items():
        if "idempotencyKey" in getattr(get_named_type(field.args["input"].type), "fields", {}):
            found.add(name)
    return found


def unstorable_type(kind: Any, path: str) -> list[str]:
    """What of a Strawberry type could not be stored and answered again."""
    while hasattr(kind, "of_type"):
        kind = kind.of_type
    if hasattr(kind, "resolve_type"):
        kind = kind.resolve_type()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and issubclass(kind, Node):
        return []
    definition = getattr(kind, "__strawberry_definition__", None)
    if definition is None or isinstance(definition, strawberry.types.enum.StrawberryEnumDefinition):
        return []
    hints = {field.name: field.type for field in dataclasses.fields(kind)}
    private = [
        f"{path}.{name}: {hint}" for name, hint in hints.items() if "Private" in str(hint) and "UUID" not in str(hint)
    ]
    inner = [
        found
        for field in definition.fields
        if field.base_resolver is None
        for found in unstorable_type(field.type, f"{path}.{field.python_name}")
    ]
    return private + inner

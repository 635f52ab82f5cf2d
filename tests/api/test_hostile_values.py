"""Hostile values on the product's own schema: page sizes, cursors and ids of every query, found by a walk over it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLField, get_named_type, is_leaf_type, is_non_null_type
from starlette.applications import Starlette

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.calls import Calls
from tests.support.graphql import Api, api_of
from tests.support.hostile_requests import ONE, PAGE, VIDEOS, send, wrong_ids, wrong_pages
from tests.support.sockets import accept, open_socket
from tests.support.web import bearer, make_token

QUERIES = schema._schema.query_type.fields if schema._schema.query_type else {}
LISTS = sorted(name for name, field in QUERIES.items() if "first" in field.args)
BY_ID = sorted(name for name, field in QUERIES.items() if "id" in field.args)
WRONG_IDS = [
    "",
    "x",
    "video_",
    "video_zz",
    f"nothing_{uuid4().hex}",
    uuid4().hex,
    f"VIDEO_{uuid4().hex}",
    "a" * 10_000,
    "🎬",
]
WRONG_CURSORS = ["", "x", "e30", "bnVsbA", "AAAA" * 1000, "🎬", "eyJhIjoxfQ=="]


@pytest.fixture
async def api(db: Database, settings: Settings) -> Api:
    """An administrator's way in: nothing is refused for lack of rights."""
    viewer, _ = await make_token(db, is_admin=True)
    return api_of(db, settings, viewer)


def ask(name: str, argument: str, kind: str) -> str:
    """A query of one root field with one hostile argument, and ids of nothing for whatever else it requires."""
    field = QUERIES[name]
    others = "".join(
        f', {one}: "{one.removesuffix("Id")}_{"0" * 32}"'
        for one, definition in field.args.items()
        if one != argument and is_non_null_type(definition.type) and definition.default_value is None
    )
    return f"query($value: {kind}) {{ {name}({argument}: $value{others}) {{ {_leaf(field)} }} }}"


def _leaf(field: GraphQLField) -> str:
    fields: dict[str, Any] = getattr(get_named_type(field.type), "fields", {})
    return next((name for name, inner in fields.items() if is_leaf_type(get_named_type(inner.type))), "__typename")


class TestPageSizes:
    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize("first", [0, -1, 501, 2**31 - 1])
    async def test_outside_the_limits_are_refused(self, api: Api, name: str, first: int) -> None:
        assert await api.codes(ask(name, "first", "Int!"), {"value": first}) in (["BAD_USER_INPUT"], ["NOT_FOUND"])


class TestCursors:
    @pytest.mark.parametrize("name", LISTS)
    async def test_forged_ones_are_refused(self, api: Api, name: str) -> None:
        codes = [await api.codes(ask(name, "after", "String"), {"value": cursor}) for cursor in WRONG_CURSORS]

        assert set(map(tuple, codes)) <= {("BAD_USER_INPUT",), ("NOT_FOUND",)}


class TestIds:
    @pytest.mark.parametrize("name", BY_ID)
    async def test_forged_and_foreign_ones_find_nothing(self, api: Api, name: str) -> None:
        answers = [await api.execute(ask(name, "id", "ID!"), {"value": wrong}) for wrong in WRONG_IDS]

        assert answers == [{"data": {name: None}}] * len(WRONG_IDS)


def outcome(answer: Any) -> Any:
    """The data of an answer, or the codes of its errors."""
    return [error["extensions"]["code"] for error in answer.get("errors", ())] or answer["data"]


async def by_http(app: Starlette, secret: str, query: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    status, answer = await send(app, body, {"authorization": bearer(secret)["Authorization"]})
    assert status in (200, 400)
    return outcome(json.loads(answer))


class TestOverTheWire:
    async def test_sizes_cursors_and_ids_are_refused_by_http_and_by_sockets_alike(
        self, db: Database, product: Starlette
    ) -> None:
        viewer, secret = await make_token(db)
        mine, theirs = await make_project(db, owner_id=viewer.user_id), await make_project(db)
        await make_video(db, mine)
        cursor = (await by_http(product, secret, PAGE, first=1))["projects"]["pageInfo"]["endCursor"]
        foreign = (await by_http(product, secret, VIDEOS))["videos"]["pageInfo"]["endCursor"]
        asked = [(PAGE, page) for page in wrong_pages(cursor, foreign).values()]
        asked += [(ONE, one) for one in wrong_ids(mine.id, theirs.id).values()]

        http = [await by_http(product, secret, query, **variables) for query, variables in asked]
        async with open_socket(product) as socket:
            await accept(socket)
            await socket.init(bearer(secret))
            sockets = []
            for number, (query, variables) in enumerate(asked):
                await socket.subscribe(query, str(number), variables)
                message = await socket.next()
                sockets.append(
                    outcome({"errors": message["payload"]} if message["type"] == "error" else message["payload"])
                )
                if message["type"] == "next":
                    assert (await socket.next())["type"] == "complete"

        assert http == [["BAD_USER_INPUT"]] * 7 + [{"project": None}] * 4
        assert sockets == http


# Calls of functions until the refusal, as in test_hostile_requests. Suggestions for all of them made 69,000 to 213,000.
MOST_CALLS = 45_000
MISSPELT = {
    "mutations": "mutation { " + " ".join(f"deleteProjec{n}(input: {{}}) {{ id }}" for n in range(20)) + " }",
    "queries": "{ " + " ".join(f"trashedVideo{n}" for n in range(20)) + " }",
    "fields": '{ video(id: "x") { ' + " ".join(f"durationSecond{n}" for n in range(60)) + " } }",
    "types": '{ node(id: "x") { ' + " ".join(f"... on Vide{n} {{ id }}" for n in range(40)) + " } }",
    "values": "{ jobs(filter: {status: [" + ", ".join(f"SUCCEEDE{n}" for n in range(60)) + "]}) { totalCount } }",
}


class TestMisspelt:
    @pytest.mark.parametrize("kind", MISSPELT)
    async def test_names_are_suggested_for_the_first_alone(self, api: Api, kind: str) -> None:
        with Calls() as calls:
            errors = (await api.execute(MISSPELT[kind]))["errors"]

        suggested = ["Did you mean" in error["message"] for error in errors]
        assert suggested[0]
        assert sum(suggested) <= 2
        assert calls.count < MOST_CALLS

"""Hostile values on the product's own schema: page sizes, cursors and ids of every query, found by a walk over it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLField, get_named_type, is_leaf_type, is_non_null_type

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.graphql import Api, api_of
from tests.support.web import make_token

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

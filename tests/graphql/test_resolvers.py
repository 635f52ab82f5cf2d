"""Resolvers called at once: with the arguments, and at the places, that Strawberry would call them with."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import pytest
import strawberry
from strawberry.permission import BasePermission

from cuepoint.graphql.config import build_schema
from cuepoint.graphql.context import Info


@strawberry.enum
class Colour(Enum):
    RED = "r"


@strawberry.input
class Given:
    value: int


class Never(BasePermission):
    message = "Never."

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return False


@strawberry.type
class Query:
    @strawberry.field
    def sum(self, first_one: int, second: Annotated[int | None, strawberry.argument(name="other")] = None) -> str:
        return f"{first_one} {second}"

    @strawberry.field
    async def where(self, info: Info, colour: Colour = Colour.RED, given: Given | None = None) -> str:
        return f"{info.path.key} {colour} {given}"

    @strawberry.field
    def change(self, to: strawberry.Maybe[int | None] = None) -> str:
        return repr(to)

    @strawberry.field(permission_classes=[Never])
    def forbidden(self) -> str | None:
        return "seen"


schema = build_schema(Query)


class TestShortenResolvers:
    @pytest.mark.parametrize(
        ("asked", "answer"),
        [
            ("sum(firstOne: 1)", "1 None"),
            ("sum(firstOne: 1, other: 2)", "1 2"),
            ("sum(firstOne: 1, other: null)", "1 None"),
            ("change", "None"),
            ("change(to: null)", "Some(None)"),
            ("change(to: 3)", "Some(3)"),
            ("where", "a Colour.RED None"),
            ("where(colour: RED, given: {value: 3})", "a Colour.RED Given(value=3)"),
        ],
    )
    async def test_arguments_arrive_as_ever(self, asked: str, answer: str) -> None:
        result: Any = await schema.execute(f"{{ a: {asked} }}")

        assert (result.data, result.errors) == ({"a": answer}, None)

    async def test_a_permission_is_asked(self) -> None:
        result: Any = await schema.execute("{ forbidden }")

        assert result.data == {"forbidden": None}
        assert len(result.errors) == 1

    def test_which_they_are(self) -> None:
        kind: Any = schema._schema.query_type

        short = {name for name, one in kind.fields.items() if one.resolve.__module__ == "cuepoint.graphql.resolvers"}

        assert short == {"sum", "where"}

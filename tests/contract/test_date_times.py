"""A time that a client sends has its offset, wherever it stands: one rule, in the scalar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, coerce_input_value, get_named_type, parse, validate
from graphql.utilities import validate_input_value

from cuepoint.api.schema import schema

NAIVE = "2026-01-01T00:00:00"


def places() -> Iterator[tuple[str, Any]]:
    """Every argument and input field that takes a time, and its type."""
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            given = {f"{kind.name}.{name}": field for name, field in kind.fields.items()}
        elif isinstance(kind, GraphQLObjectType):
            fields = kind.fields.items()
            given = {f"{kind.name}.{name}({key})": one for name, field in fields for key, one in field.args.items()}
        else:
            continue
        yield from ((name, one.type) for name, one in given.items() if get_named_type(one.type).name == "DateTime")


PLACES = dict(places())


class TestDateTimes:
    def test_the_places_are_known(self) -> None:
        assert {"JobFilterInput.createdFrom", "AuditFilterInput.createdBefore", "CreateApiKeyInput.expiresAt"} <= set(
            PLACES
        )

    @pytest.mark.parametrize("place", PLACES)
    def test_a_time_without_offset_is_refused(self, place: str) -> None:
        refusals: list[str] = []

        validate_input_value(NAIVE, PLACES[place], lambda error, _path: refusals.append(error.message))

        assert len(refusals) == 1
        assert "needs its offset from UTC, as in 2026-05-01T12:00:00Z" in refusals[0]

    @pytest.mark.parametrize("place", PLACES)
    def test_one_with_offset_is_read_as_utc(self, place: str) -> None:
        assert coerce_input_value("2026-01-01T01:00:00+01:00", PLACES[place]) == datetime(2026, 1, 1, tzinfo=UTC)

    def test_so_is_one_in_the_text_of_an_operation(self) -> None:
        document = parse(f'{{ jobs(filter: {{createdFrom: "{NAIVE}"}}) {{ nodes {{ id }} }} }}')

        (refusal,) = validate(schema._schema, document)

        assert "needs its offset from UTC" in refusal.message

"""Validation: few errors, and no names given away where introspection is off."""

from __future__ import annotations

from typing import Any

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.calls import Calls
from tests.support.web import Web, errors_of, running_web

NEW = {"Accept": "application/graphql-response+json"}
# One for each kind of suggestion: fields, arguments, types, enum values and input fields.
MISSPELT = [
    "{ ech }",
    '{ echo(txt: "x") }',
    "{ ... on Thin { number } }",
    '{ find(input: {text: "x", frst: 1}) { hits { number } } }',
    "query($a: Strin) { echo(text: $a) }",
]


async def messages(web: Web, query: str) -> str:
    """All messages of the refusal."""
    response = await web.client.post("/graphql", json={"query": query}, headers=NEW)
    assert response.status_code == 400
    return " ".join(message for _, message in errors_of(response))


class TestSuggestions:
    @pytest.mark.parametrize("query", MISSPELT)
    async def test_they_help_where_introspection_is_on(self, settings: Settings, db: Database, query: str) -> None:
        async with running_web(settings, db) as web:
            assert "Did you mean" in await messages(web, query)

    @pytest.mark.parametrize("query", MISSPELT)
    async def test_and_are_left_out_where_it_is_off(self, settings: Settings, db: Database, query: str) -> None:
        async with running_web(settings.model_copy(update={"introspection": False}), db) as web:
            assert "Did you mean" not in await messages(web, query)

    async def test_so_they_are_for_values_of_variables(self, settings: Settings, db: Database) -> None:
        body = {
            "query": "query($i: FindInput!) { find(input: $i) { hits { number } } }",
            "variables": {"i": {"txt": 1}},
        }
        async with running_web(settings.model_copy(update={"introspection": False}), db) as web:
            response = await web.client.post("/graphql", json=body, headers=NEW)

        assert response.status_code == 400
        assert "Did you mean" not in response.text


class TestIntrospection:
    @pytest.mark.parametrize("query", ["{ __schema { types { name } } }", '{ __type(name: "Thing") { name } }'])
    async def test_it_can_be_switched_off(self, settings: Settings, db: Database, query: str) -> None:
        async with running_web(settings, db) as web:
            on: Any = await web.client.post("/graphql", json={"query": query}, headers=NEW)
        async with running_web(settings.model_copy(update={"introspection": False}), db) as web:
            off: Any = await web.client.post("/graphql", json={"query": query}, headers=NEW)
            name: Any = await web.client.post("/graphql", json={"query": "{ __typename }"}, headers=NEW)

        assert (on.status_code, off.status_code) == (200, 400)
        assert "data" not in off.json()
        assert name.json()["data"] == {"__typename": "Query"}


class TestErrors:
    async def test_there_are_ten_at_most(self, settings: Settings, db: Database) -> None:
        query = "{ things { nodes { " + " ".join(f"numbe{n}" for n in range(300)) + " } } }"
        async with running_web(settings, db) as web:
            with Calls() as calls:
                response: Any = await web.client.post("/graphql", json={"query": query}, headers=NEW)

        assert len(response.json()["errors"]) == 11  # the last one says that there are more
        assert calls.count < 100_000  # all 300 make 229,000

"""Validation: few errors, and no names given away where introspection is off."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from graphql import GraphQLError, parse, specified_rules
from graphql import validate as core_validate

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.validation import LONG, MAX_CHARACTERS, RULES, validate
from tests.support.calls import Calls
from tests.support.hostile_requests import WRONG
from tests.support.web import Web, errors_of, running_web

OPERATIONS = Path(__file__).parents[2] / "frontend-schema/operations"
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

    @pytest.mark.parametrize("number", [150, 400], ids=["in long messages", "in a long text"])
    def test_only_the_first_is_told(self, number: int) -> None:
        text = (
            "{ jobs(filter: {" + " ".join(f"statu{n}_{'x' * 20}: QUEUED" for n in range(number)) + "}) { totalCount } }"
        )
        document = parse(text)

        with Calls() as calls:
            first, end = validate(schema._schema, document, RULES, max_errors=10, hide_suggestions=True)

        assert "unknown field 'statu0_" in first.message
        assert end.message == "There may be more validation errors. Validation aborted."
        assert calls.count < 75 * number  # ten make ten times as many


def texts() -> list[str]:
    """Operations that are right, the same with a name or two replaced, and whatever else somebody has thought of."""
    random = Random(7)
    right = random.sample([path.read_text() for path in sorted(OPERATIONS.glob("*.graphql"))], 20)
    names = sorted({name for text in right for name in re.findall(r"[$@]?\b[_a-zA-Z]\w*", text)})
    spoilt = []
    for text in right * 3:
        pieces = re.split(r"([$@]?\b[_a-zA-Z]\w*)", text)
        for _ in range(2):
            pieces[2 * random.randrange(len(pieces) // 2) + 1] = random.choice(names)
        spoilt.append("".join(pieces))
    return [*right, *spoilt, *(json.loads(one.body)["query"] for one in WRONG)]


def told(errors: list[GraphQLError]) -> list[tuple[str, Any]]:
    return [(error.message.partition(" Did you mean")[0], error.locations) for error in errors]


class TestTheWalk:
    def test_the_errors_are_those_of_graphql_core(self) -> None:
        rules = (*specified_rules, *RULES[len(specified_rules) :])
        faults = 0
        for text in texts():
            try:
                document = parse(text, max_lexical_tokens=3_000)
            except GraphQLError:
                continue
            ours = validate(schema._schema, document, RULES, max_errors=3, hide_suggestions=True)
            theirs = core_validate(schema._schema, document, rules, max_errors=3, hide_suggestions=True)
            if document.token_count > LONG:
                assert told(ours)[:1] == told(theirs)[:1], text
            elif sum(len(error.message) for error in theirs) < MAX_CHARACTERS:
                assert told(ours) == told(theirs), text
            faults += bool(ours)

        assert faults > 60

    @pytest.mark.parametrize(
        "text",
        [
            "{ __typename serverInfo { __typename: version __typename } }",
            "{ serverInfo { a: version ...F } } fragment F on ServerInfo { a: __typename ... { a: limits } }",
            "{ ...A ...B } fragment A on Query { ...B me { id } } fragment B on Query { ...A me { id: name } }",
            '{ nodes(ids: ["x", 1, null, 1.5, [2], $v, {a: 1}, TRUE]) { id } }',
            "{ projects(first: 2147483648) { totalCount } }",
            "{ jobs(filter: {status: [QUEUED, queued], status: 1, x: 1}) { totalCount } }",
            "mutation { createClips(input: {items: [{videoId: 1.5, start: X}, {}], itens: [1]}) { clips { id } } }",
            "{ __schema { types { name kind } } project(id: 1) { id @skip nam name(x: 1) name { id } videos } }",
        ],
    )
    def test_so_they_are_where_something_is_plain_and_something_is_not(self, text: str) -> None:
        document = parse(text)
        rules = (*specified_rules, *RULES[len(specified_rules) :])

        ours = validate(schema._schema, document, RULES, max_errors=20, hide_suggestions=True)

        assert told(ours) == told(core_validate(schema._schema, document, rules, max_errors=20, hide_suggestions=True))
        assert ours

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("mutation { createClips(input: {itens: 1, items: [%s]}) { clips { id } } }", "{ itens: 1, items: $… }"),
            ("{ projects(first: [%s]) { totalCount } }", "…"),
        ],
        ids=["an object", "a list"],
    )
    def test_of_a_large_value_the_outermost_is_printed(self, text: str, found: str) -> None:
        document = parse(text % ('{videoId: "x", mode: SMART}, ' * 100))

        error, *_ = validate(schema._schema, document, RULES, max_errors=10, hide_suggestions=True)

        assert error.message.endswith(f": {found}") or error.message.endswith(f": {found}.")

"""Who gets what answer: the whole schema, uploads and media, asked as nine callers and compared with a table.

What one may not see answers exactly as what is absent: with the same text, and for the same number of SQL statements.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cuepoint.api.app import create_app
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.access_http import PLACES, ask_http
from tests.support.access_matrix import (
    CALLERS,
    OUTCOMES,
    ROOTS,
    TABLE,
    Row,
    default_arguments,
    differences,
    filled,
    line_of,
    outcome,
    read_table,
    root_fields,
)
from tests.support.access_world import World, world_of

FIELDS = root_fields(schema._schema)
ROWS, MAKINGS = read_table()
TO_DO = f"Look whether each outcome is meant ({TABLE.name} says what they mean); correct the code or the line:"
PART = 60  # lines: a test of a few seconds; each makes the whole world anew
PARTS = {
    f"{kind}-{start // PART + 1}": found[start : start + PART]
    for kind in (*ROOTS, "http")
    for found in [[row for row in ROWS if row.kind == kind]]
    for start in range(0, len(found), PART)
}
# Code and health, which anybody may fetch; the ways to sign in; and GraphQL, whose fields have lines of their own.
OPEN_ROUTES = {"/", "/livez", "/readyz", "/graphql", "/graphiql", "/graphiql/examples.json"}
OPEN_ROUTES |= {"/page", "/page/session", "/v/", "/v/{id}"}


@pytest.fixture
async def world(db: Database, settings: Settings) -> AsyncIterator[World]:
    async with world_of(db, settings, MAKINGS) as made:
        yield made


async def ask_all(world: World, row: Row) -> dict[str, str]:
    """The outcome for every caller."""
    seen = {}
    for caller in CALLERS:
        if row.kind == "http":
            seen[caller] = await ask_http(world, caller, row)
            continue
        answer = await world.ask(caller, row, FIELDS[row.key], world.ids)
        seen[caller] = outcome(row.name, FIELDS[row.key], answer.body)
    return seen


class TestTheTable:
    async def test_has_a_line_for_every_root_field(self, world: World) -> None:
        missing = []
        for key in sorted(set(FIELDS) - {row.key for row in ROWS}):
            kind, _, name = key.partition(" ")
            guess = Row(kind, name, {}, default_arguments(kind, name, FIELDS[key]))
            try:
                missing.append(line_of(guess, await ask_all(world, guess)))
            except KeyError as error:
                missing.append(f"{line_of(guess, dict.fromkeys(CALLERS, '?'))}  (nothing makes ${error.args[0]} yet)")

        text = "\n".join(missing)
        assert not missing, f"{len(missing)} root fields have no line in {TABLE.name}. {TO_DO}\n{text}"

    def test_asks_nothing_that_is_refused_before_the_gate(self) -> None:
        assert [row.key for row in ROWS if row.expected["stranger"] == "bad"] == []

    def test_has_a_line_for_every_route(self, settings: Settings) -> None:
        paths = [filled(row.name.partition(" ")[2], PLACES) for row in ROWS if row.kind == "http"]
        missing = [
            route.path
            for route in create_app(settings).routes
            if route.path not in OPEN_ROUTES and not any(route.path_regex.match(path) for path in paths)
        ]

        assert missing == [], f"add lines to {TABLE.name}: http METHOD PATH ..."

    def test_has_no_line_too_many(self) -> None:
        keys = [row.key for row in ROWS if row.kind in ROOTS]

        assert sorted(set(keys) - set(FIELDS)) == []
        assert {outcome for row in ROWS for outcome in row.expected.values()} <= set(OUTCOMES)


@pytest.mark.parametrize("part", PARTS)
class TestEveryCaller:
    async def test_gets_the_answer_of_the_table(self, world: World, part: str) -> None:
        wrong = []
        for row in PARTS[part]:
            seen = await ask_all(world, row)
            if differences(row.expected, seen):
                wrong.append(f"{row.name}: {'; '.join(differences(row.expected, seen))}\n  {line_of(row, seen)}")

        text = "\n".join(wrong)
        assert not wrong, f"{len(wrong)} answers are not those of {TABLE.name}. {TO_DO}\n{text}"


@pytest.mark.parametrize("part", [name for name in PARTS if not name.startswith("http")])
class TestWhatIsHidden:
    async def test_answers_as_what_is_absent(self, world: World, part: str) -> None:
        told = []
        for row in [one for one in PARTS[part] if one.places]:
            for caller in [name for name, expected in row.expected.items() if expected == "absent"]:
                both = [await world.ask(caller, row, FIELDS[row.key], ids) for ids in (world.ids, world.absent())]
                hidden, absent = both
                if (hidden.body, hidden.statements) != (absent.body, absent.statements):
                    told.append(f"{row.name} as {caller}: {_difference(hidden, absent)}")
                if any(error["field"] == [] for error in _refusals(row, hidden)):
                    told.append(f"{row.name} as {caller}: no `field` names the id")

        text = "\n".join(told)
        assert not told, f"hidden and absent answer differently, or unclearly:\n{text}"


def _refusals(row: Row, answer: Any) -> list[dict[str, Any]]:
    """The errors in a mutation's payload."""
    return answer.body["data"][row.name]["errors"] if row.kind == "mutation" and answer.body.get("data") else []


def _difference(hidden: Any, absent: Any) -> str:
    if hidden.statements != absent.statements:
        return f"{hidden.statements} statements for what is hidden, {absent.statements} for what is absent"
    return f"{hidden.body} for what is hidden, {absent.body} for what is absent"

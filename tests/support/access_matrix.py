"""The table of who gets what answer from each root field, and how a line of it is asked and judged.

`tests/contract/access_matrix.txt` explains its own columns. Nothing here knows of a single field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
)

TABLE = Path(__file__).resolve().parents[1] / "contract/access_matrix.txt"
CALLERS = ("nobody", "stranger", "viewer", "editor", "owner", "admin", "reader", "elsewhere", "expired", "visitor")
ROOTS = {"query": "query_type", "mutation": "mutation_type", "subscription": "subscription_type"}
OUTCOMES = ("401", "absent", "no", "empty", "bad", "ok")
_PLACE = re.compile(r"\$(\w+)")
_OF_CODE = {"UNAUTHENTICATED": "401", "NOT_FOUND": "absent", "FORBIDDEN": "no", "BAD_USER_INPUT": "bad"}


@dataclass(frozen=True)
class Row:
    """One field (or one HTTP request), what it is asked, and what each caller gets."""

    kind: str
    name: str
    expected: Mapping[str, str]
    arguments: str
    is_kept: bool = False  # what it writes

    @property
    def key(self) -> str:
        """As it begins its line."""
        return f"{self.kind} {self.name}"

    @property
    def places(self) -> list[str]:
        """Names of the objects that it asks for."""
        return _PLACE.findall(self.name + self.arguments)

    def with_ids(self, ids: Mapping[str, str]) -> str:
        """The arguments with those ids in them."""
        return filled(self.arguments, ids)


@dataclass(frozen=True)
class Making:
    """An object that no builder makes: a mutation of the owner, and where the id lies in its payload."""

    name: str
    mutation: str
    path: str
    arguments: str


def filled(text: str, ids: Mapping[str, str]) -> str:
    """The text with each `$name` replaced. Raises KeyError for a name that nothing makes."""
    return _PLACE.sub(lambda match: ids[match[1]], text)


def read_table() -> tuple[list[Row], list[Making]]:
    """Every line of the table."""
    rows, makings = [], []
    for line in TABLE.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        kind, _, rest = line.partition(" ")
        if kind == "make":
            name, mutation, path, arguments = rest.split(None, 3)
            makings.append(Making(name, mutation, path, arguments))
            continue
        size = 2 if kind == "http" else 1  # method and path
        parts = rest.split(None, size + len(CALLERS))
        expected = dict(zip(CALLERS, parts[size : size + len(CALLERS)], strict=True))
        arguments = parts[size + len(CALLERS)] if len(parts) > size + len(CALLERS) else "{}"
        is_kept = kind.endswith("!")
        rows.append(Row(kind.removesuffix("!"), " ".join(parts[:size]), expected, arguments, is_kept))
    return rows, makings


def line_of(row: Row, seen: Mapping[str, str]) -> str:
    """The line that says what was seen."""
    outcomes = " ".join(f"{seen[caller]:{len(caller)}}" for caller in CALLERS)
    begin = f"{row.kind}{'!' if row.is_kept else ''} {row.name}"
    return f"{begin:36} {outcomes} {row.arguments}".rstrip()


def root_fields(schema: GraphQLSchema) -> dict[str, GraphQLField]:
    """Every root field by the beginning of its line."""
    found = {}
    for kind, attribute in ROOTS.items():
        root = getattr(schema, attribute)
        found |= {f"{kind} {name}": field for name, field in root.fields.items()}
    return found


def document(kind: str, name: str, field: GraphQLField, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """An operation on the field, and its variables. A mutation's arguments are those of its input."""
    variables = {"input": dict(arguments)} if kind == "mutation" else dict(arguments)
    declared = ", ".join(f"${given}: {field.args[given].type}" for given in variables)
    passed = ", ".join(f"{given}: ${given}" for given in variables)
    head = f"{kind} ({declared})" if declared else kind
    call = f"{name}({passed})" if passed else name
    return f"{head} {{ {call} {selection(field.type)} }}", variables


def selection(kind: Any, depth: int = 0) -> str:
    """What shows the outcome: errors, the members of lists, and whether an object is there."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLScalarType | GraphQLEnumType):
        return ""
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType) or depth > 2:
        return "{ __typename }"
    assert isinstance(named, GraphQLObjectType)
    if named.name == "UserError":
        return "{ code field message }"
    if named.name.endswith("Connection"):
        return "{ nodes { __typename } }"
    wanted = ["__typename"]
    for name, field in named.fields.items():
        is_shown = named.name.endswith("Payload") or name in ("error", "errors", "jobId", "hits", "items")
        if is_shown and not any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values()):
            wanted.append(f"{name} {selection(field.type, depth + 1)}".strip())
    return f"{{ {' '.join(wanted)} }}"


def outcome(name: str, field: GraphQLField, body: Mapping[str, Any]) -> str:
    """How the answer is to be called."""
    if body.get("errors"):
        code = body["errors"][0]["extensions"]["code"]
        return _OF_CODE.get(code, f"error:{code}:{body['errors'][0]['message'][:120]}")
    value = body["data"][name]
    if isinstance(value, dict) and "errors" in value:
        return _of_payload(value)
    if value is None:
        return "absent"
    if isinstance(value, list):
        return "ok" if any(one is not None for one in value) else ("absent" if value else "empty")
    if isinstance(value, dict):
        for members in ("nodes", "hits"):
            if members in value:
                return "ok" if value[members] else "empty"
        if "jobId" in value and value["jobId"] is None:
            return "empty"  # a feed that begins with nothing
    return "ok"


def _of_payload(payload: Mapping[str, Any]) -> str:
    errors = payload["errors"]
    items = [item for value in payload.values() if isinstance(value, list) for item in value if isinstance(item, dict)]
    if not errors and items and all(item.get("error") for item in items):
        errors = [item["error"] for item in items]
    if errors:
        return _OF_CODE.get(errors[0]["code"], "ok")  # whatever else is wrong is told to those who passed the gate
    done = {name: value for name, value in payload.items() if name.lower().endswith("count") or isinstance(value, list)}
    done |= {name: value for name, value in payload.items() if name in ("changed", "deletedId")}
    del done["errors"]
    return "ok" if not done or any(done.values()) else "empty"


def default_arguments(kind: str, name: str, field: GraphQLField) -> str:
    """A first guess: required arguments, ids by their names, and `id` by that of the field."""
    noun = re.sub(r"^[a-z]+", "", name) if kind == "mutation" else name
    given: Mapping[str, Any] = field.args
    if kind == "mutation":
        given = get_named_type(field.args["input"].type).fields
    return json.dumps(_required(given, noun[:1].lower() + noun[1:]))


def _required(given: Mapping[str, Any], noun: str) -> dict[str, Any]:
    is_needed = {
        name: isinstance(one.type, GraphQLNonNull) and one.default_value is Undefined for name, one in given.items()
    }
    return {name: _guess(name, one.type, noun) for name, one in given.items() if is_needed[name]}


def _guess(name: str, kind: Any, noun: str) -> Any:
    inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if isinstance(inner, GraphQLList):
        return [_guess(name.removesuffix("s"), inner.of_type, noun.removesuffix("s"))]
    named = get_named_type(inner)
    if isinstance(named, GraphQLInputObjectType):
        return _required(named.fields, noun)
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    simple = {"ID": f"${noun if name == 'id' else name.removesuffix('Id')}", "String": "text", "Boolean": True}
    return simple.get(named.name, 1)


def differences(expected: Mapping[str, str], seen: Mapping[str, str], callers: Sequence[str] = CALLERS) -> list[str]:
    """Where the two differ, in words."""
    return [
        f"{caller}: {seen[caller]} instead of {expected[caller]}"
        for caller in callers
        if seen[caller] != expected[caller]
    ]

"""The SDL is the clients' manual: checked in, complete, and every member described."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
)

from cuepoint.api.schema import schema

ROOT = Path(__file__).resolve().parents[2]
SDL = ROOT / "frontend-schema/schema.graphql"
BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


@pytest.fixture(scope="module")
def built() -> GraphQLSchema:
    return build_schema(SDL.read_text())


def undescribed(built: GraphQLSchema) -> list[str]:
    missing = []
    for name, kind in built.type_map.items():
        if name.startswith("__") or name in BUILT_IN:
            continue
        if not kind.description:
            missing.append(name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                if not field.description:
                    missing.append(f"{name}.{field_name}")
                for argument_name, argument in getattr(field, "args", {}).items():
                    if not argument.description:
                        missing.append(f"{name}.{field_name}({argument_name})")
        elif isinstance(kind, GraphQLEnumType):
            missing += [f"{name}.{value}" for value, member in kind.values.items() if not member.description]
        else:
            assert isinstance(kind, GraphQLScalarType) or kind.description
    return missing


class TestSdl:
    def test_file_equals_the_code(self) -> None:
        assert SDL.read_text().strip() == schema.as_str().strip(), "run `make schema`"

    def test_every_member_is_described(self, built: GraphQLSchema) -> None:
        assert undescribed(built) == []

    def test_every_connection_is_bounded(self, built: GraphQLSchema) -> None:
        unbounded = []
        for name, kind in built.type_map.items():
            if isinstance(kind, GraphQLObjectType):
                for field_name, field in kind.fields.items():
                    if str(field.type).strip("!").endswith("Connection") and "first" not in field.args:
                        unbounded.append(f"{name}.{field_name}")

        assert unbounded == []

    def test_addresses_are_urls(self, built: GraphQLSchema) -> None:
        texts = {
            f"{name}.{field_name}"
            for name, kind in built.type_map.items()
            if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType) and not name.startswith("__")
            for field_name, field in kind.fields.items()
            if field_name.lower().endswith("url") and str(field.type).startswith("String")
        }

        assert texts == {"Import.url"}  # what is left of it for people to read

    def test_mutations_take_one_input_and_give_one_payload(self, built: GraphQLSchema) -> None:
        assert built.mutation_type is not None
        for name, field in built.mutation_type.fields.items():
            title = name[0].upper() + name[1:]
            assert list(field.args) == ["input"], name
            assert str(field.args["input"].type) == f"{title}Input!"
            assert str(field.type) == f"{title}Payload!"

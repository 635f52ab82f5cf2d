"""The cost that a client reckons from the SDL alone is the cost that it is charged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    get_named_type,
    is_list_type,
    is_non_null_type,
    parse,
    value_from_ast_untyped,
)

from cuepoint.api.schema import schema
from cuepoint.graphql.limits import weigh_document

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "frontend-schema/operations").glob("*.graphql"))
LONGEST_PAGE = 500
FRAGMENTS = """{ ...F } fragment F on Query { projects(first: 2) { ...G } }
  fragment G on ProjectConnection { nodes { name } }"""


@pytest.fixture(scope="module")
def sdl() -> GraphQLSchema:
    return build_schema(schema.as_str())


class Reckoner:
    """What a client can do with the SDL: the rules that the descriptions of `@cost` and `@listSize` state."""

    def __init__(self, sdl: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> None:
        self.sdl = sdl
        definitions = document.definitions
        self.fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
        [self.operation] = [d for d in definitions if isinstance(d, OperationDefinitionNode)]
        defaults = {
            d.variable.name.value: value_from_ast_untyped(d.default_value)
            for d in self.operation.variable_definitions or ()
            if d.default_value is not None
        }
        self.variables = {**defaults, **variables}

    def total(self) -> int:
        return self.selections(self.operation.selection_set, self.sdl.get_root_type(self.operation.operation), {})

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType | None, sizes: dict[str, int]) -> int:
        cost = 0
        for one in node.selections:
            if isinstance(one, FieldNode):
                cost += self.field(one, parent, sizes)
            elif isinstance(one, InlineFragmentNode):
                inner = self.sdl.get_type(one.type_condition.name.value) if one.type_condition else parent
                cost += self.selections(one.selection_set, inner, sizes)
            elif isinstance(one, FragmentSpreadNode):
                fragment = self.fragments[one.name.value]
                inner = self.sdl.get_type(fragment.type_condition.name.value)
                cost += self.selections(fragment.selection_set, inner, sizes)
        return cost

    def field(self, node: FieldNode, parent: GraphQLNamedType | None, sizes: dict[str, int]) -> int:
        name = node.name.value
        field = getattr(parent, "fields", {}).get(name)
        if field is None:  # __typename
            return 1
        marks = {
            directive.name.value: {
                one.name.value: value_from_ast_untyped(one.value) for one in directive.arguments or ()
            }
            for directive in field.ast_node.directives or ()
        }
        own = int(marks.get("cost", {}).get("weight", 1))
        if node.selection_set is None:
            return own
        size, below = marks.get("listSize", {}), {}
        is_list = is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type)
        length = sizes.get(name, size.get("assumedSize", 1)) if is_list else 1
        if "slicingArguments" in size:
            page = self.page(node, field, size["slicingArguments"][0])
            below = dict.fromkeys(size.get("sizedFields", ()), page)
            length = page if is_list else 1
        return own + length * self.selections(node.selection_set, get_named_type(field.type), below)

    def page(self, node: FieldNode, field: Any, path: str) -> int:
        given = {one.name.value: value_from_ast_untyped(one.value, self.variables) for one in node.arguments or ()}
        name, _, inner = path.partition(".")
        value, argument = given.get(name), field.args[name]
        if inner:
            argument = get_named_type(argument.type).fields[inner]
            value = (value or {}).get(inner)
        chosen = value_from_ast_untyped(argument.ast_node.default_value) if value is None else value
        return min(len(chosen) if isinstance(chosen, list) else chosen, LONGEST_PAGE)


def charged(text: str, variables: dict[str, Any]) -> int:
    return weigh_document(schema._schema, parse(text), variables)[""].total_cost


class TestPublishedCosts:
    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_of_the_operations_are_those_charged(self, path: Path, sdl: GraphQLSchema) -> None:
        variables = {"first": 40, "ids": ["a", "b", "c"], "input": {"first": 7}}

        reckoned = Reckoner(sdl, parse(path.read_text()), variables).total()

        assert reckoned == charged(path.read_text(), variables)

    @pytest.mark.parametrize(
        ("text", "cost"),
        [
            ("{ me { id name } }", 1 + 2),
            ("{ projects(first: 10) { totalCount nodes { id name } } }", 1 + 5 + 1 + 10 * 2),
            ("{ projects { edges { cursor node { name } } } }", 1 + 1 + 25 * (1 + 1 + 1)),
            ("{ nodes(ids: [1, 2, 3]) { id } }", 1 + 3 * 1),
            ("{ queues { name running } }", 1 + 5 * 2),
            (FRAGMENTS, 1 + 1 + 2 * 1),
        ],
        ids=["object", "connection", "default", "ids", "list", "fragments"],
    )
    def test_are_these(self, text: str, cost: int, sdl: GraphQLSchema) -> None:
        assert charged(text, {}) == cost
        assert Reckoner(sdl, parse(text), {}).total() == cost

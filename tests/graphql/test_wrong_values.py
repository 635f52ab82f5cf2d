"""Wrong values of variables: the errors that graphql-core would tell, at a fraction of the calls."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLError, OperationDefinitionNode, build_schema
from graphql.execution.values import get_variable_values
from hypothesis import given, settings
from hypothesis import strategies as st

from cuepoint.graphql.parsing import parse_document
from cuepoint.graphql.wrong_values import wrong_values
from tests.support.calls import Calls

SCHEMA = build_schema("""
    type Query { a(x: Outer): Int }
    enum Color { RED GREEN }
    input Inner { at: Float!, ids: [ID!], color: Color = RED, many: [[Int]!] }
    input Choice @oneOf { one: Int, other: String }
    input Outer { first: Inner!, second: [Inner], choice: Choice, flag: Boolean, text: String! = "x" }
""")
DEFINITIONS = '$o: Outer!, $i: [Inner!], $c: Choice, $n: Int = 1, $t: String!, $d: String! = "d"'
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2**31, -1.5, 3.0, float("inf"), "", "RED", "BLUE", "x"]),
)
NAMES = ["at", "ids", "color", "many", "one", "other", "first", "second", "choice", "flag", "text", "fist"]
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
INNER = st.fixed_dictionaries(
    {"at": st.sampled_from([1, 1.5, "x"])}, optional={"ids": st.lists(LEAVES), "color": LEAVES, "many": VALUES}
)
CHOICE = st.dictionaries(st.sampled_from(["one", "other"]), LEAVES)
OUTER = st.fixed_dictionaries(
    {"first": INNER}, optional={"second": st.lists(INNER) | INNER, "choice": CHOICE, "flag": LEAVES, "text": LEAVES}
)


def operation(text: str) -> OperationDefinitionNode:
    node = parse_document(text).definitions[0]
    assert isinstance(node, OperationDefinitionNode)
    return node


ASKED = operation(f"query({DEFINITIONS}) {{ a }}")


def told(errors: Any) -> list[tuple[str, Any]]:
    return [(error.message, error.locations) for error in errors] if isinstance(errors, list) else []


def ours(variables: dict[str, Any], *, hides: bool = False) -> list[GraphQLError]:
    return wrong_values(SCHEMA, ASKED, variables, max_errors=3, hide_suggestions=hides)


class TestWrongValues:
    @settings(deadline=None, max_examples=150)
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "o": OUTER | VALUES,
                "i": st.lists(INNER) | VALUES,
                "c": CHOICE | VALUES,
                "n": LEAVES,
                "t": LEAVES,
                "d": LEAVES,
            },
        ),
        st.booleans(),
    )
    def test_they_are_told_as_graphql_core_tells_them(self, variables: dict[str, Any], hides: bool) -> None:
        definitions = ASKED.variable_definitions or ()
        theirs = get_variable_values(SCHEMA, definitions, variables, max_errors=3, hide_suggestions=hides)

        assert told(ours(variables, hides=hides)) == told(theirs)

    def test_right_values_have_no_errors(self) -> None:
        inner = {"at": 1, "ids": "x", "color": "GREEN", "many": [[1, None], [2]]}

        assert ours({"o": {"first": inner, "second": inner, "choice": {"one": 1}}, "t": "t"}) == []

    @pytest.mark.parametrize("wrong", [1, "all"], ids=["one", "each"])
    def test_many_cost_little(self, wrong: Any) -> None:
        values = [{"at": "x" if wrong == "all" else n} for n in range(500)] + [{"at": "x"}]

        with Calls() as calls:
            errors = ours({"i": values, "o": {"first": values[-1]}, "t": "t"})

        assert errors
        assert calls.count < 15_000  # graphql-core makes 62,000

"""Limits of operations: what they refuse, what they let pass, and that checking is cheap."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from cuepoint.graphql import limits
from cuepoint.graphql.parsing import parse_document
from tests.support.calls import Calls
from tests.support.operations import run, run_stream
from tests.support.tiny_schema import schema

MOST_CALLS = 200_000  # a fragment walked at each of its spreads takes 2 to the power of their depth


def nested(levels: int) -> str:
    """`levels` levels of fields, the innermost a leaf."""
    pairs = (levels - 1) // 2
    leaf = "totalCount" if levels % 2 == 0 else "number"
    return "{" + "things { nodes {" * pairs + ("things {" if levels % 2 == 0 else "") + leaf + "}" * (levels)


async def refusal(query: str, variables: dict[str, Any] | None = None) -> tuple[str, str]:
    """Code and message of the one error."""
    data = await run(query, variables)
    assert "data" not in data
    (error,) = data["errors"]
    return error["extensions"]["code"], error["message"]


class TestDepth:
    async def test_twelve_levels_pass_and_thirteen_do_not(self) -> None:
        deepest = await run(nested(12).replace("things", "things(first: 1)"))

        code, message = await refusal(nested(13))

        assert "errors" not in deepest
        assert code == "QUERY_TOO_DEEP"
        assert message.startswith("The operation nests 13 levels; at most 12 are allowed.")

    async def test_depth_counts_through_fragments(self) -> None:
        query = "{ ...A } fragment A on Query { things { nodes { ...B } } } fragment B on Thing " + nested(11)

        assert (await refusal(query))[0] == "QUERY_TOO_DEEP"

    async def test_a_document_too_deep_to_parse_is_refused(self) -> None:
        data = await run("{ things " * 900 + "}" * 900)

        assert "data" not in data
        assert data["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"

    async def test_fragments_in_fragments_nested_too_deeply_are_refused(self) -> None:
        open_fields, close = "things { nodes { " * 40, "} }" * 40
        chain = " ".join(f"fragment F{n} on Thing {{ {open_fields} ...F{n + 1} {close} }}" for n in range(7))
        query = f"{{ things {{ nodes {{ ...F0 }} }} }} {chain} fragment F7 on Thing {{ number }}"

        assert (await refusal(query))[0] == "QUERY_TOO_DEEP"

    async def test_hundreds_of_fragments_are_refused(self) -> None:
        chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(100))

        code, message = await refusal(f'{{ ...F0 }} {chain} fragment F100 on Query {{ echo(text: "x") }}')

        assert (code, message) == ("QUERY_TOO_COSTLY", "A document may have 100 operations and fragments.")


class TestCost:
    async def test_pages_multiply(self) -> None:
        query = (
            "query($n: Int = 100) { things(first: $n) { nodes { things(first: 100) { edges { node { number } } } } } }"
        )

        by_default = await refusal(query)
        by_variable = await refusal(query.replace("= 100", "= 1"), {"n": 100})
        small = await run(query, {"n": 1})

        assert by_default == by_variable
        assert by_default[0] == "QUERY_TOO_COSTLY"
        assert "errors" not in small

    async def test_the_default_page_counts(self) -> None:
        inner = "things { nodes { things { nodes { things { nodes { number size } } } } } }"

        assert (await refusal(f"{{ {inner} }}"))[0] == "QUERY_TOO_COSTLY"

    async def test_a_full_page_of_many_fields_passes(self) -> None:
        data = await run("{ things(first: 100) { totalCount edges { cursor node { id number size name count } } } }")

        assert "errors" not in data

    async def test_fragments_inherit_the_size_of_the_connection(self) -> None:
        query = (
            "{ things(first: 100) { ...Page } } fragment Page on ThingConnection { nodes { ...Deep } } "
            "fragment Deep on Thing { things(first: 100) { nodes { number size } } }"
        )

        assert (await refusal(query))[0] == "QUERY_TOO_COSTLY"

    @pytest.mark.parametrize(
        ("arguments", "variables"),
        [
            ('input: {text: "x", first: 100}', {}),
            ('input: {text: "x", first: $n}', {"n": 100}),
            ("input: $input", {"input": {"text": "x", "first": 100}}),
        ],
    )
    async def test_first_of_an_input_counts_for_plain_lists(self, arguments: str, variables: dict[str, Any]) -> None:
        head = {"n": "query($n: Int!)", "input": "query($input: FindInput!)", "": "query"}["".join(variables)]
        query = f"{head} {{ find({arguments}) {{ hits {{ things(first: 100) {{ nodes {{ number size }} }} }} }} }}"

        code, _ = await refusal(query, variables)
        small = await run('{ find(input: {text: "x"}) { hits { things(first: 100) { nodes { number size } } } } }')

        assert code == "QUERY_TOO_COSTLY"
        assert "errors" not in small

    async def test_a_huge_first_is_bad_input_rather_than_cost(self) -> None:
        data = await run("{ things(first: 1000000) { nodes { number } } }")

        assert data["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": ["first"], "requestId": "r1"}


class TestCounts:
    @pytest.mark.parametrize(
        ("query", "noun"),
        [
            ("{ " + 'echo(text: "x") ' * 21 + "}", "root fields"),
            ("{ things(first: 1) { nodes { " + " ".join(f"a{n}: number" for n in range(31)) + " } } }", "aliases"),
            ("{ things(first: 1) { nodes { " + "number " * 400 + " } } }", "fields"),
            ('{ echo(text: "x") ' + "@include(if: true) " * 41 + " }", "directives"),
        ],
    )
    async def test_too_many_are_refused(self, query: str, noun: str) -> None:
        code, message = await refusal(query)

        assert code == "QUERY_TOO_COSTLY"
        assert noun in message

    async def test_thirty_aliases_pass(self) -> None:
        data = await run("{ things(first: 1) { nodes { " + " ".join(f"a{n}: number" for n in range(30)) + " } } }")

        assert "errors" not in data

    async def test_too_many_tokens_are_refused(self) -> None:
        data = await run('{ echo(text: "x") ' + "# comment\n" * 10 + "__typename " * limits.MAX_TOKENS + "}")

        assert data["errors"][0]["message"].startswith("Syntax Error: Document contains more than 2000 tokens")

    async def test_streams_are_limited_too(self) -> None:
        pages = "things(first: 100) { nodes { things(first: 100) { nodes { id size } } } }"

        (result,) = await run_stream(f"subscription {{ sameThingTwice {{ {pages} }} }}")

        assert result["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY"


class TestFragmentBombs:
    async def test_doubling_fragments_cost_nothing(self) -> None:
        bomb = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(90))

        with Calls() as calls:
            code, _ = await refusal(f'{{ ...F0 }} {bomb} fragment F90 on Query {{ echo(text: "x") }}')

        assert code == "QUERY_TOO_COSTLY"
        assert calls.count < MOST_CALLS

    async def test_empty_doubling_fragments_cost_nothing(self) -> None:
        bomb = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))

        with Calls() as calls:
            data = await run(f"{{ ...F0 }} {bomb} fragment F40 on Query {{ __typename }}")

        assert data["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY"
        assert calls.count < MOST_CALLS

    async def test_circular_fragments_are_left_to_validation(self) -> None:
        data = await run("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")

        assert "Cannot spread fragment" in data["errors"][0]["message"]

    def test_operations_and_fragments_of_one_document_are_few(self) -> None:
        fragments = " ".join(f"fragment F{n} on Query {{ __typename }}" for n in range(20))
        operations = " ".join(f"query Q{n} {{ ...F0 }}" for n in range(21))

        with pytest.raises(limits.LimitExceededError, match="21 operations and 20 fragments; at most 400 pairs"):
            limits.weigh_document(schema._schema, parse_document(operations + fragments), {})


class TestIntrospection:
    async def test_graphiql_can_introspect(self) -> None:
        query = get_introspection_query(
            specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True, schema_description=True
        )

        data = await run(query)

        assert "errors" not in data
        assert data["data"]["__schema"]["queryType"]["name"] == "Query"

    async def test_circular_introspection_is_refused(self) -> None:
        query = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"

        data = await run(query)

        assert "data" not in data


class TestText:
    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    async def test_text_that_postgres_cannot_hold_is_refused_in_variables(self, text: str) -> None:
        code, message = await refusal("query($t: String!) { echo(text: $t) }", {"t": text})

        assert code == "BAD_USER_INPUT"
        assert message == "A variable holds a null character or half of a surrogate pair."

    async def test_and_in_literals(self) -> None:
        code, _ = await refusal('{ echo(text: "a\\u0000b") }')

        assert code == "BAD_USER_INPUT"

    async def test_any_other_text_passes(self) -> None:
        text = 'naïve 🎬 日本語 "quotes"\n../'

        assert await run("query($t: String!) { echo(text: $t) }", {"t": text}) == {"data": {"echo": text}}

    async def test_deep_variables_are_refused(self) -> None:
        value: Any = "x"
        for _ in range(100):
            value = [value]

        assert (await refusal('query($t: String) { echo(text: "x") }', {"t": value}))[0] == "QUERY_TOO_DEEP"

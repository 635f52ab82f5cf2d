"""The look at the text before parsing: refuses what is plainly too large, and nothing that would pass."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from graphql import GraphQLError, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from cuepoint.errors import CuepointError
from cuepoint.graphql.limits import MAX_ALIASES, MAX_DIRECTIVES, MAX_FIELDS, check_weights, weigh_document
from cuepoint.graphql.scan import MAX_CHARACTERS, MAX_LINES, MAX_SPREADS, check_text
from tests.support.tiny_schema import schema

OPERATIONS = Path(__file__).parents[2] / "frontend-schema/operations"

LEAVES = st.sampled_from(["a", "fragment", "on", "b: a", "a(x: {y: [1]})", "a @d(x: 1)", 'a(s: "{ @ :")', "#{\n"])
SELECTIONS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["a", "b: a", "...", "... on T", "a @d"]), st.lists(inner, min_size=1, max_size=20)
    ).map(lambda pair: f"{pair[0]} {{ __typename {' '.join(pair[1])} }}"),
    max_leaves=60,
)
BODIES = st.lists(SELECTIONS, max_size=25).map(" ".join)


def refusal(text: str) -> str:
    """The message."""
    with pytest.raises(CuepointError) as refused:
        check_text(text)
    assert refused.value.code.value == "QUERY_TOO_COSTLY"
    return refused.value.message


class TestCheckText:
    def test_length(self) -> None:
        check_text("{ me }" + " " * (MAX_CHARACTERS - 6))

        assert refusal("{ me }" + " " * (MAX_CHARACTERS - 5)).startswith("The operation has 32769 characters")

    def test_lines(self) -> None:
        check_text("{ me }" + "\r\n" * (MAX_LINES // 2 - 1))

        assert refusal("{ me }" + "\n" * MAX_LINES) == "The operation has 2501 lines; at most 2500 are allowed."

    def test_tokens(self) -> None:
        assert refusal("{ f(a: [" + "1 " * 2000 + "]) }") == "The operation has 2009 tokens; at most 2000 are allowed."

    def test_spreads(self) -> None:
        check_text("{ me " + "...{} " * MAX_SPREADS + "}")

        refused = refusal("{ me " + "...F " * (MAX_SPREADS + 1) + "}")
        assert refused == "The operation spreads 301 fragments; at most 300 are allowed. Split it."

    @pytest.mark.parametrize(
        ("unit", "noun", "limit"),
        [("a: b ", "aliases", MAX_ALIASES), ("field ", "fields", MAX_FIELDS), ("@skip ", "directives", MAX_DIRECTIVES)],
    )
    def test_counts(self, unit: str, noun: str, limit: int) -> None:
        head = "{ f " if noun == "directives" else "{ "
        check_text(head + unit * limit + "}")

        assert f" {limit + 1} {noun};" in refusal(head + unit * (limit + 1) + "}")

    @pytest.mark.parametrize(
        "text",
        [
            '{ f(a: "' + "x: y @z " * 200 + '") }',
            '{ f(a: """' + 'x: "y" @z ' * 200 + '""") }',
            "{ f # " + "x: y @z " * 200 + "\n }",
            "query Q(" + "$a: Int = 1 @d " * 50 + ") { f }",
            "{ f(a: {" + "x: 1, " * 100 + "}) }",
            "{ " + "... on T { a } " * 130 + "}",
        ],
    )
    def test_what_stands_in_strings_comments_and_arguments_does_not_count(self, text: str) -> None:
        check_text(text)

    def test_operations_of_one_document_are_weighed_one_by_one(self) -> None:
        check_text(" ".join(f"query Q{n} {{ {'f ' * 100} }}" for n in range(10)))

    @pytest.mark.parametrize("path", sorted(OPERATIONS.glob("*.graphql")), ids=lambda path: path.stem)
    def test_every_example_operation_passes(self, path: Path) -> None:
        check_text(path.read_text())

    @pytest.mark.parametrize(
        "text",
        ['"""\\' * 8_000, '"\\' * 16_000, '"' * 32_000, "{" * 32_000, "#" * 32_000, "@a:" * 10_000, "\0" * 32_000],
    )
    def test_time_is_linear_whatever_the_text(self, text: str) -> None:
        started = time.process_time()
        for _ in range(3):
            try:
                check_text(text)
            except CuepointError:
                continue

        assert time.process_time() - started < 0.5  # a quadratic search takes 5 s

    @settings(deadline=None)
    @given(BODIES, BODIES)
    def test_nothing_that_passes_the_exact_limits_is_refused(self, operation: str, fragment: str) -> None:
        text = f"{{ ...F {operation} }} fragment F on Thing {{ __typename {fragment} }}"
        try:
            check_weights(weigh_document(schema._schema, parse(text), {}))
        except GraphQLError:
            return

        check_text(text)

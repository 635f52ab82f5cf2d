"""The quick parser makes graphql-core's trees and errors, whatever the text."""

from __future__ import annotations

import gc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    ExecutableDefinitionsRule,
    GraphQLError,
    GraphQLSyntaxError,
    build_schema,
    parse,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cuepoint.db.base import is_storable
from cuepoint.graphql.limits import MAX_COMMENTS, MAX_TOKENS
from cuepoint.graphql.parsing import parse_document
from cuepoint.graphql.tokens import MAX_DIGITS
from tests.support.calls import Calls

OPERATIONS = Path(__file__).parents[2] / "frontend-schema/operations"
# What tokens are made of, whole ones and pieces of wrong ones.
PIECES = st.one_of(
    st.sampled_from(list("aE_09.{}()[]$!&|:=@\"\\#u,-+? '\n\r\t\ufeff\0\ud800\udfacé🎬")),
    st.sampled_from(
        ["query ", "fragment ", " on ", "true ", "null ", "{ a }", "$v", "...", "\r\n", "#c\n", "# ", "()"]
    ),
    st.sampled_from(["0", "-12", "01", "1.5", "1e3", "2E+5", '""', '"s"', '"a\\"b"', "\\u00e9", "\\u{1F3AC}", "\\n"]),
    st.sampled_from(['"""', '"""b"""', '"""x\n  y\r\n z"""', '\\"""', "\ud83c\udfac"]),
)
# Whole tokens, of which anything else is made.
WORDS = st.one_of(
    st.sampled_from(list("{}()[]:=!")),
    st.sampled_from(["query", "fragment", "on", "a", "true", "null", "@d", "$v", "...", "1", "2.5"]),
    st.sampled_from(
        ['"s"', '"""b"""', '"d" query', '"d" {', '"d" $a: T', '"d" a', '"\\q"', '"\\u{D800}"', "$a: [T!]! = 1"]
    ),
)
SENTENCES = st.tuples(
    st.sampled_from(["", "{ ", "{ a(x: ", "query(", "fragment F "]), st.lists(WORDS, max_size=8).map(" ".join)
).map("".join)
UNSTORABLE = ("A string holds a null character or half of a surrogate pair.", None)
SOUPS = st.lists(PIECES, max_size=30).map("".join)
SELECTIONS = st.recursive(
    st.sampled_from(["a", "b: a", "a(x: 1)", 'a(x: ["s", -2], y: {z: $v})', "a @d(x: E) @e", "...F", "... on T { a }"]),
    lambda inner: st.tuples(st.sampled_from(["a", "b: a @d", "...", "... on T"]), st.lists(inner, max_size=6)).map(
        lambda pair: f"{pair[0]} {{\n{' '.join(pair[1])} }}"
    ),
    max_leaves=20,
)


def outcome(parsing: Any, text: str) -> Any:
    """The tree with all positions, or the error with its place."""
    try:
        document: DocumentNode = parsing(text)
    except GraphQLError as error:
        return error.message, error.locations
    return document, document.to_dict(locations=True)


def theirs(text: str) -> DocumentNode:
    return parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)


class TestParseDocument:
    @settings(deadline=None, max_examples=150)
    @given(SOUPS)
    def test_any_text_as_graphql_core_parses_it(self, text: str) -> None:
        ours = outcome(parse_document, text)

        assert ours == outcome(theirs, text) or (ours == UNSTORABLE and not is_storable(text))

    @settings(deadline=None, max_examples=150)
    @given(SENTENCES)
    def test_any_sequence_of_tokens(self, text: str) -> None:
        assert outcome(parse_document, text) == outcome(theirs, text)

    @settings(deadline=None, max_examples=40)
    @given(st.lists(SELECTIONS, max_size=5).map(" ".join), SOUPS)
    def test_operations_that_go_wrong_somewhere_or_nowhere(self, selections: str, wrong: str) -> None:
        texts = [f"query($v: [T!]! = 1 @d) {{ {selections} }}", f"{{ {selections} {wrong} }} fragment F on T {{ a }}"]

        assert [outcome(parse_document, text) for text in texts] == [outcome(theirs, text) for text in texts]

    @pytest.mark.parametrize("path", sorted(OPERATIONS.glob("*.graphql")), ids=lambda path: path.stem)
    def test_example_operations(self, path: Path) -> None:
        text = path.read_text()

        assert outcome(parse_document, text) == outcome(theirs, text)

    @pytest.mark.parametrize(
        "text",
        [
            "{" + " a" * (MAX_TOKENS - 2) + "}",
            "{" + " a" * (MAX_TOKENS - 1) + "}",
            "#\n" * MAX_COMMENTS + "{ a }",
            "#\n" * (MAX_COMMENTS + 1) + "{ a }",
            "{ a " * 300 + "}" * 300,
            "{ a(x: " + "[" * 300 + "]" * 300 + ") }",
            "query($a: " + "[" * 300 + "A" + "]" * 300 + ") { a }",
        ],
        ids=[
            "tokens",
            "a token too many",
            "comments",
            "a comment too many",
            "too deep",
            "a value too deep",
            "a type too deep",
        ],
    )
    def test_limits(self, text: str) -> None:
        assert outcome(parse_document, text) == outcome(theirs, text)

    @pytest.mark.parametrize(
        "string",
        [
            '"\\b\\f\\n\\r\\t\\/\\\\\\" \\u00e9 \\uD83C\\uDFAC"',
            '"\\u{22} \\u{5c} \\u{0000000a} \\u{1F3AC} \\\\u{41} \\u{10FFFF}"',
            '"\\u{110000}"',
            '"\\u{000000041}"',
            '"\\uD83C"',
            '"a\tb"',
            '"""\n  a\r\n    b \\""" \\u0041\r  c\n\n"""',
            '"""a',
            '"a\n"',
        ],
    )
    def test_strings(self, string: str) -> None:
        text = f"{{ a(x: {string}) }}"

        assert outcome(parse_document, text) == outcome(theirs, text)

    @pytest.mark.parametrize("string", ['"a\\u0000"', '"\0"', '"""\0"""'])
    def test_a_string_that_cannot_be_stored_is_refused(self, string: str) -> None:
        assert outcome(parse_document, f"{{ a(x: {string}) }}") == UNSTORABLE

    @pytest.mark.parametrize("number", ["1" * 5_000, "-" + "1" * 5_000, "1" * 5_000 + "a", f"1.{'1' * 5_000}"])
    def test_a_number_of_too_many_digits_is_refused_where_it_begins(self, number: str) -> None:
        with pytest.raises(GraphQLSyntaxError, match=f"Numbers have {MAX_DIGITS} characters at most") as refused:
            parse_document(f"{{ a(x: {number}) }}")

        assert refused.value.locations == [(1, 8)]

    @pytest.mark.parametrize(
        "definition",
        ["type A { a: Int }", '"says" scalar A', "schema { query: Q }", "directive @a on FIELD", "extend input A @b"],
    )
    def test_a_definition_of_types_is_refused_where_it_begins(self, definition: str) -> None:
        text = f"{{ a }} {definition}"
        (error,) = validate(build_schema("type Query { a: Int }"), parse(text), [ExecutableDefinitionsRule])

        assert outcome(parse_document, text) == (error.message, error.locations)
        assert outcome(parse_document, f"{text} ???") == (error.message, error.locations)

    def test_a_tree_goes_with_the_last_who_needs_it(self) -> None:
        text = next(OPERATIONS.glob("*.graphql")).read_text()
        gc.collect()

        parse_document(text)

        assert gc.collect() == 0

    @pytest.mark.parametrize(
        ("text", "most"),
        [
            ("{ a(b: [" + '"x" ' * 1_980 + "]) }", 24_000),
            ('{ a(b: "' + "\\n" * 16_000 + '\\q") }', 100),
            ('{ a(b: "' + "é" * 32_000, 100),
            ("#" + "a" * 32_000 + "\n{ a ) }", 100),
        ],
        ids=["a list", "a wrong escape behind many", "no end of a string", "a comment"],
    )
    def test_what_it_costs(self, text: str, most: int) -> None:
        with Calls() as calls, suppress(GraphQLError):
            parse_document(text)

        assert calls.count < most

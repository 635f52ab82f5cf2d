"""The quick parser makes graphql-core's trees, tokens and errors, whatever the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from cuepoint.graphql.limits import MAX_COMMENTS, MAX_TOKENS
from cuepoint.graphql.parsing import parse_document

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
SOUPS = st.lists(PIECES, max_size=30).map("".join)
SELECTIONS = st.recursive(
    st.sampled_from(["a", "b: a", "a(x: 1)", 'a(x: ["s", -2], y: {z: $v})', "a @d(x: E) @e", "...F", "... on T { a }"]),
    lambda inner: st.tuples(st.sampled_from(["a", "b: a @d", "...", "... on T"]), st.lists(inner, max_size=6)).map(
        lambda pair: f"{pair[0]} {{\n{' '.join(pair[1])} }}"
    ),
    max_leaves=20,
)


def outcome(parsing: Any, text: str) -> Any:
    """The tree with all positions and tokens, or the error with its place."""
    try:
        document: DocumentNode = parsing(text)
    except GraphQLError as error:
        return error.message, error.locations
    tokens: list[Any] = []
    token = document.loc.start_token if document.loc else None
    while token is not None:
        tokens.append((token.kind, token.start, token.end, token.line, token.column, token.value))
        token = token.next
    return document.to_dict(locations=True), tokens


def theirs(text: str) -> DocumentNode:
    return parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)


class TestParseDocument:
    @settings(deadline=None, max_examples=150)
    @given(SOUPS)
    def test_any_text_as_graphql_core_parses_it(self, text: str) -> None:
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
        ],
        ids=["tokens", "a token too many", "comments", "a comment too many", "too deep", "a value too deep"],
    )
    def test_limits(self, text: str) -> None:
        assert outcome(parse_document, text) == outcome(theirs, text)

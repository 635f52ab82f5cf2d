"""Clients of the last release still work: what it offered is there, with the same arguments and types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, find_breaking_changes

ROOT = Path(__file__).resolve().parents[2]
RELEASED = ROOT / "frontend-schema/released.graphql"
CURE = "deprecate it first; the release after next may drop it. `cuepoint schema --release` is for releases alone"


def breaks(before: GraphQLSchema, after: GraphQLSchema) -> list[str]:
    return [change.description for change in find_breaking_changes(before, after)]


def undated(sdl: str) -> list[str]:
    """Reasons of deprecations that do not say since when."""
    reasons = re.findall(r'@deprecated(?:\(reason: "((?:[^"\\]|\\.)*)"\))?', sdl)
    return [reason for reason in reasons if not re.search(r"\b20\d\d-[01]\d-[0-3]\d\b", reason)]


class TestLastRelease:
    def test_nothing_of_it_is_broken(self) -> None:
        current = build_schema((ROOT / "frontend-schema/schema.graphql").read_text())

        assert breaks(build_schema(RELEASED.read_text()), current) == [], CURE

    def test_what_goes_says_since_when(self) -> None:
        assert undated((ROOT / "frontend-schema/schema.graphql").read_text()) == [], "end the reason with a date"


class TestTheCheckItself:
    BEFORE = "type Query { a(x: Int): Int b: Int! } enum E { ONE TWO }"

    @pytest.mark.parametrize(
        "after",
        [
            "type Query { a(x: Int): Int } enum E { ONE TWO }",
            "type Query { a(x: Int!): Int b: Int! } enum E { ONE TWO }",
            "type Query { a(x: Int): Int b: Int } enum E { ONE TWO }",
            "type Query { a(x: Int): Int b: Int! } enum E { ONE }",
            "type Query { a: Int b: Int! } enum E { ONE TWO }",
        ],
        ids=["field gone", "argument required", "may be null", "value gone", "argument gone"],
    )
    def test_sees_a_break(self, after: str) -> None:
        assert len(breaks(build_schema(self.BEFORE), build_schema(after))) == 1

    def test_sees_a_reason_without_a_date(self) -> None:
        dated = 'type Query { a: Int @deprecated(reason: "Ask `b`. 2026-01-31") b: Int @deprecated(reason: "Soon.") }'

        assert undated(dated + " enum E { ONE @deprecated TWO }") == ["Soon.", ""]

    def test_lets_additions_pass(self) -> None:
        after = "type Query { a(x: Int, y: Int = 1): Int b: Int! c: Int } enum E { ONE TWO THREE } type New { a: Int }"

        assert breaks(build_schema(self.BEFORE), build_schema(after)) == []

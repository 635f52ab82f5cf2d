"""What the text of a subscription says of it."""

from __future__ import annotations

import pytest

from cuepoint.graphql.positions import subscribed

ROUND = "subscription { ...F } fragment F on S { ...G } fragment G on S { ...F }"


class TestSubscribed:
    @pytest.mark.parametrize(
        ("text", "name", "expected"),
        [
            ("subscription Mine { shown: jobProgress { seq } }", None, ("jobProgress", "Mine")),
            ("subscription { jobProgress { seq } }", None, ("jobProgress", None)),
            ("subscription A { a } subscription B { b }", "B", ("b", "B")),
            ("subscription { ...F } fragment F on S { ... on S { a } }", None, ("a", None)),
            (ROUND, None, None),
            ("subscription { ...F }", None, None),
            ("subscription A { a }", "B", None),
            ("query { a }", None, None),
            ("subscription {", None, None),
            ("{" * 10_000, None, None),
        ],
        ids=["named", "nameless", "chosen", "fragments", "round", "no fragment", "no such", "query", "broken", "deep"],
    )
    def test_names_what_is_asked(self, text: str, name: str | None, expected: tuple[str, str | None] | None) -> None:
        assert subscribed(text, name) == expected

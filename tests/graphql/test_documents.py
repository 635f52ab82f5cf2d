"""The cost of an operation follows every way in which a variable can name a size, whoever has asked before."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLError

from cuepoint.api.schema import schema
from cuepoint.graphql.documents import Document, Documents

PAGES = "query Q($n: Int) { projects(first: $n) { nodes { videos(first: $n) { nodes { id title } } } } }"
DEFAULT = "query Q($n: Int! = 90) { projects(first: $n) { nodes { name } } }"


def document(text: str) -> Document:
    return Documents(schema._schema).parsed(text, reveals_schema=True)


class TestCost:
    @pytest.mark.parametrize("size", [100, 100.0], ids=["an integer", "a float that GraphQL takes for it"])
    def test_a_size_in_a_variable_counts(self, size: Any) -> None:
        with pytest.raises(GraphQLError, match="at most"):
            document(PAGES).cost("Q", {"n": size})

    def test_a_cost_is_not_remembered_for_another_size(self) -> None:
        asked = document(DEFAULT)
        dear = document(DEFAULT).cost("Q", {})

        cheap = [asked.cost("Q", {"n": value}) for value in (None, {"first": 90}, "90", 1)]

        assert asked.cost("Q", {}) == asked.cost("Q", {"n": 90}) == dear
        assert dear > 3 * cheap[-1]

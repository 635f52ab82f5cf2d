"""Names that an unknown one may stand for: graphql-core's, of the few that look most like it.

graphql-core measures the distance to each name there is: 4 ms among the mutations, 15 among the types, more than all
else that a short text costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import pairwise
from typing import Any

from graphql import FieldNode, FieldsOnCorrectTypeRule, GraphQLError, KnownTypeNamesRule, NamedTypeNode
from graphql.pyutils import did_you_mean, suggestion_list
from graphql.validation.rules.fields_on_correct_type import get_suggested_type_names

MAX_CANDIDATES = 10  # twice what an error names


def candidates(name: str, options: Iterable[str]) -> Iterator[str]:
    """Those that share the most pairs of letters with a name, once somebody asks for them."""
    own = _pairs(name)
    yield from nsmallest(MAX_CANDIDATES, options, key=lambda option: len(own ^ _pairs(option)))


def _pairs(name: str) -> set[tuple[str, str]]:
    small = name.lower()
    return set(pairwise(small))


class FieldsOnCorrectType(FieldsOnCorrectTypeRule):
    """graphql-core's rule, of whose names a few are measured; it asks once whether it may tell them."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Report a field that its type does not have."""
        context = self.context
        kind: Any = context.get_parent_type()
        if kind is None or context.get_field_def() is not None:
            return
        name, hint = node.name.value, ""
        if not context.hide_suggestions:
            on = get_suggested_type_names(context.schema, kind, name)
            alike = [] if on else suggestion_list(name, list(candidates(name, getattr(kind, "fields", ()))))
            hint = did_you_mean(on, "to use an inline fragment on") or did_you_mean(alike)
        self.report_error(GraphQLError(f"Cannot query field '{name}' on type '{kind}'.{hint}", node))


class KnownTypeNames(KnownTypeNamesRule):
    """The same for types."""

    def enter_named_type(self, node: NamedTypeNode, *more: Any) -> None:
        """Report a type that the schema does not have."""
        name = node.name.value
        if name not in self.existing_types_map:
            names: Any = candidates(name, self.existing_types_map)
            self.type_names = names
            super().enter_named_type(node, *more)


class Countdown:
    """What graphql-core asks before it tells names: false as often as it may, then true."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __bool__(self) -> bool:
        self._left -= 1
        return self._left < 0

"""What a client selects below a field, so that nothing is read that nobody asked for.

Fragments count as a whole and @skip and @include as if they let everything pass: too much is read now and then, never
too little.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionNode

from cuepoint.graphql.context import Info

COUNTS = frozenset({"totalCount", "__typename"})


def names_below(info: Info, *, depth: int = 12) -> frozenset[str]:
    """Names of all fields below this one; with `depth` 1 those of the object itself."""
    raw = info._raw_info  # noqa: SLF001  # `selected_fields` converts the whole tree at each use
    names: set[str] = set()
    for node in raw.field_nodes:
        if node.selection_set is not None:
            _collect(node.selection_set.selections, raw.fragments, names, depth, set())
    return frozenset(names)


def only_counts(info: Info) -> bool:
    """Whether of a connection nothing is selected but its length."""
    return names_below(info, depth=1) <= COUNTS


def _collect(
    selections: Iterable[SelectionNode],
    fragments: dict[str, FragmentDefinitionNode],
    names: set[str],
    depth: int,
    seen: set[tuple[str, int]],
) -> None:
    for node in selections:
        below, left = node, depth
        if isinstance(node, FieldNode):
            names.add(node.name.value)
            left -= 1
        elif isinstance(node, FragmentSpreadNode):
            place = (node.name.value, depth)
            if place in seen:
                continue
            seen.add(place)
            below = fragments[node.name.value]  # type: ignore[assignment]
        selection_set = getattr(below, "selection_set", None)
        if selection_set is not None and left > 0:
            _collect(selection_set.selections, fragments, names, left, seen)

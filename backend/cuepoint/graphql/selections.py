"""What a client selects below a field, so that nothing is read that nobody asked for.

Fragments count as a whole and @skip and @include as if they let everything pass: too much is read now and then, never
too little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode

from cuepoint.graphql.context import Info

Fragments: TypeAlias = Mapping[str, FragmentDefinitionNode]


def names_below(info: Info) -> frozenset[str]:
    """Names of all fields below this one."""
    raw = info._raw_info  # noqa: SLF001  # `selected_fields` converts the whole tree at each use
    names: set[str] = set()
    seen: set[str] = set()
    waiting = list(raw.field_nodes)
    while waiting:
        for name, nodes in _children([waiting.pop()], raw.fragments, seen).items():
            names.add(name)
            waiting += nodes
    return frozenset(names)


def counted_below(info: Info) -> tuple[bool, frozenset[str]]:
    """Of a connection: whether its length is selected, and the names of the lists of its nodes whose length is."""
    raw = info._raw_info  # noqa: SLF001
    page = _children(raw.field_nodes, raw.fragments)
    nodes = page["nodes"] + _children(page["edges"], raw.fragments)["node"]
    lists = _children(nodes, raw.fragments)
    counted = (name for name, found in lists.items() if "totalCount" in _children(found, raw.fragments))
    return "totalCount" in page, frozenset(counted)


def _children(
    nodes: Iterable[FieldNode], fragments: Fragments, seen: set[str] | None = None
) -> defaultdict[str, list[FieldNode]]:
    """The fields directly below, by name; fragments that were `seen` are passed over."""
    known: set[str] = set() if seen is None else seen
    found: defaultdict[str, list[FieldNode]] = defaultdict(list)
    waiting = [node.selection_set for node in nodes if node.selection_set is not None]
    while waiting:
        for one in waiting.pop().selections:
            if isinstance(one, FieldNode):
                found[one.name.value].append(one)
            elif isinstance(one, InlineFragmentNode):
                waiting.append(one.selection_set)
            elif isinstance(one, FragmentSpreadNode) and one.name.value not in known:
                known.add(one.name.value)
                waiting.append(fragments[one.name.value].selection_set)
    return found

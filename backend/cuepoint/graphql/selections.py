"""What a client selects below a field, so that nothing is read that nobody asked for.

Fragments count as a whole: too much is read now and then, never too little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionNode,
    VariableNode,
)

from cuepoint.graphql.context import Info


def names_below(info: Info) -> frozenset[str]:
    """Names of all fields below this one."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = list(_raw(info).field_nodes)
    while waiting:
        for name, nodes in _children([waiting.pop()], info, seen).items():
            names.add(name)
            waiting += nodes
    return frozenset(names)


def counted_below(info: Info) -> tuple[bool, frozenset[str]]:
    """Of a connection: whether its length is selected, and the names of the lists of its nodes whose length is. Those
    in deferred fragments are left out: they are counted later."""
    page = _children(_raw(info).field_nodes, info, at_once=True)
    nodes = page["nodes"] + _children(page["edges"], info, at_once=True)["node"]
    lists = _children(nodes, info, at_once=True)
    counted = (name for name, found in lists.items() if "totalCount" in _children(found, info, at_once=True))
    return "totalCount" in page, frozenset(counted)


def _raw(info: Info) -> GraphQLResolveInfo[Any]:
    return info._raw_info  # noqa: SLF001  # `selected_fields` converts the whole tree at each use


def _children(
    nodes: Iterable[FieldNode], info: Info, seen: set[str] | None = None, *, at_once: bool = False
) -> defaultdict[str, list[FieldNode]]:
    """The fields directly below, by name; fragments that were `seen` are passed over, and so are deferred ones of what
    is answered `at_once`."""
    known: set[str] = set() if seen is None else seen
    found: defaultdict[str, list[FieldNode]] = defaultdict(list)
    waiting = [node.selection_set for node in nodes if node.selection_set is not None]
    while waiting:
        for one in waiting.pop().selections:
            if one.directives and _is_left_out(one, info, at_once=at_once):
                continue
            if isinstance(one, FieldNode):
                found[one.name.value].append(one)
            elif isinstance(one, InlineFragmentNode):
                waiting.append(one.selection_set)
            elif isinstance(one, FragmentSpreadNode) and one.name.value not in known:
                known.add(one.name.value)
                waiting.append(_raw(info).fragments[one.name.value].selection_set)
    return found


def _is_left_out(node: SelectionNode, info: Info, *, at_once: bool) -> bool:
    """Whether @skip or @include leave it out; with `at_once`, also whether @defer puts it off."""
    given = {directive.name.value: _holds(directive, info) for directive in node.directives or ()}
    return given.get("skip", False) or not given.get("include", True) or (at_once and given.get("defer", False))


def _holds(directive: DirectiveNode, info: Info) -> bool:
    for argument in directive.arguments or ():
        if argument.name.value == "if":
            value: Any = argument.value
            is_variable = isinstance(value, VariableNode)
            return bool(info.variable_values.get(value.name.value) if is_variable else value.value)
    return True

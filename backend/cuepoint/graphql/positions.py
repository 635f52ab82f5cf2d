"""What the text of a subscription says: which field it asks, and which variable says behind which event it begins.

Two that differ in that variable alone tell the same.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    visit,
)

from cuepoint.graphql.parsing import parse_document

POSITION = "after"
MAX_TEXTS = 64  # of those that are shared at the same time


@lru_cache(MAX_TEXTS)
def position_variable(text: str, operation_name: str | None) -> str | None:
    """Name of the variable that is given as `after` to the root field and to nothing else; None if there is none.

    `text` is a document that has run.
    """
    document = parse_document(text)
    variables = _Variables()
    visit(document, variables)
    operation = _operation(document, operation_name)
    if operation is None:
        return None
    fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
    given = [a.value for field in fields for a in field.arguments or () if a.name.value == POSITION]
    names = [value.name.value for value in given if isinstance(value, VariableNode)]
    # Twice in all: its definition, and this.
    return names[0] if len(names) == 1 and variables.count[names[0]] == 2 else None


@lru_cache(MAX_TEXTS)
def subscribed(text: str, operation_name: str | None) -> tuple[str, str | None] | None:
    """Names of a subscription's root field and of itself; None for other operations. `text` may be anything."""
    try:
        document = parse_document(text)
    except GraphQLError:
        return None
    operation = _operation(document, operation_name)
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
        return None
    field, name = _first_field(document, operation), operation.name
    return None if field is None else (field, None if name is None else name.value)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode) and (name is None or (one.name and one.name.value == name)):
            return one
    return None


def _first_field(document: DocumentNode, operation: OperationDefinitionNode) -> str | None:
    """A subscription selects one field, by itself or in fragments."""
    named = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    fragments = {one.name.value: one.selection_set for one in named}
    node = operation.selection_set.selections[0]
    while isinstance(node, FragmentSpreadNode | InlineFragmentNode):
        # Each once: of a text that is not checked yet they may go round in circles.
        within = node.selection_set if isinstance(node, InlineFragmentNode) else fragments.pop(node.name.value, None)
        if within is None:
            return None
        node = within.selections[0]
    return node.name.value if isinstance(node, FieldNode) else None


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.count[node.name.value] += 1

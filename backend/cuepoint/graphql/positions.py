"""Which variable of a subscription says behind which event it begins: two that differ in it alone tell the same."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from graphql import FieldNode, OperationDefinitionNode, VariableNode, Visitor, parse, visit

POSITION = "after"
MAX_TEXTS = 64  # of those that are shared at the same time


@lru_cache(MAX_TEXTS)
def position_variable(text: str, operation_name: str | None) -> str | None:
    """Name of the variable that is given as `after` to the root field and to nothing else; None if there is none.

    `text` is a document that has run.
    """
    document = parse(text)
    variables = _Variables()
    visit(document, variables)
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        if operation_name is not None and (operation.name is None or operation.name.value != operation_name):
            continue
        fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
        given = [a.value for field in fields for a in field.arguments or () if a.name.value == POSITION]
        names = [value.name.value for value in given if isinstance(value, VariableNode)]
        if len(names) == 1 and variables.count[names[0]] == 2:  # its definition, and this
            return names[0]
    return None


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.count[node.name.value] += 1

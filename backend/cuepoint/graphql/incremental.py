"""`@defer` and `@stream` only for clients that can take an answer in pieces; for others they mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import REMOVE, DirectiveNode, Visitor, VisitorAction, visit
from strawberry.extensions import SchemaExtension

from cuepoint.graphql.context import Context

NAMES = frozenset({"defer", "stream"})


class Increments(SchemaExtension):
    """Takes the two directives out of an operation whose answer must come at once."""

    def on_execute(self) -> Iterator[None]:
        """After validation, so that a wrong use is still refused."""
        operation = self.execution_context
        context, text = operation.context, operation.query or ""
        is_whole = not (isinstance(context, Context) and context.takes_increments)
        if is_whole and operation.graphql_document is not None and any(f"@{name}" in text for name in NAMES):
            operation.graphql_document = visit(operation.graphql_document, _Remover())
        yield


class _Remover(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> VisitorAction:
        return REMOVE if node.name.value in NAMES else None

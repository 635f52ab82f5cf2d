"""Operations by their text: parsed, limited and validated once, whatever the number of requests that send them.

Only what may run is kept, so that nobody fills the store with nonsense, and only so many characters in all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from graphql import (
    REMOVE,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    Visitor,
    VisitorAction,
    visit,
)
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.graphql import OperationType

from cuepoint.errors import ErrorCode
from cuepoint.graphql.limits import LimitExceededError, check_weights, size_variables, weigh_document
from cuepoint.graphql.parsing import parse_document
from cuepoint.graphql.suggestions import Countdown
from cuepoint.graphql.validation import RULES, validate
from cuepoint.graphql.variables import MAX_INPUT_VALUES, check_inputs, check_variables
from cuepoint.graphql.wrong_values import wrong_values

MAX_ERRORS = 10
SUGGESTIONS = 1  # of the errors of an operation; each takes half a millisecond
# Parsed, a text takes about a hundred times its length: 50 MiB at most.
MAX_CHARACTERS = 512 * 1024
MAX_COSTS = 64  # combinations of page sizes that are remembered of one text
INCREMENTAL = frozenset({"defer", "stream"})


class RefusedDocumentError(Exception):
    """The operation may not run; the errors say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__()
        self.errors = errors


class Document:
    """One text that may run."""

    def __init__(self, schema: GraphQLSchema, text: str, node: DocumentNode) -> None:
        self.node = node
        self.size = len(text)
        # Where the client cannot take an answer in pieces, the two directives mean nothing.
        is_incremental = any(f"@{name}" in text for name in INCREMENTAL)
        self.whole: DocumentNode = visit(node, _Remover()) if is_incremental else node
        self._schema = schema
        self._sizes = size_variables(node)
        self._costs: dict[tuple[Any, ...], dict[str, int]] = {}

    def kind(self, operation_name: str | None) -> OperationType:
        """Query, mutation or subscription. Raises CannotGetOperationTypeError for an unknown or a missing name."""
        return OperationType(self._operation(operation_name).operation.value)

    def _operation(self, name: str | None) -> OperationDefinitionNode:
        operations = [d for d in self.node.definitions if isinstance(d, OperationDefinitionNode)]
        chosen = [d for d in operations if name is None or (d.name and d.name.value == name)]
        if not chosen or (name is None and len(operations) > 1):
            raise CannotGetOperationTypeError(name)
        return chosen[0]

    def cost(self, operation_name: str | None, variables: Mapping[str, Any]) -> int:
        """Points of the operation with these variables. Raises GraphQLError beyond a limit."""
        if check_variables(variables) > MAX_INPUT_VALUES:
            check_inputs(self._schema, self._operation(operation_name), variables)
        key = tuple(_size(variables[name]) if name in variables else "absent" for name in self._sizes)
        costs = self._costs.get(key)
        if costs is None:
            weights = weigh_document(self._schema, self.node, dict(variables))
            check_weights(weights)
            costs = {name: weight.total_cost for name, weight in weights.items()}
            if len(self._costs) < MAX_COSTS:
                self._costs[key] = costs
        return costs[operation_name or ""]

    def wrong_values(
        self, operation_name: str | None, variables: Mapping[str, Any], hide_suggestions: Any
    ) -> list[GraphQLError]:
        """Why the operation cannot have these variables; empty if it can."""
        operation = self._operation(operation_name)
        return wrong_values(
            self._schema, operation, variables, max_errors=MAX_ERRORS, hide_suggestions=hide_suggestions
        )


class Documents:
    """The texts that one schema has run lately."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._known: OrderedDict[tuple[str, bool], Document] = OrderedDict()
        self._characters = 0

    def knows(self, text: str) -> bool:
        """Whether the text has run lately."""
        return (text, True) in self._known or (text, False) in self._known

    def parsed(self, text: str, *, reveals_schema: bool) -> Document:
        """The document of a text, new or known. Raises RefusedDocumentError for one that is no GraphQL."""
        known = self._known.get((text, reveals_schema))
        if known is not None:
            self._known.move_to_end((text, reveals_schema))
            return known
        try:
            node = parse_document(text)
            return Document(self._schema, text, node)
        except GraphQLError as error:
            raise RefusedDocumentError([error]) from None
        except RecursionError:  # fragments in fragments, each nested as deep as the parser takes
            raise _too_deep() from None

    def weighed(
        self,
        document: Document,
        text: str,
        operation_name: str | None,
        variables: Mapping[str, Any],
        *,
        reveals_schema: bool,
    ) -> int:
        """The cost of the operation, which is within its limits and valid, as its variables are. Raises
        RefusedDocumentError."""
        try:
            cost = document.cost(operation_name, variables)
        except GraphQLError as error:
            raise RefusedDocumentError([error]) from None
        except RecursionError:
            raise _too_deep() from None
        if (text, reveals_schema) not in self._known:
            errors = self._validate(document, reveals_schema=reveals_schema)
            if errors:
                raise RefusedDocumentError(errors)
            self._keep(text, document, reveals_schema=reveals_schema)
        errors = document.wrong_values(operation_name, variables, hides_suggestions(reveals_schema=reveals_schema))
        if errors:
            raise RefusedDocumentError(errors)
        return cost

    def _validate(self, document: Document, *, reveals_schema: bool) -> list[GraphQLError]:
        rules = RULES if reveals_schema else (*RULES, NoSchemaIntrospectionCustomRule)
        hides = hides_suggestions(reveals_schema=reveals_schema)
        return validate(self._schema, document.node, rules, max_errors=MAX_ERRORS, hide_suggestions=hides)

    def _keep(self, text: str, document: Document, *, reveals_schema: bool) -> None:
        self._known[text, reveals_schema] = document
        self._characters += document.size
        while self._characters > MAX_CHARACTERS:
            _, oldest = self._known.popitem(last=False)
            self._characters -= oldest.size


def hides_suggestions(*, reveals_schema: bool) -> Any:
    """What graphql-core asks for each unknown name of one operation: whether to leave out names like it."""
    return Countdown(SUGGESTIONS) if reveals_schema else True


def _size(value: Any) -> Any:
    """What of a variable's value can enter a cost."""
    if isinstance(value, dict):
        return ("first", _size(value["first"])) if "first" in value else ("object",)
    if isinstance(value, list):
        return ("length", len(value))
    return (type(value).__name__, value) if isinstance(value, int | float) else None


def _too_deep() -> RefusedDocumentError:
    return RefusedDocumentError(
        [LimitExceededError(ErrorCode.QUERY_TOO_DEEP, "The operation's fragments nest too deeply.")]
    )


class _Remover(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> VisitorAction:
        return REMOVE if node.name.value in INCREMENTAL else None

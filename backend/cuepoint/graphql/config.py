"""How every schema of Cuepoint is built, and how it executes: stored documents, limits, public errors.

Queries and mutations take the short way of `CuepointSchema.execute`; subscriptions go through Strawberry's streams,
with the same documents and the same errors by way of an extension.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExperimentalIncrementalExecutionResults,
    GraphQLError,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    experimental_execute_incrementally,
    is_abstract_type,
)
from graphql import OperationType as GraphQLOperationType
from strawberry.exceptions import MissingQueryError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from cuepoint.graphql.context import Context
from cuepoint.graphql.documents import MAX_ERRORS, Document, Documents, RefusedDocumentError, hides_suggestions
from cuepoint.graphql.executor import QuickExecutor
from cuepoint.graphql.limits import MAX_COST
from cuepoint.graphql.list_sizes import Cost, ListSize, publish_list_sizes
from cuepoint.graphql.public_errors import PublicErrors, public_errors
from cuepoint.graphql.resolvers import shorten_resolvers
from cuepoint.graphql.scalars import SCALARS

READ_AND_WRITE = frozenset({OperationType.QUERY, OperationType.MUTATION})
MAX_SHOWN_COST = 10**9


class CuepointSchema(strawberry.Schema):
    """A schema whose errors are logged by `public_errors` alone: refusals are no faults of the server."""

    _documents: Documents | None = None

    @property
    def documents(self) -> Documents:
        """The texts that were run lately."""
        if self._documents is None:
            self._documents = Documents(self._schema)
        return self._documents

    async def execute(  # type: ignore[override]  # no operation_extensions
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> ExecutionResult | ExperimentalIncrementalExecutionResults:
        """The result of a query or mutation; in pieces only if the context takes them.

        Raises MissingQueryError, CannotGetOperationTypeError and InvalidOperationTypeError as Strawberry does.
        """
        if not query:
            raise MissingQueryError
        reveals, variables = _reveals_schema(context_value), variable_values or {}
        try:
            document = self.documents.parsed(query, reveals_schema=reveals)
            kind = document.kind(operation_name)
            if kind not in (READ_AND_WRITE if allowed_operation_types is None else allowed_operation_types):
                raise InvalidOperationTypeError(kind)
            cost = self.documents.weighed(document, query, operation_name, variables, reveals_schema=reveals)
        except RefusedDocumentError as refused:
            return ExecutionResult(data=None, errors=public_errors(refused.errors, context_value))
        result = await self._run(document, variables, context_value, root_value, operation_name)
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            return result
        errors = public_errors(result.errors, context_value) if result.errors else None
        shown = {"cost": {"requested": min(cost, MAX_SHOWN_COST), "maximum": MAX_COST}}
        return ExecutionResult(data=result.data, errors=errors, extensions=shown)

    async def _run(
        self, document: Document, variables: dict[str, Any], context: Any, root: Any, operation_name: str | None
    ) -> Any:
        takes_increments = isinstance(context, Context) and context.takes_increments
        is_awaitable: Any = optimized_is_awaitable
        result: Any = experimental_execute_incrementally(
            self._schema,
            document.node if takes_increments else document.whole,
            root_value=root,
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=hides_suggestions(reveals_schema=_reveals_schema(context)),
            is_awaitable=is_awaitable,
            executor_class=QuickExecutor,
        )
        return await result if is_awaitable(result) else result

    def possible_types(self) -> dict[str, list[str]]:
        """The object types that each interface and union can be, by name."""
        abstract = [kind for kind in self._schema.type_map.values() if is_abstract_type(kind)]
        return {
            kind.name: sorted(one.name for one in self._schema.get_possible_types(kind))
            for kind in sorted(abstract, key=lambda kind: kind.name)
        }

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here."""


class _StoredDocuments(SchemaExtension):
    """The same for streams. Errors are set rather than raised: streams do not catch what hooks raise."""

    _document: Document | None = None
    _refused: RefusedDocumentError | None = None

    def on_parse(self) -> Iterator[None]:
        """Parse in Strawberry's place."""
        operation = self.execution_context
        try:
            reveals = _reveals_schema(operation.context)
            self._document = self._store().parsed(operation.query or "", reveals_schema=reveals)
            operation.graphql_document = self._document.whole
        except RefusedDocumentError as refused:
            if operation.query:
                self._refused = refused
                operation.graphql_document = _stand_in(operation)
        yield

    def on_validate(self) -> Iterator[None]:
        """Weigh and validate in Strawberry's place, which finds no rule left to apply."""
        operation = self.execution_context
        if self._refused is not None:
            operation.pre_execution_errors = self._refused.errors
        if self._document is not None:
            try:
                self._store().weighed(
                    self._document,
                    operation.query or "",
                    operation.operation_name,
                    operation.variables or {},
                    reveals_schema=_reveals_schema(operation.context),
                )
            except RefusedDocumentError as refused:
                operation.pre_execution_errors = refused.errors
            operation.validation_rules = ()
        yield

    def _store(self) -> Documents:
        schema = self.execution_context.schema
        assert isinstance(schema, CuepointSchema)
        return schema.documents


def _stand_in(operation: ExecutionContext) -> DocumentNode:
    """What gets as far as `on_validate` for a text that is no GraphQL, which Strawberry would parse once more."""
    kind = next(iter(operation.allowed_operations))
    name = operation.operation_name
    return DocumentNode(
        definitions=(
            OperationDefinitionNode(
                operation=GraphQLOperationType(kind.value),
                name=None if name is None else NameNode(value=name),
                selection_set=SelectionSetNode(selections=()),
            ),
        )
    )


def _reveals_schema(context: Any) -> bool:
    return not isinstance(context, Context) or context.settings.introspection


def build_schema(
    query: type, mutation: type | None = None, subscription: type | None = None, *, types: Sequence[Any] = ()
) -> CuepointSchema:
    """A schema with Cuepoint's scalars, limits and error answers."""
    schema = CuepointSchema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=[*types, Cost, ListSize],
        extensions=[PublicErrors, _StoredDocuments],
        execution_context_class=QuickExecutor,
        # `@defer` and `@stream`: where the client cannot take pieces, they are removed from the document.
        config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
    )
    publish_list_sizes(schema._schema)  # noqa: SLF001  # the one way to it
    shorten_resolvers(schema._schema, schema.config)  # noqa: SLF001
    return schema

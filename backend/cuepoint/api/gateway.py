"""What HTTP and WebSocket share on the way into the schema: a context for each operation, and its results as JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from graphql import GraphQLError
from starlette.types import Scope
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from cuepoint.api.addresses import base_url
from cuepoint.api.auth import Authenticator
from cuepoint.api.errors import HttpError
from cuepoint.api.graphql_request import ALLOW, GraphQLRequest
from cuepoint.graphql.config import CuepointSchema
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.public_errors import public_error
from cuepoint.viewer import Viewer

READ = frozenset({OperationType.QUERY})
READ_AND_WRITE = frozenset({OperationType.QUERY, OperationType.MUTATION})


class Gateway:
    """The schema, and what this process offers to its operations."""

    def __init__(self, schema: CuepointSchema, process: Process, authenticator: Authenticator) -> None:
        self.schema = schema
        self.process = process
        self.authenticator = authenticator

    def context(self, scope: Scope, viewer: Viewer | None, request_id: str) -> Context:
        """A context of its own for one operation."""
        url = base_url(self.process.settings, scope)
        return Context(self.process, viewer=viewer, request_id=request_id, base_url=url)

    async def execute(
        self, operation: GraphQLRequest, context: Context, allowed: Iterable[OperationType]
    ) -> dict[str, Any]:
        """The response of a query or mutation. Raises HttpError for an operation that this request may not run."""
        try:
            result = await self.schema.execute(
                operation.query,
                variable_values=operation.variables,
                context_value=context,
                operation_name=operation.operation_name,
                allowed_operation_types=allowed,
            )
        except InvalidOperationTypeError as error:
            raise _wrong_kind(error.operation_type) from error
        except CannotGetOperationTypeError as error:
            raise HttpError(400, error.as_http_error_reason()) from error
        except MissingQueryError as error:
            raise HttpError(400, "`query` must be a string with a GraphQL document.") from error
        return response_body(result, context.request_id)

    async def stream(self, operation: GraphQLRequest, context: Context) -> AsyncGenerator[dict[str, Any], None]:
        """The responses of any operation, one for each event of a subscription."""
        results = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.operation_name,
        )
        try:
            async for result in results:
                yield response_body(result, context.request_id)
        finally:
            await results.aclose()


def response_body(result: Any, request_id: str) -> dict[str, Any]:
    """`data` and `errors` of a result; a request error has no `data` (GraphQL specification, section 7.1)."""
    assert isinstance(result, ExecutionResult)
    errors: list[GraphQLError] = [public_error(error, request_id) for error in result.errors or ()]
    body: dict[str, Any] = {}
    if errors:
        body["errors"] = [error.formatted for error in errors]
    if result.data is not None or any(error.path for error in errors):
        body["data"] = result.data
    return body


def _wrong_kind(kind: OperationType) -> HttpError:
    if kind is OperationType.SUBSCRIPTION:
        return HttpError(405, "Subscriptions run over WebSocket (graphql-transport-ws) at this address.", headers=ALLOW)
    return HttpError(405, "Mutations need POST.", headers={"Allow": "POST"})

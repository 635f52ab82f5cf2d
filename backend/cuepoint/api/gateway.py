"""What all transports share on the way into the schema: who asks, how often, which text; and the results as JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from graphql import ExperimentalIncrementalExecutionResults, GraphQLError
from starlette.types import Scope
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from cuepoint.api.addresses import base_url
from cuepoint.api.auth import Authenticator
from cuepoint.api.errors import HttpError
from cuepoint.api.fanout import Fanout
from cuepoint.api.graphql_request import GraphQLRequest
from cuepoint.api.increments import Increments
from cuepoint.api.persisted import RegisteredTexts, load_allowlist
from cuepoint.api.rate_limits import RateLimiter
from cuepoint.api.roster import Roster
from cuepoint.api.streams import Streams
from cuepoint.errors import UnauthenticatedError
from cuepoint.graphql.config import CuepointSchema
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.public_errors import public_error
from cuepoint.graphql.scan import check_text
from cuepoint.viewer import Viewer

READ = frozenset({OperationType.QUERY})
READ_AND_WRITE = frozenset({OperationType.QUERY, OperationType.MUTATION})
READ_AND_WATCH = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})
ANY_KIND = frozenset(OperationType)


class SubscriptionAskedError(Exception):
    """The operation is a subscription: it has results, not one result."""


class Gateway:
    """The schema, and what this process offers to its operations."""

    def __init__(self, schema: CuepointSchema, process: Process, authenticator: Authenticator) -> None:
        settings = process.settings
        self.schema = schema
        self.authenticator = authenticator
        self.streams = Streams(settings, authenticator.still_valid)
        self.roster = Roster(self.streams, process.adapters, settings)
        self.process = replace(process, services={**process.services, Roster: self.roster})
        self.fanout = Fanout(self.stream)
        self._rates = RateLimiter(settings.rate_limit_per_minute, settings.rate_limit_burst)
        self._registered = RegisteredTexts()
        self._allowed = load_allowlist(settings.operations_allowlist)

    async def close(self) -> None:
        """End what is still open."""
        await self.roster.close()
        await self.streams.close()
        await self.fanout.close()

    async def admit(self, authorization: str | None, scope: Scope) -> Viewer | None:
        """Who asks for one more operation. Raises UnauthenticatedError, and RateLimitedError for one too many.

        Operations count for the API key; those without one, and wrong credentials, for the address they come from.
        """
        try:
            viewer = await self.authenticator.viewer(authorization, address_of(scope))
        except UnauthenticatedError:
            self._rates.take(address_of(scope))
            raise
        is_known = viewer is not None and viewer.share is None  # visitors by a link are nobody: their address counts
        self._rates.take(viewer.api_key_id or viewer.user_id if viewer and is_known else address_of(scope))
        return viewer

    def known(self, operation: GraphQLRequest, viewer: Viewer | None) -> GraphQLRequest:
        """The operation with its text. Raises HttpError for an unknown hash, CuepointError for a text that may not run.

        Administrators are not held to the list: their tools send operations of their own.
        """
        is_held = self._allowed is not None and not (viewer and viewer.is_admin)
        if not operation.query:
            assert operation.digest is not None
            store = self._allowed if self._allowed is not None and is_held else self._registered
            return replace(operation, query=store.find(operation.digest))
        if self._allowed is not None and is_held:
            self._allowed.check(operation.query)
        if not self.schema.documents.knows(operation.query):
            check_text(operation.query)
        return operation

    def context(
        self,
        scope: Scope,
        viewer: Viewer | None,
        request_id: str,
        *,
        takes_increments: bool = False,
        last_event: int | str | None = None,
    ) -> Context:
        """A context of its own for one operation."""
        return Context(
            self.process,
            viewer=viewer,
            request_id=request_id,
            base_url=base_url(self.process.settings, scope),
            takes_increments=takes_increments,
            last_event=last_event,
            address=address_of(scope),
        )

    async def execute(
        self, operation: GraphQLRequest, context: Context, allowed: Iterable[OperationType]
    ) -> dict[str, Any] | Increments:
        """The response of a query or mutation; in pieces only if the context takes them.

        Raises SubscriptionAskedError for a subscription, HttpError for any other operation that may not run here.
        """
        try:
            result: Any = await self.schema.execute(
                operation.query,
                variable_values=operation.variables,
                context_value=context,
                operation_name=operation.operation_name,
                allowed_operation_types=allowed,
            )
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise SubscriptionAskedError from error
            raise HttpError(405, "Mutations need POST.", headers={"Allow": "POST"}) from error
        except CannotGetOperationTypeError as error:
            raise HttpError(400, error.as_http_error_reason()) from error
        except MissingQueryError as error:
            raise HttpError(400, "`query` must be a string with a GraphQL document.") from error
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            self._keep(operation)
            return Increments(result, context.request_id)
        body = response_body(result, context.request_id)
        if "data" in body:
            self._keep(operation)
        if result.extensions:
            body["extensions"] = result.extensions
        return body

    async def stream(
        self, operation: GraphQLRequest, context: Context, allowed: Iterable[OperationType] = ANY_KIND
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The responses of any operation, one for each event of a subscription."""
        results: Any = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.operation_name,
            allowed_operation_types=allowed,
        )
        async with aclosing(results):
            async for result in results:
                body = response_body(result, context.request_id)
                if "data" in body:
                    self._keep(operation)
                yield body

    def _keep(self, operation: GraphQLRequest) -> None:
        """Only a text that has run is registered: nobody fills the store with nonsense."""
        if operation.digest is not None:
            self._registered.keep(operation.digest, operation.query)


def address_of(scope: Scope) -> str:
    """The caller's address; proxies that are trusted have been seen through already."""
    client = scope.get("client")
    return client[0] if client else ""


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

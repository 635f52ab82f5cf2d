"""What clients see of top-level errors: a code and the request id always, the text of unknown exceptions never."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import StreamExecutionResult

from cuepoint.errors import (
    AdapterError,
    CuepointError,
    ErrorCode,
    QuotaExceededError,
    QuotaExcess,
    RetryLaterError,
)
from cuepoint.graphql.context import Context
from cuepoint.graphql.errors import message_of

logger = logging.getLogger(__name__)

# The client's faults, although Strawberry raises them: no operation, an unknown one, one of a kind not allowed here.
REQUEST_FAULTS = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)


class PublicErrors(SchemaExtension):
    """Rewrites the errors of every result, streamed or not, and logs the unexpected ones with their stack."""

    def on_operation(self) -> Iterator[None]:
        """Rewrite the errors of a result that is answered at once."""
        yield
        self._rewrite(self.execution_context.result)

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Rewrite the errors of one streamed result; the next event begins with empty loaders."""
        self._rewrite(result)
        yield
        context = self.execution_context.context
        if isinstance(context, Context):
            context.forget_loaded()

    def _rewrite(self, result: Any) -> None:
        errors = getattr(result, "errors", None)
        if errors:
            result.errors = public_errors(errors, self.execution_context.context)


def public_errors(errors: Iterable[GraphQLError], context: Any) -> list[GraphQLError]:
    """The errors of one operation as clients see them."""
    is_ours = isinstance(context, Context)
    request_id = context.request_id if is_ours else ""
    reveals = not is_ours or context.settings.introspection
    return [public_error(error, request_id, reveals_schema=reveals) for error in errors]


def public_error(error: GraphQLError, request_id: str, *, reveals_schema: bool = True) -> GraphQLError:
    """The error as clients see it. One that has been through here stays as it is.

    Without `reveals_schema` validation suggests no names: it would give away what introspection hides.
    """
    if error.extensions and "requestId" in error.extensions:
        return error
    cause = _cause(error)
    extensions: dict[str, Any] = {**(error.extensions or {}), "requestId": request_id}
    message = error.message
    if isinstance(cause, CuepointError):
        message = message_of(cause)
        extensions["code"] = cause.code.value
        if cause.field:
            extensions["field"] = list(cause.field)
        if isinstance(cause, RetryLaterError):
            extensions["retryAfterSeconds"] = cause.retry_after_seconds
        if isinstance(cause, QuotaExceededError):
            extensions["quota"] = _figures(cause.excess)
    elif isinstance(cause, AdapterError):
        message = cause.message
        extensions.update(code=cause.code.value, retryable=cause.retryable)
    elif cause is None or isinstance(cause, REQUEST_FAULTS):
        extensions.setdefault("code", ErrorCode.BAD_USER_INPUT.value)
        if not reveals_schema:
            message = message.partition(" Did you mean")[0]
    else:
        logger.error("Unexpected error at %s", error.path or "the request", exc_info=cause)
        message = f"Internal error. Report this request id: {request_id}"
        extensions["code"] = ErrorCode.INTERNAL.value
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _figures(excess: QuotaExcess) -> dict[str, Any]:
    """As `UserError.quota` tells them."""
    return {
        "scope": excess.scope.value,
        "what": excess.what.value,
        "limit": excess.limit,
        "used": excess.used,
        "reserved": excess.reserved,
        "resetsAt": None if excess.resets_at is None else excess.resets_at.isoformat(),
    }


def _cause(error: GraphQLError) -> BaseException | None:
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause

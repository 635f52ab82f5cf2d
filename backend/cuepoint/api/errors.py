"""Errors of plain HTTP answers: the same JSON shape, codes and request ids as in GraphQL."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from cuepoint.errors import AdapterError, CuepointError, ErrorCode, RetryLaterError
from cuepoint.graphql.errors import message_of
from cuepoint.logs import request_id

# 460 is tus 1.0's own status of a wrong checksum.
STATUS_OF_CODE: Mapping[ErrorCode, int] = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.BAD_USER_INPUT: 400,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.QUERY_TOO_DEEP: 400,
    ErrorCode.QUERY_TOO_COSTLY: 400,
    ErrorCode.OPERATION_NOT_ALLOWED: 403,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UPLOAD_TOO_LARGE: 413,
    ErrorCode.QUOTA_EXCEEDED: 413,
    ErrorCode.UPLOAD_ALREADY_USED: 409,
    ErrorCode.UPLOAD_EXPIRED: 410,
    ErrorCode.OFFSET_MISMATCH: 409,
    ErrorCode.CHECKSUM_MISMATCH: 460,
    ErrorCode.INSUFFICIENT_STORAGE: 507,
    ErrorCode.STORAGE_UNAVAILABLE: 503,
    ErrorCode.DATABASE_UNAVAILABLE: 503,
}
OTHER_REFUSAL = 422
OTHER_OUTAGE = 503
JSON = "application/json"


class HttpError(Exception):
    """A request that is refused before any use case sees it."""

    def __init__(
        self, status: int, message: str, *, code: ErrorCode | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or ErrorCode.BAD_USER_INPUT
        self.headers = dict(headers or {})


def error_response(
    status: int,
    code: ErrorCode,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    """`{"errors": [{"message", "extensions": {"code", "requestId"}}]}` with this status."""
    details = {"code": code.value, "requestId": request_id.get() or "", **(extensions or {})}
    body = orjson.dumps({"errors": [{"message": message, "extensions": details}]})
    all_headers = dict(headers or {})
    if status == STATUS_OF_CODE[ErrorCode.UNAUTHENTICATED]:
        all_headers.setdefault("WWW-Authenticate", 'Bearer realm="cuepoint"')
    if "retryAfterSeconds" in details:
        all_headers.setdefault("Retry-After", str(math.ceil(details["retryAfterSeconds"])))
    return Response(body, status, headers=all_headers, media_type=media_type)


def response_of(
    error: HttpError | CuepointError | AdapterError, *, headers: Mapping[str, str] | None = None, media_type: str = JSON
) -> Response:
    """The answer to a refusal or to a third party's failure."""
    if isinstance(error, HttpError):
        return error_response(
            error.status, error.code, error.message, headers={**error.headers, **(headers or {})}, media_type=media_type
        )
    if isinstance(error, CuepointError):
        status = STATUS_OF_CODE.get(error.code, OTHER_REFUSAL)
        details = details_of(error)
        return error_response(
            status, error.code, message_of(error), headers=headers, media_type=media_type, extensions=details
        )
    status = STATUS_OF_CODE.get(error.code, OTHER_OUTAGE)
    return error_response(status, error.code, error.message, headers=headers, media_type=media_type)


def details_of(error: HttpError | CuepointError) -> dict[str, Any]:
    """What stands in `extensions` beside the code."""
    return {"retryAfterSeconds": error.retry_after_seconds} if isinstance(error, RetryLaterError) else {}

"""What a GraphQL request holds, checked before anything is parsed: method, type, size, encoding and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from cuepoint.api.errors import HttpError
from cuepoint.api.negotiation import PLAIN_JSON

MAX_BODY_BYTES = 1024 * 1024
ALLOW = {"Allow": "GET, POST"}


@dataclass(frozen=True)
class GraphQLRequest:
    """One operation as the client sent it."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


async def read_request(request: Request) -> GraphQLRequest:
    """The operation of an HTTP request. Raises HttpError with the status that the fault deserves."""
    if request.method == "GET":
        return _from_query_string(request.query_params)
    if request.method != "POST":
        raise HttpError(405, "GraphQL takes GET and POST.", headers=ALLOW)
    _check_content_type(request.headers.get("content-type"))
    return parse_operation(decode_json(await read_body(request), "The body"))


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises HttpError 413 as soon as it is known to exceed `limit` bytes."""
    declared = request.headers.get("content-length", "0")
    too_large = HttpError(413, f"The request body may have {limit} bytes.")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise too_large
            pieces.append(piece)
    except ClientDisconnect:
        raise HttpError(400, "The request ended before its body did.") from None
    return b"".join(pieces)


def decode_json(data: bytes | str, what: str) -> Any:
    """The JSON value of `data`. Raises HttpError 400 for what is no JSON, no UTF-8, or nested a thousand deep."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise HttpError(400, f"{what} is not JSON in UTF-8.") from None


def parse_operation(body: Any) -> GraphQLRequest:
    """The operation in a decoded body or WebSocket payload. Raises HttpError 400 for any other shape."""
    if isinstance(body, list):
        raise HttpError(400, "Batches are not supported; send one operation a request.")
    if not isinstance(body, dict):
        raise HttpError(400, "The request must be a JSON object with `query`.")
    query, variables = body.get("query"), body.get("variables")
    name, extensions = body.get("operationName"), body.get("extensions")
    if not isinstance(query, str) or not query.strip():
        raise HttpError(400, "`query` must be a string with a GraphQL document.")
    if not isinstance(variables, dict | None):
        raise HttpError(400, "`variables` must be an object or null.")
    if not isinstance(name, str | None):
        raise HttpError(400, "`operationName` must be a string or null.")
    if not isinstance(extensions, dict | None):
        raise HttpError(400, "`extensions` must be an object or null.")
    return GraphQLRequest(query, variables, name or None)


def _from_query_string(parameters: Mapping[str, str]) -> GraphQLRequest:
    body: dict[str, Any] = {
        "query": parameters.get("query"),
        "operationName": parameters.get("operationName"),
    }
    for name in ("variables", "extensions"):
        if parameters.get(name):
            body[name] = decode_json(parameters[name], f"`{name}`")
    return parse_operation(body)


def _check_content_type(value: str | None) -> None:
    message = Message()
    message["content-type"] = value or ""
    if value is None or message.get_content_type() != PLAIN_JSON:
        raise HttpError(415, f"Send the operation as {PLAIN_JSON}.", headers={"Accept": PLAIN_JSON})
    if (message.get_content_charset() or "utf-8").replace("-", "") != "utf8":
        raise HttpError(415, "JSON is sent in UTF-8.", headers={"Accept": PLAIN_JSON})

"""What a GraphQL request holds, checked before anything is parsed: method, type, size, encoding and shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from cuepoint.api.errors import HttpError
from cuepoint.api.negotiation import PLAIN_JSON
from cuepoint.api.persisted import digest_of

MAX_BODY_BYTES = 1024 * 1024
ALLOW = {"Allow": "GET, POST"}
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
# A quote and a colon may also stand in a text: only if there are more of them than keys, strings are told apart.
_LIKE_A_KEY = re.compile(rb'"\s*+:')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*+:)?')


@dataclass(frozen=True)
class GraphQLRequest:
    """One operation as the client sent it: its text, or the hash under which the text was registered, or both."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    digest: str | None = None


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
    """The JSON value of `data`. Raises HttpError 400 for what is no JSON or no UTF-8, is nested a thousand deep, or
    gives a key twice: two readers of such a request would see two requests."""
    raw = data.encode(errors="surrogateescape") if isinstance(data, str) else data
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise HttpError(400, f"{what} is not JSON in UTF-8.") from None
    if not _has_keys(value, len(_LIKE_A_KEY.findall(raw))):
        keys = sum(map(bool, _STRING.findall(raw)))
        if not _has_keys(value, keys):
            raise HttpError(400, f"{what} gives a key twice.")
    return value


def _has_keys(value: Any, number: int) -> bool:
    """Whether the objects within `value` have so many members; looks no further than it must."""
    waiting = [value]
    while number > 0 and waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            number -= len(one)
            if number > 0:
                waiting.extend(inner for inner in one.values() if isinstance(inner, dict | list))
        elif isinstance(one, list):
            waiting.extend(inner for inner in one if isinstance(inner, dict | list))
    return number <= 0


def parse_operation(body: Any) -> GraphQLRequest:
    """The operation in a decoded body or WebSocket payload. Raises HttpError 400 for any other shape."""
    if isinstance(body, list):
        raise HttpError(400, "Batches are not supported; send one operation a request.")
    if not isinstance(body, dict):
        raise HttpError(400, "The request must be a JSON object with `query`.")
    query, variables = body.get("query"), body.get("variables")
    name, extensions = body.get("operationName"), body.get("extensions")
    if not isinstance(variables, dict | None):
        raise HttpError(400, "`variables` must be an object or null.")
    if not isinstance(name, str | None):
        raise HttpError(400, "`operationName` must be a string or null.")
    if not isinstance(extensions, dict | None):
        raise HttpError(400, "`extensions` must be an object or null.")
    digest = _digest(extensions or {})
    if digest is None or query is not None:
        _check_query(query, digest)
    return GraphQLRequest(query or "", variables, name or None, digest)


def _check_query(query: Any, digest: str | None) -> None:
    if not isinstance(query, str) or not query.strip():
        raise HttpError(400, "`query` must be a string with a GraphQL document.")
    if digest is not None and digest_of(query) != digest:
        raise HttpError(400, "`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`.")


def _digest(extensions: Mapping[str, Any]) -> str | None:
    """The hash of an automatic persisted query."""
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise HttpError(400, "`extensions.persistedQuery` must be an object with `version` 1 and `sha256Hash`.")
    digest = persisted.get("sha256Hash")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise HttpError(400, "`extensions.persistedQuery.sha256Hash` must be a SHA-256 in 64 small hexadecimal digits.")
    return digest


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
    if value == PLAIN_JSON:
        return
    message = Message()
    message["content-type"] = value or ""
    if value is None or message.get_content_type() != PLAIN_JSON:
        raise HttpError(415, f"Send the operation as {PLAIN_JSON}.", headers={"Accept": PLAIN_JSON})
    if (message.get_content_charset() or "utf-8").replace("-", "") != "utf8":
        raise HttpError(415, "JSON is sent in UTF-8.", headers={"Accept": PLAIN_JSON})

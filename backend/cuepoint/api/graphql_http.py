"""GraphQL over HTTP: answers at once or in pieces, subscriptions as streams, and the GraphiQL page for browsers."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cuepoint.api.errors import HttpError, error_response, response_of
from cuepoint.api.event_streams import Bodies, EventFraming, Framing, IncrementFraming, MultipartFraming, StreamResponse
from cuepoint.api.fanout import Following
from cuepoint.api.gateway import (
    ANY_KIND,
    READ,
    READ_AND_WATCH,
    READ_AND_WRITE,
    Gateway,
    SubscriptionAskedError,
    address_of,
)
from cuepoint.api.graphiql import page
from cuepoint.api.graphql_request import ALLOW, GraphQLRequest, read_request
from cuepoint.api.increments import Increments
from cuepoint.api.middleware import OPERATION_KEY
from cuepoint.api.negotiation import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    HTML,
    PLAIN_JSON,
    Accepted,
    IncrementKind,
    StreamKind,
    names,
    negotiate,
)
from cuepoint.api.pages import page_authorization
from cuepoint.db.session import counting_statements
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.graphql.context import Context
from cuepoint.logs import request_id

HEADERS = {"Cache-Control": "no-store", "Vary": "Accept, Authorization"}
FRAMING: Mapping[StreamKind, type[Framing]] = {StreamKind.EVENTS: EventFraming, StreamKind.MULTIPART: MultipartFraming}
SPEC = {IncrementKind.BY_ID: "incrementalSpec=v0.2", IncrementKind.BY_PATH: "deferSpec=20220824"}
_NAME = re.compile(r"\b(?:query|mutation)\s+([_A-Za-z]\w*)", re.ASCII)
_EVENT_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_EVENT_CURSOR = re.compile(r"[A-Za-z0-9_-]{16,8192}")  # base64url: features.jobs.cursors


async def serve_http(gateway: Gateway, request: Request) -> Response:
    """Answer one request."""
    accept = request.headers.get("accept")
    if _wants_page(request, accept):
        if not gateway.process.settings.graphiql:
            return error_response(404, ErrorCode.NOT_FOUND, "GraphiQL is switched off here (CUEPOINT_GRAPHIQL).")
        return page()
    accepted = negotiate(accept)
    if accepted is None:
        message = f"This address answers {GRAPHQL_JSON}, {PLAIN_JSON} or {EVENT_STREAM}."
        return error_response(406, ErrorCode.BAD_USER_INPUT, message)
    try:
        return await _Exchange(gateway, request, accepted).answer()
    except (HttpError, CuepointError) as error:
        media_type = f"{accepted.json or PLAIN_JSON}; charset=utf-8"
        return response_of(error, media_type=media_type, headers={"Cache-Control": "no-store"})


class _Exchange:
    def __init__(self, gateway: Gateway, request: Request, accepted: Accepted) -> None:
        self._gateway = gateway
        self._request = request
        self._accepted = accepted
        self._id = request_id.get() or ""

    async def answer(self) -> Response:
        operation = await read_request(self._request)
        authorization = self._request.headers.get("authorization") or page_authorization(self._request)
        viewer = await self._gateway.admit(authorization, self._request.scope)
        operation = self._gateway.known(operation, viewer)
        context = self._gateway.context(
            self._request.scope,
            viewer,
            self._id,
            takes_increments=self._accepted.increments is not None,
            last_event=_last_event(self._request.headers.get("last-event-id")),
        )
        media_type, is_get = self._accepted.json, self._request.method == "GET"
        if media_type is None:
            return self._stream(operation, context)
        try:
            with counting_statements() as count:
                result = await self._gateway.execute(operation, context, READ if is_get else READ_AND_WRITE)
            self._request.scope[OPERATION_KEY] = {"operation": _name_of(operation), "statements": count[0]}
        except SubscriptionAskedError:
            return self._stream(operation, context)
        if isinstance(result, Increments):
            return self._pieces(result, context)
        content_type = f"{media_type}; charset=utf-8"
        return Response(orjson.dumps(result), _status(result, media_type), headers=HEADERS, media_type=content_type)

    def _stream(self, operation: GraphQLRequest, context: Context) -> Response:
        if self._accepted.stream is None:
            text = f"Subscriptions run over WebSocket (graphql-transport-ws) here, or with Accept: {EVENT_STREAM}."
            raise HttpError(405, text, headers=ALLOW)
        allowed = READ_AND_WATCH if self._request.method == "GET" else ANY_KIND
        context.takes_increments = False
        following = self._gateway.fanout.follow(operation, context, allowed)
        return self._respond(context, _numbered(following), FRAMING[self._accepted.stream](), following)

    def _pieces(self, result: Increments, context: Context) -> Response:
        kind = self._accepted.increments
        assert kind is not None
        return self._respond(context, _unnumbered(result.pieces(kind)), IncrementFraming(SPEC[kind]))

    def _respond(
        self, context: Context, bodies: Bodies, framing: Framing, following: Following | None = None
    ) -> Response:
        """Raises RateLimitedError where the caller has too many streams; this one counts until it ends."""
        with ExitStack() as counted:
            address = address_of(self._request.scope)
            connection = self._gateway.streams.connection(address, context.viewer, framing.transport)
            stream = counted.enter_context(connection)
            counted.enter_context(stream.operation()).following = following
            return StreamResponse(stream, bodies, framing, self._id, counted.pop_all())


def _name_of(operation: GraphQLRequest) -> str:
    """The operation's name, for the access log; empty for one without."""
    found = None if operation.operation_name else _NAME.search(operation.query)
    return operation.operation_name or (found[1] if found else "")


def _last_event(value: str | None) -> int | str | None:
    """The number or cursor in `Last-Event-ID`. Raises HttpError 400 for what is neither."""
    text = (value or "").strip()
    if not text:
        return None
    if _EVENT_NUMBER.fullmatch(text):
        return int(text)
    if not _EVENT_CURSOR.fullmatch(text):
        raise HttpError(400, "`Last-Event-ID` must be the id of an event of this subscription.")
    return text


async def _numbered(following: Following) -> Bodies:
    async with aclosing(following):
        async for frame in following:
            yield frame.body, frame.event


async def _unnumbered(bodies: AsyncGenerator[dict[str, Any], None]) -> Bodies:
    async with aclosing(bodies):
        async for body in bodies:
            yield orjson.dumps(body).decode(), None


def _wants_page(request: Request, accept: str | None) -> bool:
    is_operation = "query" in request.query_params or "extensions" in request.query_params
    return request.method in ("GET", "HEAD") and not is_operation and names(accept, HTML)


def _status(body: dict[str, Any], media_type: str) -> int:
    """A request error is 400 for those who know the new media type, 200 for older clients, which expect no other."""
    return 400 if "data" not in body and media_type == GRAPHQL_JSON else 200

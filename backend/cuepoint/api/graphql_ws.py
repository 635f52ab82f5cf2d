"""GraphQL over WebSocket: the graphql-transport-ws protocol, with its close codes.

Whatever a client sends is answered: a message that is no message closes with 4400, an operation that cannot run gets
an `error`. Frames are text: clients drop binary ones without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from cuepoint.api.auth import is_origin_allowed
from cuepoint.api.errors import HttpError, details_of, response_of
from cuepoint.api.gateway import ANY_KIND, Gateway, address_of
from cuepoint.api.graphql_request import MAX_BODY_BYTES, GraphQLRequest, decode_json, parse_operation
from cuepoint.api.streams import Ending, LiveOperation, Stream
from cuepoint.errors import CuepointError, ErrorCode, RateLimitedError, RetryLaterError, UnauthenticatedError
from cuepoint.graphql.errors import message_of
from cuepoint.logs import request_id

logger = logging.getLogger(__name__)

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
MAX_OPERATIONS = 100

BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
BAD_SUBPROTOCOL = 4406
INIT_TIMEOUT = 4408
DUPLICATE_ID = 4409
TOO_MANY_INITS = 4429
TOO_BIG = 1009
RESTART = 1012
TRY_AGAIN_LATER = 1013
MAX_REASON_BYTES = 123  # RFC 6455 section 5.5: a control frame carries 125 bytes, two of them the code


CODE_OF_ENDING: Mapping[Ending | None, tuple[int, str]] = {
    Ending.STOPPING: (RESTART, "The server restarts"),
    Ending.REVOKED: (FORBIDDEN, "The credential was revoked or has expired"),
}


class CloseSocketError(Exception):
    """The connection ends with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class WebSockets:
    """Middleware: serves the sockets of one path itself. On the way through routes each would hold 5 KiB more."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or go on."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] == "websocket" and path == self._path:
            await serve_websocket(scope["app"].state.gateway, WebSocket(scope, receive, send))
        else:
            await self.app(scope, receive, send)


async def serve_websocket(gateway: Gateway, socket: WebSocket, *, init_seconds: float = INIT_SECONDS) -> None:
    """Serve one connection until it closes."""
    if not is_origin_allowed(socket.headers, gateway.process.settings.cors_origins):
        await socket.close(1008)  # before accept: the handshake is answered with 403
        return
    try:
        with gateway.streams.connection(address_of(socket.scope)) as stream:
            if PROTOCOL in socket.scope.get("subprotocols", ()):
                await socket.accept(subprotocol=PROTOCOL)
                await _Connection(gateway, socket, stream, init_seconds).serve()
            else:
                await socket.accept()
                await socket.close(BAD_SUBPROTOCOL, f"Subprotocol not acceptable; use {PROTOCOL}")
    except RateLimitedError as error:
        if "websocket.http.response" in socket.scope.get("extensions", {}):
            await socket.send_denial_response(response_of(error))
        else:
            await socket.close(TRY_AGAIN_LATER)


class _Connection:
    __slots__ = (
        "_credential",
        "_gateway",
        "_init_seconds",
        "_is_acknowledged",
        "_is_initialised",
        "_operations",
        "_reports",
        "_socket",
        "_stream",
    )

    def __init__(self, gateway: Gateway, socket: WebSocket, stream: Stream, init_seconds: float) -> None:
        self._gateway = gateway
        self._socket = socket
        self._stream = stream
        self._init_seconds = init_seconds
        self._credential: str | None = None
        self._is_initialised = False
        self._is_acknowledged = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._reports: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        try:
            code, reason = await self._receive_all()
        except WebSocketDisconnect:
            await self._end_operations()
        else:
            await self._end_operations()  # first: nothing may follow the close
            await self._close(code, reason)

    async def _receive_all(self) -> tuple[int, str]:
        """Take messages until the connection must be closed; with which code, and why."""
        try:
            async with self._stream.until_ended(self._init_seconds) as timer:
                while not self._is_acknowledged:
                    await self._receive()
                if self._stream.ending is None:
                    timer.reschedule(None)
                while True:
                    await self._receive()
        except TimeoutError:
            return CODE_OF_ENDING.get(self._stream.ending, (INIT_TIMEOUT, "Connection initialisation timeout"))
        except CloseSocketError as error:
            return error.code, error.reason

    async def _end_operations(self) -> None:
        tasks = [*self._operations.values(), *self._reports]
        self._operations.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> None:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1005))
        text = frame.get("text")
        if text is None:
            raise CloseSocketError(BAD_REQUEST, "Messages are text frames")
        if len(text) > MAX_BODY_BYTES:
            raise CloseSocketError(TOO_BIG, f"A message may have {MAX_BODY_BYTES} characters")
        try:
            message = decode_json(text, "The message")
        except HttpError as error:
            raise CloseSocketError(BAD_REQUEST, error.message) from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise CloseSocketError(BAD_REQUEST, "A message is an object with a type")
        await self._handle(message)

    async def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._initialise(message)
            case "ping":
                payload = {"payload": message["payload"]} if isinstance(message.get("payload"), dict) else {}
                await self._send({"type": "pong", **payload})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                task = self._operations.pop(_operation_id(message), None)
                if task is not None:
                    task.cancel()
            case unknown:
                raise CloseSocketError(BAD_REQUEST, f"Unknown message type {unknown[:40]}")

    async def _initialise(self, message: dict[str, Any]) -> None:
        if self._is_initialised:
            raise CloseSocketError(TOO_MANY_INITS, "Too many initialisation requests")
        self._is_initialised = True
        payload = message.get("payload") or {}
        if not isinstance(payload, dict):
            raise CloseSocketError(BAD_REQUEST, "The payload of connection_init must be an object or null")
        self._credential = _credential(payload, self._socket.headers)
        try:
            address = address_of(self._socket.scope)
            self._stream.belongs_to(await self._gateway.authenticator.viewer(self._credential, address))
        except UnauthenticatedError as error:
            raise CloseSocketError(FORBIDDEN, error.message) from None
        except RetryLaterError as error:
            raise CloseSocketError(TRY_AGAIN_LATER, error.message) from None
        await self._send({"type": "connection_ack"})
        self._is_acknowledged = True

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if not self._is_acknowledged:
            raise CloseSocketError(UNAUTHORIZED, "Unauthorized")
        operation_id = _operation_id(message)
        if operation_id in self._operations:
            raise CloseSocketError(DUPLICATE_ID, f"Subscriber for {operation_id} already exists")
        if len(self._operations) >= MAX_OPERATIONS:
            text = f"A connection runs {MAX_OPERATIONS} operations at a time."
            await self._send_error(operation_id, ErrorCode.RATE_LIMITED, text, uuid4().hex)
            return
        try:
            operation = parse_operation(message.get("payload"))
        except HttpError as error:
            await self._send_error(operation_id, error.code, error.message, uuid4().hex)
            return
        own_request_id = uuid4().hex
        task = asyncio.create_task(self._run(operation_id, operation, own_request_id))
        self._operations[operation_id] = task
        task.add_done_callback(lambda done: self._ended(operation_id, done, own_request_id))

    def _ended(self, operation_id: str, task: asyncio.Task[None], own_request_id: str) -> None:
        """The id is free; a fault of ours is logged and told to the client, which would wait for ever otherwise."""
        if self._operations.get(operation_id) is task:
            del self._operations[operation_id]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("Unexpected error in an operation", exc_info=error, extra={"request_id": own_request_id})
            text = f"Internal error. Report this request id: {own_request_id}"
            report = asyncio.ensure_future(self._send_error(operation_id, ErrorCode.INTERNAL, text, own_request_id))
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)

    async def _run(self, operation_id: str, operation: GraphQLRequest, own_request_id: str) -> None:
        request_id.set(own_request_id)
        try:
            with self._stream.operation() as live:
                refusal = await self._send_results(live, operation_id, operation, own_request_id)
            if refusal is None:
                await self._send_last(operation_id, "complete")
            else:
                await self._send_last(operation_id, "error", refusal)
        except (CuepointError, HttpError) as error:
            text = message_of(error) if isinstance(error, CuepointError) else error.message
            await self._send_error(operation_id, error.code, text, own_request_id, details_of(error))
        except WebSocketDisconnect:
            pass

    async def _send_results(
        self, live: LiveOperation, operation_id: str, operation: GraphQLRequest, own_request_id: str
    ) -> str | None:
        """Send each result; the errors of an operation that did not run."""
        # Again for each operation: the token may have been revoked since the connection began.
        viewer = await self._gateway.admit(self._credential, self._socket.scope)
        if viewer == self._stream.viewer:
            viewer = self._stream.viewer  # one object for as long as it is open
        operation = self._gateway.known(operation, viewer)
        context = self._gateway.context(self._socket.scope, viewer, own_request_id)
        begin = f'{{"id":{_json(operation_id)},"type":"next","payload":'
        is_first = True
        live.following = self._gateway.fanout.follow(operation, context, ANY_KIND)
        async with aclosing(live.following) as frames:
            async for frame in frames:
                if is_first and frame.refusal is not None:
                    return frame.refusal
                is_first = False
                await self._send_text(f"{begin}{frame.body}}}")
                del frame  # a snapshot is its reader's own, who may wait for hours
        return None

    async def _send_error(
        self,
        operation_id: str,
        code: ErrorCode,
        text: str,
        own_request_id: str,
        details: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        extensions = {"code": code.value, "requestId": own_request_id, **details}
        payload = [{"message": text, "extensions": extensions}]
        await self._send_last(operation_id, "error", _json(payload))

    async def _send_last(self, operation_id: str, kind: str, payload: str | None = None) -> None:
        """The id is free again before the client can know that the operation ended."""
        if self._operations.get(operation_id) is asyncio.current_task():
            del self._operations[operation_id]
        end = "" if payload is None else f',"payload":{payload}'
        await self._send_text(f'{{"id":{_json(operation_id)},"type":"{kind}"{end}}}')

    async def _send(self, message: dict[str, Any]) -> None:
        await self._send_text(_json(message))

    async def _send_text(self, text: str) -> None:
        """No lock: the server writes a frame as a whole once its client takes more."""
        await self._socket.send_text(text)

    async def _close(self, code: int, reason: str) -> None:
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the peer was quicker
            await self._socket.close(code, short)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _operation_id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise CloseSocketError(BAD_REQUEST, "The message needs an id, a string that is not empty")
    return operation_id


def _credential(payload: dict[str, Any], headers: Headers) -> str | None:
    """The `Authorization` of connection_init, whatever its case, else the handshake's own header."""
    for name, value in payload.items():
        if name.lower() == "authorization" and isinstance(value, str) and value.strip():
            return value
    return headers.get("authorization")

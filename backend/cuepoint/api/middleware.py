"""Around every request: its id, and one line in the access log."""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cuepoint.logs import request_id

logger = logging.getLogger("cuepoint.access")

HEADER = "X-Request-Id"
SCOPE_KEY = "cuepoint.request_id"  # where handlers outside the context variable's reach find it
OPERATION_KEY = "cuepoint.operation"  # where the endpoint leaves the operation's name and its number of SQL statements
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:+/=-]{1,64}", re.ASCII)
QUIET_PATHS = frozenset({"/livez", "/readyz"})  # asked every few seconds by whatever watches


class RequestIds:
    """Gives every request an id, its caller's own where it is harmless, and answers with it.

    The access line holds no query string (signatures) and no headers (tokens).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        own = given if _ACCEPTABLE.fullmatch(given) else uuid4().hex
        scope[SCOPE_KEY] = own
        token = request_id.set(own)
        exchange = _Exchange(scope, send, own)
        try:
            await self.app(scope, receive, exchange.send)
        finally:
            exchange.log()
            request_id.reset(token)


class _Exchange:
    def __init__(self, scope: Scope, send: Send, own_id: str) -> None:
        self._scope = scope
        self._send = send
        self._id = own_id
        self._started = time.perf_counter()
        self._status: int | None = None
        self._sent_bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            self._status = message.get("status", 101)
            message.setdefault("headers", [])
            MutableHeaders(scope=message)[HEADER] = self._id
        elif message["type"] == "http.response.body":
            self._sent_bytes += len(message.get("body", b""))
        elif message["type"] == "websocket.close" and self._status is None:
            self._status = 403
        await self._send(message)

    def log(self) -> None:
        method = self._scope.get("method", "WEBSOCKET")
        path = self._scope["path"]
        took = round((time.perf_counter() - self._started) * 1000, 1)
        level = logging.DEBUG if path in QUIET_PATHS else logging.INFO
        extra = {
            "method": method,
            "path": path,
            "status": self._status,
            "duration_ms": took,
            "sent_bytes": self._sent_bytes,
            "client": (self._scope.get("client") or ("",))[0],
            **self._scope.get(OPERATION_KEY, {}),
        }
        logger.log(level, "%s %s %s %s ms", method, path, self._status, took, extra=extra)

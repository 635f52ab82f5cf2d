"""A WebSocket straight into an ASGI application: frames as they are, in the loop of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message

PROTOCOL = "graphql-transport-ws"
WAIT_SECONDS = 5.0  # for what must come; only a failing test waits so long


class Socket:
    """One connection. What the application sends is read with `next`, its close code with `closed`."""

    def __init__(self) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self.frames: list[Message] = []

    async def send(self, message: Any) -> None:
        """A JSON text frame; str and bytes go as they are."""
        if isinstance(message, bytes):
            await self._to_app.put({"type": "websocket.receive", "bytes": message})
        else:
            text = message if isinstance(message, str) else json.dumps(message)
            await self._to_app.put({"type": "websocket.receive", "text": text})

    async def next(self) -> Any:
        """The next message of the application, decoded."""
        message = await self.raw()
        assert message["type"] == "websocket.send", message
        assert message.get("text") is not None, "binary frames are dropped by clients"
        return json.loads(message["text"])

    async def closed(self) -> int:
        """The code with which the application closes; nothing else may come first."""
        message = await self.raw()
        assert message["type"] == "websocket.close", message
        return int(message.get("code", 1000))

    async def raw(self) -> Message:
        """The next ASGI message of the application."""
        return await asyncio.wait_for(self._from_app.get(), WAIT_SECONDS)

    async def init(self, payload: Any = None) -> None:
        """Begin as a client does."""
        await self.send({"type": "connection_init", **({} if payload is None else {"payload": payload})})
        assert await self.next() == {"type": "connection_ack"}

    async def subscribe(self, query: str, id: str = "1", variables: Any = None) -> None:
        """Start an operation."""
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    def hang_up(self) -> None:
        """The client is gone."""
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1005})


@asynccontextmanager
async def open_socket(
    app: ASGIApp,
    path: str = "/graphql",
    *,
    headers: Mapping[str, str] | None = None,
    protocols: Sequence[str] = (PROTOCOL,),
    extensions: Mapping[str, Any] | None = None,
) -> AsyncIterator[Socket]:
    """A connection whose handshake was accepted, or `next` shows what came instead."""
    socket = Socket()
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *((k.lower().encode(), v.encode()) for k, v in (headers or {}).items())],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "subprotocols": list(protocols),
        "state": {},
        "extensions": dict(extensions or {}),
    }
    socket._to_app.put_nowait({"type": "websocket.connect"})
    task = asyncio.create_task(app(scope, socket._to_app.get, socket._from_app.put))
    try:
        yield socket
    finally:
        socket.hang_up()
        await asyncio.wait_for(task, WAIT_SECONDS)


async def accept(socket: Socket) -> Message:
    """The application's acceptance."""
    message = await socket.raw()
    assert message["type"] == "websocket.accept", message
    return message

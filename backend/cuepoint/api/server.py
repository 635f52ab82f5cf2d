"""The HTTP server under the application: uvicorn with the settings that live streams need, and a quick stop."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from cuepoint.api.bodies import HttpProtocol
from cuepoint.api.graphql_request import MAX_BODY_BYTES
from cuepoint.config import Settings

KEEP_ALIVE_SECONDS = 75  # longer than the idle time of usual proxies (60 s), so that the proxy closes first
GRACEFUL_SECONDS = 5  # what is being answered when the stop comes has so long
LINGER_SECONDS = 60.0  # a client that takes nothing of the rest for so long will not take it any more


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own, which keeps whatever a client sends that reads nothing: answers to its pings, and pieces of
    nothing."""

    _pong = b""

    def handle_ping(self) -> None:
        """The newest is answered once the client takes more, as RFC 6455 section 5.5.3 allows."""
        self._pong = b"".join(self.conn.data_to_send()) or self._pong
        if self.writable.is_set():
            self._send_pong()

    def resume_writing(self) -> None:
        """The client takes more."""
        super().resume_writing()
        self._send_pong()

    def handle_cont(self, event: Frame) -> None:
        """A further piece of a message."""
        if event.data or event.fin:
            super().handle_cont(event)

    def _send_pong(self) -> None:
        pong, self._pong = self._pong, b""
        if pong:
            self.transport.write(pong)


class Server(uvicorn.Server):
    """Ends every WebSocket (with 1012) and event stream first: a stop would wait for them otherwise.

    A connection that was closed stays until its client has taken the rest, or, as it counts for nobody any more, until
    it has taken nothing for a while: whoever never reads could have any number of them otherwise.
    """

    def __init__(self, app: Starlette, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.linger_seconds = LINGER_SECONDS
        self._app = app
        self._rests: dict[asyncio.WriteTransport, int] = {}  # of connections that were closed: bytes to be taken
        self._looked_at = 0.0

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= self.linger_seconds:
            self._looked_at = now
            self._drop_rests()
        return await super().on_tick(counter)

    def _drop_rests(self) -> None:
        before, self._rests = self._rests, {}
        for transport in [connection.transport for connection in self.server_state.connections]:
            if transport.is_closing():
                rest = self._rests[transport] = transport.get_write_buffer_size()
                if rest == before.get(transport):
                    transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        if hasattr(self._app.state, "gateway"):
            self._app.state.gateway.streams.end_all()
        await super().shutdown(sockets)


def make_server(app: Starlette, settings: Settings) -> Server:
    """A server of the application; `serve(sockets=[...])` runs it."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MAX_BODY_BYTES,
        ws_per_message_deflate=False,  # subscriptions send small messages: compression costs more than it saves
        proxy_headers=False,  # the app has its own middleware for CUEPOINT_TRUSTED_PROXIES
        server_header=False,
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return Server(app, config)

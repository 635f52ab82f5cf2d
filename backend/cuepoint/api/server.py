"""The HTTP server under the application: uvicorn with the settings that live streams need, and a quick stop."""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette

from cuepoint.api.bodies import HttpProtocol
from cuepoint.config import Settings

KEEP_ALIVE_SECONDS = 75  # longer than the idle time of usual proxies (60 s), so that the proxy closes first
GRACEFUL_SECONDS = 5  # what is being answered when the stop comes has so long


class Server(uvicorn.Server):
    """Ends every WebSocket (with 1012) and event stream first: a stop would wait for them otherwise."""

    def __init__(self, app: Starlette, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

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
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # subscriptions send small messages: compression costs more than it saves
        proxy_headers=False,  # the app has its own middleware for CUEPOINT_TRUSTED_PROXIES
        server_header=False,
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return Server(app, config)

"""The web application behind the product's own server, on a real port and in the loop of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette

from cuepoint.api.server import Server, make_server
from cuepoint.config import Settings

WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Serving:
    """A server that answers."""

    server: Server
    host: str
    stopped: asyncio.Task[None]

    @property
    def http_url(self) -> str:
        """Where HTTP requests go."""
        return f"http://{self.host}/graphql"

    @property
    def ws_url(self) -> str:
        """Where WebSockets go."""
        return f"ws://{self.host}/graphql"

    def stop(self) -> None:
        """What SIGTERM does."""
        self.server.should_exit = True


@asynccontextmanager
async def serving(app: Starlette, settings: Settings, port: int = 0) -> AsyncIterator[Serving]:
    """Serve until the block ends, on a free port if none is given."""
    listener = socket.create_server(("127.0.0.1", port))
    server = make_server(app, settings)
    server.config.lifespan = "off"  # the test has started the application itself
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0)
    try:
        yield Serving(server, f"127.0.0.1:{listener.getsockname()[1]}", task)
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, WAIT_SECONDS)

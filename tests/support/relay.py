"""A way to one database over TCP that can stop carrying anything: as a server process that hangs, or as a network that
drops what is sent, connections stay open and nothing comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote


class Relay:
    """`url` leads to the database as long as it `carries`."""

    def __init__(self, url: str) -> None:
        self._address, _, sockets = url.partition("?host=")
        (self._socket,) = Path(unquote(sockets.partition("&")[0])).glob(".s.PGSQL.*[0-9]")
        self._tasks: set[asyncio.Task[None]] = set()
        self.carries = asyncio.Event()
        self.carries.set()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Relay]:
        """A relay to that database, which listens on a socket of its machine."""
        relay = cls(url)
        server = await asyncio.start_server(relay._carry, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay.url = f"{relay._address.replace('@/', f'@127.0.0.1:{port}/')}?sslmode=disable"
        try:
            yield relay
        finally:
            server.close()
            for task in relay._tasks:
                task.cancel()
            await asyncio.gather(*relay._tasks, return_exceptions=True)

    async def _carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        server, request = await asyncio.open_unix_connection(self._socket)
        self._tasks |= {
            asyncio.create_task(self._pump(client, request)),
            asyncio.create_task(self._pump(server, answer)),
        }

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while piece := await source.read(65_536):
                    await self.carries.wait()
                    target.write(piece)
        finally:
            target.close()

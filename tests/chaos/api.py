"""An API process of the chaos run: `python -m tests.chaos.api PORT`. It waits for a Postgres that is away."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

from cuepoint.api.app import create_app
from cuepoint.api.server import make_server
from cuepoint.config import load_settings
from cuepoint.logs import configure_logging

LISTEN_SECONDS = 10.0


def _listen(port: int) -> socket.socket:
    """The port, which a predecessor that was killed may still hold for a moment."""
    deadline = time.monotonic() + LISTEN_SECONDS
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings, "api")
    asyncio.run(make_server(create_app(settings), settings).serve(sockets=[_listen(int(sys.argv[1]))]))

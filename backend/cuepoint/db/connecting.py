"""Connections to a Postgres that may stop to answer: neither a network that drops packets nor a server process that
hangs is waited for without a limit.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextvars import Context
from typing import Any

import asyncpg

# A server whose machine does not acknowledge anything for so long is gone. Linux by itself repeats what was sent for 15
# minutes (net.ipv4.tcp_retries2), and asks after 2 hours whether anybody is there while an answer is waited for.
LOST_SECONDS = 30
_ASKED_AFTER, _ASKED_EACH = 15, 5
# By their names in the socket module, which has those of its system. macOS calls the first TCP_KEEPALIVE.
_TCP_OPTIONS = {
    "TCP_KEEPALIVE": _ASKED_AFTER,
    "TCP_KEEPIDLE": _ASKED_AFTER,
    "TCP_KEEPINTVL": _ASKED_EACH,
    "TCP_KEEPCNT": (LOST_SECONDS - _ASKED_AFTER) // _ASKED_EACH,
    "TCP_USER_TIMEOUT": LOST_SECONDS * 1000,
}

_log = logging.getLogger(__name__)


async def connect(*args: Any, **options: Any) -> asyncpg.Connection:
    """`asyncpg.connect`, whose connection breaks after `LOST_SECONDS` without a sign of the server's machine."""
    connection = await asyncpg.connect(*args, **options)
    used = connection._transport.get_extra_info("socket")  # noqa: SLF001  # as asyncpg itself does: no public way
    if used.family != socket.AF_UNIX:
        used.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS.items():
            if hasattr(socket, name):
                used.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


class Deadline:
    """Drops the connections on which a statement has not been answered for `seconds`; None waits for ever.

    It breaks the connection at once: a server that hangs answers neither a cancel request nor a ROLLBACK. All
    statements share a timer, as one of its own for each would cost several times what noting it does.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._since: dict[asyncpg.Connection, float] = {}  # those that began first come first
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, connection: asyncpg.Connection) -> None:
        """A statement is sent on it; `end` follows, whatever becomes of it."""
        if self._seconds is not None:
            self._since[connection] = time.monotonic()
            if self._timer is None:
                self._check_after(self._seconds)

    def end(self, connection: asyncpg.Connection) -> None:
        """It was answered, or failed."""
        self._since.pop(connection, None)

    def _check_after(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._check, context=Context())  # not that of whoever came first

    def _check(self) -> None:
        assert self._seconds is not None
        self._timer = None
        latest, dropped = time.monotonic() - self._seconds, 0
        for connection, since in list(self._since.items()):
            if since > latest:
                self._check_after(since - latest)
                break
            connection.terminate()
            dropped += 1
        if dropped:
            _log.warning("No answer of Postgres within %g s; connections dropped: %d", self._seconds, dropped)

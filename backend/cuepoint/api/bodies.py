"""Large request bodies, read from the socket straight into the pieces that are written and hashed.

uvicorn hands a body on in what the socket gave at once, and copies each byte four times on the way: out of the loop's
buffer, out of the parser, into the body that is collected, and out of that. Whoever asks for `direct_body` takes the
place of the HTTP protocol at the connection until the end of this body, whose length is known, and copies none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, cast

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cuepoint.adapters.storage.base import Piece

PIECE_BYTES = 1 << 20  # a piece of 4 MiB would come from the system each time (processes/memory.py)
PIECES_AHEAD = 4  # read while nobody asks for the next one; so many are one write
LATE_SECONDS = 0.25  # what a slow sender has sent is handed on after so long: its progress is told, and kept
LARGE_BYTES = 1 << 18  # what uvicorn's loop reads at once; a smaller body is not worth the change
HEAD_BYTES = 1 << 16  # usual proxies take 8 to 32 KiB; the loop reads a quarter of a MiB more before it is counted
REQUESTS_AHEAD = 100  # that wait for the answers before theirs; browsers send none so, and each takes some KiB
METHODS = frozenset({"PATCH", "POST"})
_KEY = "cuepoint.direct_body"


def direct_body(scope: Scope) -> AsyncIterable[Piece] | None:
    """The body of a request, to be read once; None where it must be asked for piece by piece, as in any application.

    It ends where the connection breaks, with what arrived before.
    """
    opened: Callable[[], AsyncIterable[Piece]] | None = scope.get(_KEY)
    return None if opened is None else opened()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's own, with `direct_body` for requests that say how much they send, an end of what it keeps of a client,
    and word of its going to whatever is being answered."""

    _head_bytes = 0  # of a request whose head goes on
    _answered: RequestResponseCycle | None = None  # the oldest that is not over; uvicorn knows the newest

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        super().data_received(data)
        scope = cast(dict[str, Any] | None, self.scope)
        is_in_head = scope is not None and "method" not in scope
        self._head_bytes = self._head_bytes + len(data) if is_in_head else 0
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may have {HEAD_BYTES} bytes.")
        if len(self.pipeline) > REQUESTS_AHEAD:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """The request begins."""
        super().on_headers_complete()
        scope = cast(dict[str, Any], self.scope)
        if scope["method"] not in METHODS or self.cycle is None or self.cycle.scope is not self.scope:
            return  # as a WebSocket begins
        sizes = [value for name, value in self.headers if name in (b"content-length", b"transfer-encoding")]
        if len(sizes) == 1 and sizes[0].isdigit() and int(sizes[0]) >= LARGE_BYTES:
            cycle, size = self.cycle, int(sizes[0])
            scope[_KEY] = lambda: _DirectBody(self, cycle, size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever is being answered learns of it, also where another request waits behind it."""
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """Who reads from the connection now; how it reads is looked up only where reading begins."""
        self.flow.pause_reading()
        self.transport.set_protocol(protocol)
        self.flow.resume_reading()

    def take_back(self) -> None:
        """The body has been read past the parser, which would wait for it: a new one begins with the next request."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.cycle.more_body = False
        self.hand_over(self)


class _DirectBody(asyncio.BufferedProtocol):
    """The rest of one body. Reading pauses while enough is ready; what comes after the answer is dropped, as uvicorn
    does."""

    def __init__(self, http: HttpProtocol, cycle: RequestResponseCycle, size: int) -> None:
        self._http = http
        self._cycle = cycle
        self._left = size  # bytes that have yet to be read
        self._piece, self._filled = bytearray(), 0
        self._ready: deque[Piece] = deque()
        self._given_at = http.loop.time()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        """The pieces; nobody changes one that was given."""
        first = await self._cycle.receive()
        if first["type"] != "http.request":
            return
        self._left -= len(first["body"])
        if first["more_body"]:  # no other task has run since: it is what the parser has seen, and not a byte less
            self._http.hand_over(self)
        yield first["body"]
        event = self._cycle.message_event
        while first["more_body"]:
            if self._ready:
                yield self._ready.popleft()
            elif not self._left or self._cycle.disconnected or self._cycle.response_complete:
                return
            else:
                self._http.flow.resume_reading()
                await event.wait()
                event.clear()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # the protocol's argument
        """Where the next bytes go: never more than this body has."""
        if not self._piece:
            self._piece, self._filled = bytearray(min(PIECE_BYTES, self._left)), 0
        return memoryview(self._piece)[self._filled : self._filled + self._left]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        self._filled += nbytes
        self._left -= nbytes
        if self._cycle.response_complete:
            self._filled = 0
            self._ready.clear()
        elif self._filled == len(self._piece) or not self._left or self._is_late():
            self._give()
            if len(self._ready) >= PIECES_AHEAD:
                self._http.flow.pause_reading()
        if not self._left:
            self._http.take_back()

    def connection_lost(self, exc: Exception | None) -> None:
        """What came of the piece that was being filled is given, too."""
        self._give()
        self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        """See uvicorn's."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """See uvicorn's."""
        self._http.resume_writing()

    def _is_late(self) -> bool:
        return self._http.loop.time() - self._given_at > LATE_SECONDS

    def _give(self) -> None:
        if self._filled == len(self._piece):
            self._ready.append(self._piece)
            self._piece = bytearray()
        else:
            self._ready.append(bytes(memoryview(self._piece)[: self._filled]))
        self._filled, self._given_at = 0, self._http.loop.time()
        self._cycle.message_event.set()

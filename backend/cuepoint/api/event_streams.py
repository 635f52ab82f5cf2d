"""Many results over one HTTP response: server-sent events, and the two multipart protocols of Apollo.

Nothing here is compressed, cached or held back by a proxy. A quiet stream sends a heartbeat; one whose client stops
reading waits, and its subscription with it: what has been superseded meanwhile is never sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing, suppress
from typing import Any, Protocol

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cuepoint.api.streams import Ending, Stream, Transport
from cuepoint.errors import ErrorCode

# Below the shortest idle time of usual proxies (30 s); Apollo's own servers send one every five seconds.
EVENT_HEARTBEAT_SECONDS = 12.0
MULTIPART_HEARTBEAT_SECONDS = 5.0
# A client that takes nothing for so long is given up, like one that leaves a WebSocket's pings unanswered.
SEND_SECONDS = 40.0

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "Vary": "Accept, Authorization",
    "X-Content-Type-Options": "nosniff",
}
REVOKED = "The credential was revoked or has expired."
Bodies = AsyncGenerator[tuple[str, int | str | None], None]  # JSON, and the event's number or cursor


class Framing(Protocol):
    """How bodies are written one after the other. An empty text is not sent."""

    transport: Transport
    media_type: str
    heartbeat_seconds: float

    def first(self) -> str:
        """What comes before everything."""

    def result(self, body: str, event: int | str | None) -> str:
        """One body, and the number or cursor that a client may resume after."""

    def heartbeat(self) -> str:
        """Nothing new."""

    def refusal(self, errors: list[dict[str, Any]]) -> str:
        """The server ends the stream for these errors."""

    def last(self) -> str:
        """The end of a stream that is complete."""


class EventFraming:
    """The distinct-connections mode of graphql-sse, which EventSource reads too."""

    transport = Transport.EVENT_STREAM
    media_type = "text/event-stream; charset=utf-8"
    heartbeat_seconds = EVENT_HEARTBEAT_SECONDS

    def first(self) -> str:
        """A comment, so that the client knows at once that it is heard."""
        return ":\n\n"

    def result(self, body: str, event: int | str | None) -> str:
        """`next`, with an `id` where the subscription can be resumed after it."""
        number = "" if event is None else f"id: {event}\n"
        return f"{number}event: next\ndata: {body}\n\n"

    def heartbeat(self) -> str:
        """A comment."""
        return ":\n\n"

    def refusal(self, errors: list[dict[str, Any]]) -> str:
        """A result without data, then the end."""
        return self.result(_json({"errors": errors}), None) + self.last()

    def last(self) -> str:
        """EventSource takes no event without data."""
        return "event: complete\ndata: \n\n"


class MultipartFraming:
    """Apollo's multipart subscription protocol 1.0."""

    transport = Transport.MULTIPART
    media_type = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    heartbeat_seconds = MULTIPART_HEARTBEAT_SECONDS

    def first(self) -> str:
        """The boundary that every part ends with."""
        return "\r\n--graphql"

    def result(self, body: str, event: int | str | None) -> str:  # noqa: ARG002  # the protocol has no numbers
        """A part with the body as its payload."""
        return self._part(f'{{"payload":{body}}}')

    def heartbeat(self) -> str:
        """An empty object."""
        return self._part("{}")

    def refusal(self, errors: list[dict[str, Any]]) -> str:
        """Errors beside an empty payload concern the connection."""
        return self._part(_json({"payload": None, "errors": errors})) + self.last()

    def last(self) -> str:
        """The end of the last boundary."""
        return "--\r\n"

    def _part(self, body: str) -> str:
        return f"\r\nContent-Type: application/json\r\n\r\n{body}\r\n--graphql"


class IncrementFraming(MultipartFraming):
    """The pieces of one response with `@defer` or `@stream`."""

    def __init__(self, spec: str) -> None:
        self.media_type = f'multipart/mixed;boundary="graphql";{spec}'

    def result(self, body: str, event: int | str | None) -> str:  # noqa: ARG002
        """A part that is the body."""
        return self._part(body)

    def heartbeat(self) -> str:
        """None: the answer is on its way, and readers of pieces do not know empty ones."""
        return ""


class StreamResponse(Response):
    """Sends bodies as they come, until they end, the client goes, or the stream is ended from outside."""

    def __init__(self, stream: Stream, bodies: Bodies, framing: Framing, request_id: str, counted: ExitStack) -> None:
        super().__init__(headers=HEADERS, media_type=None)
        del self.headers["content-length"]
        self.headers["content-type"] = framing.media_type
        self._stream = stream
        self._bodies = bodies
        self._framing = framing
        self._request_id = request_id
        self._counted = counted  # closed at the end: the stream counts no more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Serve until the end."""
        with self._counted:
            await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        pump = asyncio.ensure_future(self._pump(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({pump, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, leaving):
                if not task.done():
                    task.cancel()
            await asyncio.gather(pump, leaving, return_exceptions=True)
        if not pump.cancelled():
            with suppress(TimeoutError, OSError):  # the client takes nothing any more
                pump.result()

    async def _pump(self, send: Send) -> None:
        async with aclosing(self._bodies):
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            await _send(send, self._framing.first())
            try:
                async with self._stream.until_ended():
                    await self._send_results(send)
            except TimeoutError:
                if self._stream.ending is None:
                    raise
                if self._stream.ending is Ending.REVOKED:  # a stop ends the stream midway: clients connect again
                    await _send(send, self._framing.refusal([self._revoked()]))
            else:
                await _send(send, self._framing.last())
            await _send(send, "", is_last=True)

    async def _send_results(self, send: Send) -> None:
        upcoming: asyncio.Future[Any] | None = None
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(anext(self._bodies, None))
                await asyncio.wait({upcoming}, timeout=self._framing.heartbeat_seconds)
                if not upcoming.done():
                    await _send(send, self._framing.heartbeat())
                    continue
                item, upcoming = upcoming.result(), None
                if item is None:
                    return
                await _send(send, self._framing.result(*item))
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)

    def _revoked(self) -> dict[str, Any]:
        extensions = {"code": ErrorCode.UNAUTHENTICATED.value, "requestId": self._request_id}
        return {"message": REVOKED, "extensions": extensions}


async def _send(send: Send, text: str, *, is_last: bool = False) -> None:
    if text or is_last:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": not is_last})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _json(body: dict[str, Any]) -> str:
    return orjson.dumps(body).decode()

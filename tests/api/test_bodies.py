"""Large bodies over real sockets, on both event loops: every byte, nothing of the next request, no more than fits."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import uvicorn
import uvloop
from blake3 import blake3

from cuepoint.api.bodies import LARGE_BYTES, PIECE_BYTES, HttpProtocol, direct_body
from cuepoint.db.session import Database
from cuepoint.features.uploads.models import UploadStatus
from tests.support.serve import Serving
from tests.support.tus import PIECE, make_sender
from tests.support.web import Web

DATA = random.Random(1).randbytes(3 * PIECE_BYTES + 4321)
WAIT_SECONDS = 10.0
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Taker:
    """An application that takes a body as its path says, and notes what it got."""

    pieces: list[bytes] = field(default_factory=list)
    is_direct: bool | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = direct_body(scope)
        if scope["path"] != "/ping":
            self.is_direct = body is not None
        if body is not None and scope["path"] != "/refuse":
            async for piece in body:
                self.pieces.append(bytes(piece))
                self.more.set()
                if scope["path"] == "/one":
                    break
                if scope["path"] == "/wait":
                    await self.go_on.wait()
        self.over.set()
        answer = scope["path"].encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


@dataclass
class Talk:
    """A connection to the application."""

    taker: Taker
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def head(self, path: str, *headers: str, size: int = len(DATA)) -> bytes:
        lines = [f"PATCH {path} HTTP/1.1", "Host: x", *(headers or [f"Content-Length: {size}"]), "", ""]
        return "\r\n".join(lines).encode()

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def answered(self, path: bytes) -> None:
        await self.reader.readuntil(b"\r\n\r\n")
        assert await self.reader.readexactly(len(path)) == path

    async def taken(self, size: int) -> None:
        while len(self.taker.body) < size:
            self.taker.more.clear()
            await self.taker.more.wait()


@asynccontextmanager
async def talking() -> AsyncIterator[Talk]:
    taker = Taker()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(taker, http=HttpProtocol, lifespan="off", log_config=None))
    running = asyncio.create_task(server._serve([listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield Talk(taker, reader, writer)
    finally:
        writer.close()
        server.should_exit = True
        await running


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def talk(request: pytest.FixtureRequest) -> Callable[[Callable[[Talk], Awaitable[None]]], None]:
    """Runs a conversation on a loop of its own."""

    async def held(story: Callable[[Talk], Awaitable[None]]) -> None:
        async with asyncio.timeout(WAIT_SECONDS), talking() as talk:
            await story(talk)

    def run(story: Callable[[Talk], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(held(story))

    return run


class TestDirectBody:
    def test_every_byte_comes_and_the_next_request_behind_it_is_answered(self, talk: Any) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(talk.head("/all") + DATA[:1000], DATA[1000:] + PING)

            await talk.answered(b"/all")
            await talk.answered(b"/ping")
            assert (talk.taker.is_direct, talk.taker.body == DATA) == (True, True)
            assert max(map(len, talk.taker.pieces)) == PIECE_BYTES

        talk(story)

    def test_so_it_does_for_two_bodies_on_one_connection(self, talk: Any) -> None:
        async def story(talk: Talk) -> None:
            for _ in range(2):
                await talk.send(talk.head("/all"), DATA)
                await talk.answered(b"/all")

            assert talk.taker.body == DATA * 2

        talk(story)

    def test_two_requests_sent_at_once_are_answered_in_turn(self, talk: Any) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(PING + talk.head("/all") + DATA + talk.head("/all") + DATA + PING)

            for path in (b"/ping", b"/all", b"/all", b"/ping"):
                await talk.answered(path)
            assert talk.taker.body == DATA * 2

        talk(story)

    @pytest.mark.parametrize("path", ["/refuse", "/one"])
    def test_what_nobody_reads_is_dropped_and_the_connection_stays(self, talk: Any, path: str) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(talk.head(path), DATA, PING)

            await talk.answered(path.encode())
            await talk.answered(b"/ping")
            assert DATA.startswith(talk.taker.body)

        talk(story)

    def test_a_connection_that_breaks_gives_what_arrived(self, talk: Any) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(talk.head("/all"), DATA[:2_000_000])
            await talk.taken(PIECE_BYTES)
            talk.writer.close()

            await talk.taker.over.wait()
            assert talk.taker.body == DATA[:2_000_000]

        talk(story)

    def test_a_slow_sender_need_not_fill_a_piece(self, talk: Any) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(talk.head("/all"), DATA[:1000])
            await talk.taken(1000)
            sent = 1000
            while len(talk.taker.body) == 1000:
                await talk.send(DATA[sent : sent + 1])
                sent += 1
                await asyncio.sleep(0.01)  # as slow as it is

            assert sent < PIECE_BYTES
            await talk.send(DATA[sent:])
            await talk.answered(b"/all")
            assert talk.taker.body == DATA

        talk(story)

    def test_a_sender_waits_for_an_application_that_does(self, talk: Any) -> None:
        size = 64 << 20

        async def story(talk: Talk) -> None:
            sending = asyncio.create_task(talk.send(talk.head("/wait", size=size), *[bytes(1 << 20)] * 64))
            await talk.taken(1)
            with pytest.raises(TimeoutError):  # 64 MiB are more than the kernel holds
                await asyncio.wait_for(asyncio.shield(sending), 0.3)
            talk.taker.go_on.set()

            await talk.answered(b"/wait")
            await sending
            assert len(talk.taker.body) == size

        talk(story)

    def test_a_sender_may_ask_first(self, talk: Any) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(talk.head("/all", f"Content-Length: {len(DATA)}", "Expect: 100-continue"))
            assert await talk.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

            await talk.send(DATA)
            await talk.answered(b"/all")
            assert talk.taker.body == DATA

        talk(story)

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (f"Content-Length: {LARGE_BYTES - 1}", bytes(LARGE_BYTES - 1)),
            ("Transfer-Encoding: chunked", b"%x\r\n" % LARGE_BYTES + bytes(LARGE_BYTES) + b"\r\n0\r\n\r\n"),
        ],
        ids=["small", "of unknown length"],
    )
    def test_other_bodies_come_as_ever(self, talk: Any, headers: str, body: bytes) -> None:
        async def story(talk: Talk) -> None:
            await talk.send(talk.head("/other", headers), body, PING)

            await talk.answered(b"/other")
            await talk.answered(b"/ping")
            assert talk.taker.is_direct is False

        talk(story)


class TestUploads:
    async def test_a_large_piece_over_a_socket_is_stored(self, served: Serving, web: Web, db: Database) -> None:
        sender = await make_sender(web, db)
        path = await sender.created(len(DATA))
        half = len(DATA) // 2

        async with httpx2.AsyncClient(base_url=f"http://{served.host}", trust_env=False) as client:
            for start, end in ((0, half), (half, len(DATA))):
                headers = {**PIECE, **sender.auth, "Upload-Offset": str(start)}
                response = await client.patch(path, content=DATA[start:end], headers=headers)
                assert (response.status_code, response.headers["upload-offset"]) == (204, str(end))

        row = await sender.row(path)
        assert (row.status, row.content_hash) == (UploadStatus.COMPLETE, blake3(DATA).hexdigest())

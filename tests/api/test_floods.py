"""Clients that read nothing, and clients that send what is worth nothing: they are given up, and fill no memory."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from cuepoint.api.event_streams import EventFraming
from tests.support.serve import Serving
from tests.support.sockets import PROTOCOL
from tests.support.web import Web

WAIT_SECONDS = 5.0
EVENTS = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/event-stream"


async def connected(served: Serving) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which nothing was sent."""
    host, _, port = served.host.partition(":")
    return await asyncio.open_connection(host, int(port), limit=1024)


async def raw_socket(served: Serving) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.WriteTransport]:
    """The client's end of a WebSocket that was accepted, and the server's."""
    reader, writer = await connected(served)
    head = "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    key = "Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ=="
    writer.write(f"{head}\r\n{key}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    [connection] = served.server.server_state.connections
    return reader, writer, connection.transport


def masked(first_byte: int, payload: bytes = b"") -> bytes:
    """A short frame as clients send it, with a mask that changes nothing."""
    return bytes((first_byte, 0x80 | len(payload), 0, 0, 0, 0)) + payload


class TestClientsThatReadNothing:
    @pytest.mark.parametrize("transport", ["WebSocket", "event stream"])
    async def test_are_given_up_and_leave_nothing_behind(
        self, served: Serving, web: Web, transport: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cuepoint.api.event_streams.SEND_SECONDS", 0.1)
        served.server.config.ws_ping_interval = served.server.config.ws_ping_timeout = 0.1
        served.server.linger_seconds = 0.2
        if transport == "WebSocket":
            _, writer, _ = await raw_socket(served)
            writer.write(masked(0x81, b'{"type": "connection_init"}'))
            writer.write(
                masked(0x81, b'{"id": "1", "type": "subscribe", "payload": {"query": "subscription { flood }"}}')
            )
        else:
            reader, writer = await connected(served)
            body = '{"query": "subscription { flood }"}'
            writer.write(f"{EVENTS}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        connections = served.server.server_state.connections
        async with asyncio.timeout(WAIT_SECONDS):
            while not web.gateway.streams.open:  # noqa: ASYNC110  # the server has no event for it
                await asyncio.sleep(0)
            while web.gateway.streams.open or connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        assert web.script.counts < 1000  # 64 kB each
        writer.close()


class TestFloods:
    async def test_pings_of_who_reads_nothing_are_answered_once(self, served: Serving) -> None:
        reader, writer, transport = await raw_socket(served)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(10):
            writer.write(masked(0x89, b"x" * 100) * 1000)
            await writer.drain()
        writer.write(masked(0x89, b"newest"))
        await writer.drain()
        async with asyncio.timeout(WAIT_SECONDS):
            before = -1
            while before != transport.get_write_buffer_size():
                before = transport.get_write_buffer_size()
                await asyncio.sleep(0.1)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = b""
        async with asyncio.timeout(WAIT_SECONDS):
            while b"newest" not in heard:
                heard += await reader.read(1 << 16)
        writer.close()

        assert 0 < before < 450_000  # of a MB: what one look at the socket brought, beside what it waits for

    async def test_pieces_of_nothing_are_not_kept(self, served: Serving) -> None:
        reader, writer, _ = await raw_socket(served)
        [connection] = served.server.server_state.connections
        writer.write(masked(0x01) + masked(0x00) * 10_000 + masked(0x89))
        await writer.drain()
        async with asyncio.timeout(WAIT_SECONDS):
            await reader.readuntil(b"\x8a\x00")
        writer.close()

        assert len(connection.frames) < 10

    @pytest.mark.parametrize("count", [1, 1000])
    async def test_requests_that_wait_behind_a_stream_are_few_and_do_not_outlive_it(
        self, served: Serving, web: Web, count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(EventFraming, "heartbeat_seconds", 0.05)  # a line that is not read breaks by what is sent
        reader, writer = await connected(served)
        body = '{"query": "subscription { hang }"}'
        writer.write(f"{EVENTS}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await reader.readuntil(b"event: next")
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * count)
        await writer.drain()
        async with asyncio.timeout(WAIT_SECONDS):
            if count == 1:
                writer.close()
            else:
                with suppress(ConnectionResetError):
                    await reader.read()
            await web.script.ended.wait()
            while web.gateway.streams.open:  # noqa: ASYNC110  # the server has no event for it
                await asyncio.sleep(0.01)
        writer.close()

        assert served.server.server_state.connections == set()

    async def test_a_head_ends(self, served: Serving) -> None:
        reader, writer = await connected(served)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        for _ in range(100):
            writer.write(b"X-Long: " + b"x" * 8000 + b"\r\n")
        async with asyncio.timeout(WAIT_SECONDS):
            with suppress(ConnectionResetError):
                await writer.drain()
                answer = await reader.readline()
        writer.close()

        assert answer == b"HTTP/1.1 400 Bad Request\r\n"

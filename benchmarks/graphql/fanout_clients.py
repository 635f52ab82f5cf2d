"""A process of a thousand WebSocket clients that do next to nothing: they note when a frame came, and read it later.

It is told what to do by lines on its standard input, and answers each with a line of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import socket
import struct
import sys
import time
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import uvloop

AT_A_TIME = 50
RECEIVE_BUFFER = 65_536  # of those that will stall: what they do not read is soon the server's
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class Client(asyncio.Protocol):
    """One connection with one subscription."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        self.topic = number % len(plan["topics"])
        self.begun = asyncio.get_running_loop().create_future()
        self.received: list[tuple[float, bytes]] = []
        self.closed: tuple[float, int] | None = None
        self.transport: asyncio.Transport | None = None
        self._plan = plan
        self._rest = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the protocol."""
        self.transport = cast(asyncio.Transport, transport)
        address = urlsplit(self._plan["url"])
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {address.path} HTTP/1.1",
            f"Host: {address.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """Note each frame."""
        now = time.monotonic()
        data = self._rest + data
        if not self._is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            assert b" 101 " in head, head
            self._is_open = True
            self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {self._plan['token']}"}})
            variables = {"id": self._plan["topics"][self.topic]}
            self.send(
                {"id": "1", "type": "subscribe", "payload": {"query": self._plan["query"], "variables": variables}}
            )
        at = 0
        while (frame := _frame(data, at)) is not None:
            kind, begin, at = frame
            self._take(now, kind, data[begin:at])
        self._rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Without a close frame it is 1006."""
        if self.closed is None:
            self.closed = (time.monotonic(), 1006)

    def send(self, message: object) -> None:
        """A text frame."""
        assert self.transport is not None
        self.transport.write(_masked(TEXT, orjson.dumps(message)))

    def _take(self, now: float, kind: int, payload: bytes) -> None:
        if kind == TEXT:
            self.received.append((now, payload))
            if not self.begun.done() and len(self.received) > 1:
                self.begun.set_result(None)  # behind the acknowledgement: the snapshot
        elif kind == PING:
            assert self.transport is not None
            self.transport.write(_masked(PONG, payload))
        elif kind == CLOSE and self.closed is None:
            self.closed = (now, struct.unpack("!H", payload[:2])[0])


class Crowd:
    """All of them."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self.clients: list[Client] = []

    async def connect(self) -> dict[str, Any]:
        """Subscribe, and wait for each one's snapshot."""
        gate = asyncio.Semaphore(AT_A_TIME)
        self.clients = [Client(number, self._plan) for number in range(self._plan["subscribers"])]
        await asyncio.gather(*[self._open(client, number, gate) for number, client in enumerate(self.clients)])
        return {"connected": len(self.clients)}

    async def _open(self, client: Client, number: int, gate: asyncio.Semaphore) -> None:
        address = urlsplit(self._plan["url"])
        async with gate:
            connection = socket.socket()
            connection.setblocking(False)
            if number < self._plan["stalled"] * len(self._plan["topics"]) and client.topic == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, (address.hostname, address.port))
            await loop.create_connection(lambda: client, sock=connection)
            await asyncio.wait_for(client.begun, 60)

    def stalled(self) -> list[Client]:
        """The first of the first topic."""
        return [client for client in self.clients if client.topic == 0][: self._plan["stalled"]]

    def take(self) -> dict[str, Any]:
        """What has come since the last time: for each client [seconds, number of the event, whether progress]."""
        heard = []
        for client in self.clients:
            received, client.received = client.received, []
            heard.append([_read(now, payload) for now, payload in received])
        return {"heard": heard}

    async def closed(self) -> dict[str, Any]:
        """When and how each connection was closed."""
        deadline = time.monotonic() + 10
        while any(client.closed is None for client in self.clients) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return {"closed": [client.closed or (deadline, 0) for client in self.clients]}

    async def do(self, word: str) -> dict[str, Any]:
        """One command."""
        if word == "connect":
            return await self.connect()
        if word == "take":
            return self.take()
        if word == "closed":
            return await self.closed()
        for client in self.stalled():
            assert client.transport is not None
            getattr(client.transport, {"stall": "pause_reading", "resume": "resume_reading"}[word])()
        return {word: len(self.stalled())}


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, begin and end of the payload of a frame of a server; None while it is not all there."""
    if len(data) < at + 2:
        return None
    kind, size, begin = data[at] & 0x0F, data[at + 1], at + 2
    if size == 126:
        size, begin = (struct.unpack_from("!H", data, begin)[0] if len(data) >= begin + 2 else 1 << 40), begin + 2
    elif size == 127:
        size, begin = (struct.unpack_from("!Q", data, begin)[0] if len(data) >= begin + 8 else 1 << 40), begin + 8
    return (kind, begin, begin + size) if len(data) >= begin + size else None


def _masked(kind: int, payload: bytes) -> bytes:
    """A frame of a client, with the mask 0."""
    size = len(payload)
    head = bytes([0x80 | kind, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x80 | kind, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def _read(now: float, payload: bytes) -> list[Any]:
    message = orjson.loads(payload)
    if message["type"] != "next":
        return [now, -1, message["type"]]
    [update] = message["payload"]["data"].values()
    return [now, update["seq"], update["type"]]


async def _serve(plan: dict[str, Any]) -> None:
    crowd = Crowd(plan)
    loop = asyncio.get_running_loop()
    while word := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        answer = await crowd.do(word)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    gc.disable()  # a pause here would count as a delay of the server
    uvloop.run(_serve(json.loads(sys.argv[1])))

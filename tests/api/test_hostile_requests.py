"""Hostile requests: each refused with the right status at once, none with a 5xx, and at next to no cost.

The cost is counted in calls of Python functions, which no other load on the machine can change.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support.calls import Calls
from tests.support.hostile_requests import HOSTILE, mutations, send
from tests.support.serve import Serving
from tests.support.sockets import accept, open_socket
from tests.support.web import Web

SUBPROTOCOL = Subprotocol("graphql-transport-ws")
# About 5 ms on a machine of 2020; benchmarks/refusals.py measures the time. Those for values are shorter.
MOST_CALLS = 30_000
DEARER = {
    "variables: 600 keyframes, the last one wrong": 66_000,
    "135 objects beside a wrong field": 44_000,
    "135 objects, the last one wrong": 44_000,
    "1,200 tokens, the last one wrong": 42_000,
    "misspelt input fields": 40_000,
    "150 variables": 36_000,
    "unused fragments": 33_000,
    "300 fragments without fields": 33_000,
    "600 arguments": 33_000,
}


class TestRefusals:
    async def test_status_code_and_cost(self, product: Starlette) -> None:
        found, calls = {}, {}
        for hostile in HOSTILE:
            with Calls() as counted:
                status, body = await send(product, hostile.body, hostile.headers)
            error = json.loads(body)["errors"][0]
            assert error["extensions"]["requestId"]
            assert "Traceback" not in error["message"]
            found[hostile.name] = (status, error["extensions"]["code"])
            calls[hostile.name] = counted.count

        assert found == {hostile.name: (hostile.status, hostile.code) for hostile in HOSTILE}
        assert {name: count for name, count in calls.items() if count > DEARER.get(name, MOST_CALLS)} == {}

    async def test_none_leaves_anything_behind(self, product: Starlette) -> None:
        async def refuse_all() -> int:
            for hostile in HOSTILE:
                await send(product, hostile.body, hostile.headers)
            gc.collect()
            return sum(str(type(one).__module__).startswith(("graphql", "cuepoint")) for one in gc.get_objects())

        before = await refuse_all()

        assert await refuse_all() == before

    async def test_a_body_that_never_ends_is_read_up_to_the_limit(self, product: Starlette) -> None:
        read = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 65_536
                yield b" " * 65_536

        status, _ = await send(product, endless(), {})

        assert (status, read) == (413, 1024 * 1024 + 65_536)

    async def test_a_mutation_by_get_does_not_run(self, product: Starlette) -> None:
        query = "query=mutation{logoutAll{errors{code}}}"

        status, _ = await send(product, b"", {}, method="GET", query=query)

        assert status == 405


# No JSON, or two requests in one.
NO_MESSAGE = {
    "nothing",
    "NaN",
    "20,000 nested arrays",
    "a key twice",
    "a lone surrogate",
    "variables: 20,000 nested arrays",
    "variables: NaN",
    "variables: Infinity",
    "variables: one twice",
}


class TestOverASocket:
    """Text frames are UTF-8 and have no headers; size is the business of test_graphql_ws."""

    async def test_what_is_refused_by_http_is_refused_here_at_no_more_cost(self, product: Starlette) -> None:
        asked = [one for one in HOSTILE if one.status == 400 and one.body.isascii()]
        found, calls = {}, {}
        for hostile in asked:
            async with open_socket(product) as socket:
                await accept(socket)
                await socket.init()
                with Calls() as counted:
                    await socket.send('{"id": "1", "type": "subscribe", "payload": ' + hostile.body.decode() + "}")
                    answer = await socket.raw()
            calls[hostile.name] = counted.count
            message = json.loads(answer.get("text", "{}"))
            found[hostile.name] = answer.get("code") or message["payload"][0]["extensions"]["code"]

        assert found == {one.name: 4400 if one.name in NO_MESSAGE else one.code for one in asked}
        assert {name: count for name, count in calls.items() if count > DEARER.get(name, MOST_CALLS)} == {}


class TestFuzzing:
    @pytest.mark.parametrize("seed", range(4))
    async def test_nothing_is_answered_with_a_5xx(self, product: Starlette, seed: int) -> None:
        statuses = set()
        for body, headers, method, query in mutations(seed, 250):
            status, answer = await send(product, body, headers, method=method, query=query)
            statuses.add(status)
            assert status < 500, (body, headers, method, query, answer)

        assert {200, 400, 405, 406, 415} <= statuses


class TestSlowClients:
    async def test_one_that_never_reads_holds_its_own_stream_only(self, served: Serving, web: Web) -> None:
        host, _, port = served.host.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = b'{"query": "subscription { flood }"}'
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: {served.host}\r\nContent-Type: application/json\r\n"
            f"Accept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]

        sent = await self.sent_in_the_end(web)
        status, _ = await send(web.app, b'{"query": "{ baseUrl }"}', {})
        writer.close()

        assert 0 < sent < 1000  # 64 kB each: what the buffers of the two kernels take
        assert status == 200

    async def test_so_does_one_on_a_socket(self, served: Serving, web: Web) -> None:
        async with connect(served.ws_url, subprotocols=[SUBPROTOCOL], proxy=None, max_queue=1) as socket:
            await socket.send('{"type": "connection_init"}')
            await socket.recv()
            await socket.send('{"id": "1", "type": "subscribe", "payload": {"query": "subscription { flood }"}}')

            sent = await self.sent_in_the_end(web)
            status, _ = await send(web.app, b'{"query": "{ baseUrl }"}', {})
            socket.transport.abort()

        assert 0 < sent < 1000
        assert status == 200

    async def sent_in_the_end(self, web: Web) -> int:
        """How much was sent when nothing more could be."""
        sent = -1
        async with asyncio.timeout(10):
            while sent != web.script.counts:
                sent = web.script.counts
                await asyncio.sleep(0.2)
        return sent

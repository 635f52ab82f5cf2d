"""Feeds over broken connections: where the client goes on, and when it gives up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from cuepoint.client import CuepointClient, GraphQLFailure, watch_project

Script = list[list[dict[str, Any]]]
BREAK = {"type": "break"}
FORBID = {"type": "forbid"}
COMPLETE = {"type": "complete", "id": "1"}


def update(cursor: str) -> dict[str, Any]:
    return {"type": "next", "id": "1", "payload": {"data": {"projectEvents": {"cursor": cursor}}}}


def refusal(code: str) -> dict[str, Any]:
    return {"type": "error", "id": "1", "payload": [{"message": "no", "extensions": {"code": code}}]}


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[tuple[CuepointClient, list[str | None]]]:
    """A client, and the `after` of each subscription; every connection gets the next part of the script."""
    asked: list[str | None] = []

    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"type": "connection_ack"}')
        asked.append(orjson.loads(await socket.recv())["payload"]["variables"]["after"])
        for message in script.pop(0):
            if message is BREAK:
                socket.transport.abort()
                return
            if message is FORBID:
                await socket.close(4403, "over")
                return
            await socket.send(orjson.dumps(message).decode())

    async with serve(answer, "127.0.0.1", 0, subprotocols=[Subprotocol("graphql-transport-ws")]) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        async with CuepointClient(f"http://127.0.0.1:{port}", "token") as client:
            yield client, asked


class TestWatchProject:
    async def test_goes_on_behind_the_last_update(self) -> None:
        script: Script = [[update("a"), update("b"), BREAK], [BREAK], [update("c"), COMPLETE], [update("d")]]
        seen: list[str] = []
        async with server(script) as (client, asked), aclosing(watch_project(client, "project_1")) as updates:
            async for one in updates:
                seen.append(one["cursor"])
                if len(seen) == 4:
                    break

        assert seen == ["a", "b", "c", "d"]
        assert asked == [None, "b", "b", "c"]

    async def test_begins_where_it_is_told(self) -> None:
        async with (
            server([[update("z")]]) as (client, asked),
            aclosing(watch_project(client, "project_1", after="y")) as updates,
        ):
            await anext(updates)

        assert asked == ["y"]

    @pytest.mark.parametrize("fault", ["INTERNAL", "DATABASE_UNAVAILABLE"])
    async def test_a_fault_of_the_server_is_tried_again_and_a_refusal_is_not(self, fault: str) -> None:
        script: Script = [[refusal(fault)], [update("a"), refusal("NOT_FOUND")]]
        async with server(script) as (client, asked), aclosing(watch_project(client, "project_1")) as updates:
            assert (await anext(updates))["cursor"] == "a"
            with pytest.raises(GraphQLFailure) as refused:
                await anext(updates)

        assert refused.value.codes == ("NOT_FOUND",)
        assert asked == [None, None]

    async def test_a_credential_that_is_refused_is_not_tried_again(self) -> None:
        async with server([[FORBID], [update("a")]]) as (client, asked):
            with pytest.raises(GraphQLFailure, match="over") as refused:
                await anext(watch_project(client, "project_1"))

        assert refused.value.codes == ("UNAUTHENTICATED",)
        assert asked == [None]

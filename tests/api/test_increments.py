"""`@defer` and `@stream`: in pieces for clients that take them, in both forms; at once for all others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.test_event_streams import EVENTS, events_of, parts_of
from tests.support.sockets import accept, open_socket
from tests.support.tiny_schema import SECRET
from tests.support.web import Web

BY_ID = {"Accept": "multipart/mixed;incrementalSpec=v0.2,application/json;q=0.9"}
BY_PATH = {"Accept": "multipart/mixed;deferSpec=20220824,application/json;q=0.9"}
DEFER = '{ things(first: 1) { nodes { number ... @defer(label: "more") { name count } } } }'
STREAM = "{ things(first: 2) { nodes @stream(initialCount: 1) { number } } }"
FAILING = '{ echo(text: "x") ... @defer { fail(how: "bug") } }'


async def ask(web: Web, query: str, headers: dict[str, str]) -> Any:
    """The response."""
    return await web.client.post("/graphql", json={"query": query}, headers=headers)


class TestById:
    async def test_a_deferred_fragment_follows(self, web: Web) -> None:
        response = await ask(web, DEFER, BY_ID)

        path = ["things", "nodes", 0]
        assert response.headers["content-type"] == 'multipart/mixed;boundary="graphql";incrementalSpec=v0.2'
        assert parts_of(response) == [
            {
                "data": {"things": {"nodes": [{"number": 1}]}},
                "pending": [{"id": "0", "path": path, "label": "more"}],
                "hasNext": True,
            },
            {
                "incremental": [{"id": "0", "data": {"name": None, "count": 10}}],
                "completed": [{"id": "0"}],
                "hasNext": False,
            },
        ]

    async def test_streamed_items_follow(self, web: Web) -> None:
        first, *rest = parts_of(await ask(web, STREAM, BY_ID))

        items = [item for part in rest for piece in part.get("incremental", ()) for item in piece["items"]]
        assert first["data"] == {"things": {"nodes": [{"number": 1}]}}
        assert items == [{"number": 2}]

    async def test_a_bug_in_a_piece_is_masked(self, web: Web, caplog: pytest.LogCaptureFixture) -> None:
        response = await ask(web, FAILING, BY_ID)

        (piece,) = parts_of(response)[1]["incremental"]
        assert SECRET not in response.text
        assert piece["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert piece["errors"][0]["extensions"]["requestId"] == response.headers["x-request-id"]
        assert SECRET in caplog.text


class TestByPath:
    async def test_a_deferred_fragment_follows(self, web: Web) -> None:
        response = await ask(web, DEFER, BY_PATH)

        path = ["things", "nodes", 0]
        assert response.headers["content-type"] == 'multipart/mixed;boundary="graphql";deferSpec=20220824'
        assert parts_of(response) == [
            {"data": {"things": {"nodes": [{"number": 1}]}}, "hasNext": True},
            {
                "incremental": [{"data": {"name": None, "count": 10}, "path": path, "label": "more"}],
                "hasNext": False,
            },
        ]


class TestAtOnce:
    @pytest.mark.parametrize("query", [DEFER, STREAM])
    async def test_a_client_that_takes_no_pieces_gets_the_whole(self, web: Web, query: str) -> None:
        plain = query.replace('... @defer(label: "more") { name count }', "name count").replace(
            "@stream(initialCount: 1)", ""
        )

        whole, expected = await ask(web, query, {}), await ask(web, plain, {})

        assert whole.json()["data"] == expected.json()["data"]

    async def test_event_streams_and_sockets_get_the_whole(self, web: Web) -> None:
        events = events_of((await ask(web, DEFER, EVENTS)).text)
        async with open_socket(web.app) as socket:
            await accept(socket)
            await socket.init()
            await socket.subscribe(DEFER)
            message = await socket.next()

        whole = {"data": {"things": {"nodes": [{"number": 1, "name": None, "count": 10}]}}}
        assert json.loads(events[0]["data"]) == whole
        assert message["payload"] == whole

    async def test_a_query_without_them_is_plain_json(self, web: Web) -> None:
        response = await ask(web, '{ echo(text: "@defer") }', BY_ID)

        assert response.json()["data"] == {"echo": "@defer"}

    async def test_a_wrong_use_is_refused(self, web: Web) -> None:
        response = await ask(web, '{ ... @defer(label: "a") { me } ... @defer(label: "a") { me } }', BY_ID)

        assert "data" not in response.json()

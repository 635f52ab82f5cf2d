"""graphql-transport-ws: its messages, its close codes, hostile frames, credentials and origins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.websockets import WebSocket

from cuepoint.api.graphql_ws import MAX_OPERATIONS, serve_websocket
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.users import service as users
from tests.support.sockets import PROTOCOL, Socket, accept, open_socket
from tests.support.tiny_schema import SECRET
from tests.support.web import Web, bearer, make_token, running_web


@pytest.fixture
async def socket(web: Web) -> AsyncIterator[Socket]:
    """An accepted connection, before connection_init."""
    async with open_socket(web.app) as opened:
        await accept(opened)
        yield opened


class TestHandshake:
    async def test_the_protocol_is_agreed_on(self, web: Web) -> None:
        async with open_socket(web.app, protocols=["graphql-ws", PROTOCOL]) as socket:
            assert (await accept(socket))["subprotocol"] == PROTOCOL

    async def test_another_protocol_closes_with_4406(self, web: Web) -> None:
        async with open_socket(web.app, protocols=["graphql-ws"]) as socket:
            await accept(socket)
            assert await socket.closed() == 4406

    @pytest.mark.parametrize("origin", ["http://testserver", "https://app.example.org", "HTTPS://APP.example.org:443"])
    async def test_own_and_listed_origins_may_connect(self, settings: Settings, db: Database, origin: str) -> None:
        listed = settings.model_copy(update={"cors_origins": ("https://app.example.org",)})
        async with running_web(listed, db) as web, open_socket(web.app, headers={"Origin": origin}) as socket:
            assert (await accept(socket))["type"] == "websocket.accept"

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "http://testserver:81",
            "http://testserver.evil.example",
            "https://app.example.org:444",
            "http://[",
        ],
    )
    async def test_other_origins_are_refused_before_the_handshake(
        self, settings: Settings, db: Database, origin: str
    ) -> None:
        listed = settings.model_copy(update={"cors_origins": ("https://app.example.org",)})
        async with running_web(listed, db) as web, open_socket(web.app, headers={"Origin": origin}) as socket:
            assert await socket.closed() == 1008  # before the handshake: servers answer 403


class TestConnectionInit:
    @pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"other": 1}}])
    async def test_it_is_acknowledged(self, socket: Socket, payload: dict[str, Any]) -> None:
        await socket.send({"type": "connection_init", **payload})

        assert await socket.next() == {"type": "connection_ack"}

    async def test_a_second_one_closes_with_4429(self, socket: Socket) -> None:
        await socket.init()
        await socket.send({"type": "connection_init"})

        assert await socket.closed() == 4429

    @pytest.mark.parametrize("payload", ["x", 1, [1]])
    async def test_a_payload_of_another_type_closes_with_4400(self, socket: Socket, payload: Any) -> None:
        await socket.send({"type": "connection_init", "payload": payload})

        assert await socket.closed() == 4400

    async def test_silence_closes_with_4408(self, web: Web) -> None:
        async def impatient(scope: Any, receive: Any, send: Any) -> None:
            await serve_websocket(web.gateway, WebSocket(scope, receive, send), init_seconds=0.05)

        async with open_socket(impatient) as socket:
            await accept(socket)
            assert await socket.closed() == 4408

    async def test_a_subscribe_before_it_closes_with_4401(self, socket: Socket) -> None:
        await socket.subscribe("{ me }")

        assert await socket.closed() == 4401


class TestCredentials:
    @pytest.mark.parametrize("name", ["Authorization", "authorization"])
    async def test_the_payload_carries_the_token(self, web: Web, socket: Socket, db: Database, name: str) -> None:
        viewer, secret = await make_token(db)
        await socket.init({name: f"Bearer {secret}"})

        await socket.subscribe("subscription { mine }")

        assert await socket.next() == {"id": "1", "type": "next", "payload": {"data": {"mine": str(viewer.user_id)}}}
        assert await socket.next() == {"id": "1", "type": "complete"}

    async def test_the_handshake_may_carry_it(self, web: Web, db: Database) -> None:
        viewer, secret = await make_token(db)
        async with open_socket(web.app, headers=bearer(secret)) as socket:
            await accept(socket)
            await socket.init()
            await socket.subscribe("{ me }")

            assert (await socket.next())["payload"] == {"data": {"me": str(viewer.user_id)}}

    @pytest.mark.parametrize("token", ["Bearer cp_wrong", "cp_wrong", "Basic x"])
    async def test_a_wrong_token_closes_with_4403(self, socket: Socket, token: str) -> None:
        await socket.send({"type": "connection_init", "payload": {"Authorization": token}})

        assert await socket.closed() == 4403

    async def test_nobody_gets_an_error_for_what_is_private(self, socket: Socket) -> None:
        await socket.init({"Authorization": "Bearer "})
        await socket.subscribe("subscription { mine }")

        message = await socket.next()

        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    async def test_a_token_revoked_meanwhile_starts_nothing_more(self, socket: Socket, db: Database) -> None:
        viewer, secret = await make_token(db)
        await socket.init({"Authorization": f"Bearer {secret}"})
        assert viewer.api_key_id is not None
        async with db.write() as session:
            await users.revoke_api_key(session, viewer, viewer.api_key_id)

        await socket.subscribe('{ echo(text: "x") }')

        message = await socket.next()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")


class TestOperations:
    async def test_a_subscription_streams_and_completes(self, socket: Socket) -> None:
        await socket.init()
        await socket.subscribe("subscription($n: Int!) { countdown(start: $n) }", "a", {"n": 2})

        assert [await socket.next() for _ in range(3)] == [
            {"id": "a", "type": "next", "payload": {"data": {"countdown": 2}}},
            {"id": "a", "type": "next", "payload": {"data": {"countdown": 1}}},
            {"id": "a", "type": "complete"},
        ]

    async def test_queries_and_mutations_run_too(self, socket: Socket) -> None:
        await socket.init()
        await socket.subscribe('mutation { makeThing(input: {name: "x", at: 1}) { atSeconds } }')

        assert (await socket.next())["payload"] == {"data": {"makeThing": {"atSeconds": 1.0}}}
        assert (await socket.next())["type"] == "complete"

    @pytest.mark.parametrize("query", ["{", "{ nope }", "subscription { countdown }", "fragment F on Query { me }"])
    async def test_what_cannot_run_gets_an_error_and_the_socket_lives(self, socket: Socket, query: str) -> None:
        await socket.init()
        await socket.subscribe(query)
        message = await socket.next()
        await socket.subscribe('{ echo(text: "still here") }')

        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert (await socket.next())["payload"] == {"data": {"echo": "still here"}}

    @pytest.mark.parametrize(
        "payload",
        [
            None,
            1,
            "x",
            [],
            {},
            {"query": 1},
            {"query": "{ me }", "variables": []},
            {"query": "{ me }", "operationName": 1},
        ],
    )
    async def test_a_payload_of_another_shape_gets_an_error(self, socket: Socket, payload: Any) -> None:
        await socket.init()
        await socket.send({"id": "1", "type": "subscribe", "payload": payload})

        message = await socket.next()

        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"

    async def test_a_bug_in_a_stream_is_masked(self, socket: Socket, caplog: pytest.LogCaptureFixture) -> None:
        await socket.init()
        await socket.subscribe("subscription { breakOff }")

        messages = [await socket.next() for _ in range(3)]

        assert [m["type"] for m in messages] == ["next", "next", "complete"] or messages[1]["type"] == "error"
        assert SECRET not in str(messages)
        assert SECRET in caplog.text

    async def test_a_fault_of_ours_is_told_and_the_socket_lives(
        self, web: Web, socket: Socket, caplog: pytest.LogCaptureFixture
    ) -> None:
        await socket.init()
        object.__setattr__(web.gateway, "process", None)  # a bug in what an operation needs
        await socket.subscribe("{ baseUrl }")

        message = await socket.next()
        await socket.send({"type": "ping"})

        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == "INTERNAL"
        assert await socket.next() == {"type": "pong"}
        assert "AttributeError" in caplog.text

    async def test_complete_ends_the_operation_and_frees_its_id(self, web: Web, socket: Socket) -> None:
        await socket.init()
        await socket.subscribe("subscription { hang }")
        assert (await socket.next())["payload"] == {"data": {"hang": 1}}

        await socket.send({"id": "1", "type": "complete"})
        await asyncio.wait_for(web.script.ended.wait(), 5)
        await socket.subscribe("subscription { countdown(start: 1) }")

        assert (await socket.next())["payload"] == {"data": {"countdown": 1}}

    async def test_hanging_up_ends_all_operations(self, web: Web) -> None:
        async with open_socket(web.app) as socket:
            await accept(socket)
            await socket.init()
            await socket.subscribe("subscription { hang }")
            await socket.next()

        assert web.script.ended.is_set()

    async def test_a_used_id_closes_with_4409(self, socket: Socket) -> None:
        await socket.init()
        await socket.subscribe("subscription { hang }")
        await socket.next()
        await socket.subscribe("subscription { hang }")

        assert await socket.closed() == 4409

    async def test_an_id_may_be_used_again_after_its_end(self, socket: Socket) -> None:
        await socket.init()
        for _ in range(2):
            await socket.subscribe("subscription { countdown(start: 1) }")
            assert [(await socket.next())["type"] for _ in range(2)] == ["next", "complete"]

    async def test_operations_of_a_connection_are_limited(self, socket: Socket) -> None:
        await socket.init()
        for number in range(MAX_OPERATIONS):
            await socket.subscribe("subscription { hang }", str(number))
            await socket.next()

        await socket.subscribe("subscription { hang }", "more")

        message = await socket.next()
        assert (message["id"], message["type"]) == ("more", "error")
        assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


class TestPing:
    async def test_a_ping_is_answered_at_any_time(self, socket: Socket) -> None:
        await socket.send({"type": "ping", "payload": {"n": 1}})
        assert await socket.next() == {"type": "pong", "payload": {"n": 1}}

        await socket.init()
        await socket.send({"type": "pong"})
        await socket.send({"type": "ping"})
        assert await socket.next() == {"type": "pong"}


class TestHostileFrames:
    @pytest.mark.parametrize(
        "frame",
        [
            "",
            "{",
            "[]",
            "7",
            "null",
            '"x"',
            "{}",
            '{"type": 1}',
            '{"type": "nonsense"}',
            '{"type": "subscribe"}',
            '{"type": "complete"}',
            '{"type": "subscribe", "id": 1}',
            '{"type": "subscribe", "id": ""}',
            "[" * 100_000,
            b'{"type": "ping"}',
        ],
    )
    async def test_what_is_no_message_closes_with_4400(self, socket: Socket, frame: str | bytes) -> None:
        await socket.init()
        await socket.send(frame)

        assert await socket.closed() == 4400

    async def test_a_huge_message_closes_with_1009(self, socket: Socket) -> None:
        await socket.send('{"type": "ping", "x": "%s"}' % ("a" * 1024 * 1024))

        assert await socket.closed() == 1009

    async def test_a_long_type_fits_into_the_reason(self, socket: Socket) -> None:
        await socket.send({"type": "é" * 500})

        message = await socket.raw()
        assert (message["code"], len(message["reason"].encode()) <= 123) == (4400, True)

"""Subscriptions over HTTP: server-sent events and Apollo's multipart protocol, their heartbeats, ids and ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from cuepoint.api.event_streams import EventFraming, StreamResponse
from cuepoint.api.streams import Ending
from cuepoint.db.session import Database
from cuepoint.features.users import service as users
from tests.support.serve import Serving
from tests.support.tiny_schema import SECRET
from tests.support.web import Web, bearer, errors_of, make_token

EVENTS = {"Accept": "text/event-stream"}
MULTIPART = {"Accept": 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'}
COUNTDOWN = {"query": "subscription { countdown(start: 2) }"}


def events_of(text: str) -> list[dict[str, str]]:
    """The events of a stream with their fields; comments left out."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def parts_of(response: Any) -> list[Any]:
    """The JSON of each part of a multipart response."""
    text = response.text
    assert text.endswith("\r\n--graphql--\r\n")
    return [json.loads(part.split("\r\n\r\n", 1)[1]) for part in text.split("\r\n--graphql")[1:-1]]


class TestEvents:
    async def test_a_subscription_by_post(self, web: Web) -> None:
        response = await web.client.post("/graphql", json=COUNTDOWN, headers=EVENTS)

        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.text == (
            ":\n\n"
            'event: next\ndata: {"data":{"countdown":2}}\n\n'
            'event: next\ndata: {"data":{"countdown":1}}\n\n'
            "event: complete\ndata: \n\n"
        )

    async def test_and_by_get(self, web: Web) -> None:
        response = await web.client.get("/graphql", params=COUNTDOWN, headers=EVENTS)

        assert [event["event"] for event in events_of(response.text)] == ["next", "next", "complete"]

    async def test_queries_and_mutations_are_streams_of_one(self, web: Web) -> None:
        query = 'mutation { makeThing(input: {name: "x", at: 1}) { atSeconds } }'

        response = await web.client.post("/graphql", json={"query": query}, headers=EVENTS)

        (result, _) = events_of(response.text)
        assert json.loads(result["data"]) == {"data": {"makeThing": {"atSeconds": 1.0}}}

    async def test_a_client_that_takes_json_too_gets_json_for_a_query(self, web: Web) -> None:
        accept = {"Accept": "application/json, text/event-stream"}

        query = await web.client.post("/graphql", json={"query": '{ echo(text: "x") }'}, headers=accept)
        subscription = await web.client.post("/graphql", json=COUNTDOWN, headers=accept)

        assert query.json()["data"] == {"echo": "x"}
        assert subscription.headers["content-type"].startswith("text/event-stream")

    async def test_a_mutation_by_get_does_not_run(self, web: Web) -> None:
        query = 'mutation { makeThing(input: {name: "x"}) { atSeconds } }'

        response = await web.client.get("/graphql", params={"query": query}, headers=EVENTS)

        (result, _) = events_of(response.text)
        assert json.loads(result["data"])["errors"][0]["message"] == "mutations are not allowed"

    @pytest.mark.parametrize("query", ["{", "subscription { nope }"])
    async def test_what_cannot_run_is_a_result_with_errors(self, web: Web, query: str) -> None:
        response = await web.client.post("/graphql", json={"query": query}, headers=EVENTS)

        result, last = events_of(response.text)
        assert json.loads(result["data"])["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert last["event"] == "complete"

    async def test_a_bug_in_a_stream_is_masked(self, web: Web, caplog: pytest.LogCaptureFixture) -> None:
        response = await web.client.post("/graphql", json={"query": "subscription { breakOff }"}, headers=EVENTS)

        assert SECRET not in response.text
        assert "INTERNAL" in response.text
        assert SECRET in caplog.text

    async def test_refusals_of_the_request_keep_their_status(self, web: Web) -> None:
        no_body = await web.client.post("/graphql", json=[], headers=EVENTS)
        wrong_token = await web.client.post("/graphql", json=COUNTDOWN, headers=EVENTS | bearer("cp_wrong"))

        assert (no_body.status_code, errors_of(no_body)[0][0]) == (400, "BAD_USER_INPUT")
        assert (wrong_token.status_code, errors_of(wrong_token)[0][0]) == (401, "UNAUTHENTICATED")


NUMBERED = {"query": "subscription { numbered(after: 1) }"}


class TestResume:
    async def test_events_have_ids_once_they_may_be_resumed_after(self, web: Web) -> None:
        response = await web.client.post("/graphql", json=NUMBERED, headers=EVENTS)

        results = events_of(response.text)[:-1]
        assert [(event.get("id"), event["data"]) for event in results] == [
            (None, '{"data":{"numbered":0}}'),
            ("2", '{"data":{"numbered":2}}'),
            ("3", '{"data":{"numbered":3}}'),
        ]

    async def test_last_event_id_takes_the_place_of_after(self, web: Web) -> None:
        response = await web.client.get("/graphql", params=NUMBERED, headers=EVENTS | {"Last-Event-ID": "2"})

        assert [event.get("id") for event in events_of(response.text)[:-1]] == [None, "3"]

    @pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 10])
    async def test_any_other_id_is_400(self, web: Web, last: str) -> None:
        response = await web.client.post("/graphql", json=NUMBERED, headers=EVENTS | {"Last-Event-ID": last})

        assert (response.status_code, errors_of(response)[0][0]) == (400, "BAD_USER_INPUT")


class TestMultipart:
    async def test_a_subscription(self, web: Web) -> None:
        response = await web.client.post("/graphql", json=COUNTDOWN, headers=MULTIPART)

        assert response.headers["content-type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
        assert parts_of(response) == [{"payload": {"data": {"countdown": 2}}}, {"payload": {"data": {"countdown": 1}}}]

    async def test_a_query_is_plain_json(self, web: Web) -> None:
        response = await web.client.post("/graphql", json={"query": '{ echo(text: "x") }'}, headers=MULTIPART)

        assert response.headers["content-type"] == "application/json; charset=utf-8"

    async def test_a_wrong_subscription_is_plain_json(self, web: Web) -> None:
        response = await web.client.post("/graphql", json={"query": "subscription {"}, headers=MULTIPART)

        assert errors_of(response)[0][0] == "BAD_USER_INPUT"


class TestRevocation:
    @pytest.mark.parametrize("accept", [EVENTS, MULTIPART])
    async def test_a_revoked_key_ends_its_stream(
        self, served: Serving, web: Web, db: Database, accept: dict[str, str]
    ) -> None:
        web.gateway.streams._check_seconds = 0.02
        viewer, secret = await make_token(db)
        assert viewer.api_key_id is not None
        text = ""
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            body = {"query": "subscription { hang }"}
            async with client.stream("POST", served.http_url, json=body, headers=accept | bearer(secret)) as stream:
                async for piece in stream.aiter_text():
                    text += piece
                    if '{"hang":1}' in piece:
                        async with db.write() as session:
                            await users.revoke_api_key(session, viewer, viewer.api_key_id)

        assert text.count("UNAUTHENTICATED") == 1
        assert text.endswith("event: complete\ndata: \n\n" if accept is EVENTS else "--graphql--\r\n")
        assert web.script.ended.is_set()


class Quick(EventFraming):
    """With a heart that beats quickly."""

    heartbeat_seconds = 0.01


class TestHeartbeat:
    async def test_a_quiet_stream_beats_and_its_bodies_are_closed(self, web: Web) -> None:
        closed = asyncio.Event()

        async def silence() -> AsyncGenerator[tuple[dict[str, Any], int | None], None]:
            try:
                await asyncio.Event().wait()
                yield {}, None
            finally:
                closed.set()

        sent: list[bytes] = []

        async def send(message: Message) -> None:
            sent.append(message.get("body", b""))
            if sent.count(b":\n\n") == 4:
                stream.end(Ending.STOPPING)

        with web.gateway.streams.connection("1.2.3.4") as stream:
            response = StreamResponse(stream, silence(), Quick(), "r1", ExitStack())
            await asyncio.wait_for(response({}, asyncio.Event().wait, send), 5)  # type: ignore[arg-type]

        assert sent == [b"", *[b":\n\n"] * 4, b""]
        assert closed.is_set()


class TestEnd:
    async def test_is_not_waited_for_longer_than_anything_else(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cuepoint.api.event_streams.SEND_SECONDS", 0.05)

        async def nothing() -> AsyncGenerator[tuple[dict[str, Any], int | None], None]:
            return
            yield {}, None

        given_up: list[Message] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message["more_body"]:
                try:
                    await asyncio.Event().wait()
                finally:
                    given_up.append(message)

        with web.gateway.streams.connection("1.2.3.4") as stream:
            response = StreamResponse(stream, nothing(), EventFraming(), "r1", ExitStack())
            await asyncio.wait_for(response({}, asyncio.Event().wait, send), 5)  # type: ignore[arg-type]

        assert [message["more_body"] for message in given_up] == [False]

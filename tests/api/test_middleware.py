"""The access log: one line for each request, with what finds it again and without what must stay secret."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.sockets import accept, open_socket
from tests.support.web import Web, bearer, make_token, running_web


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The access lines so far, as dictionaries."""
    caplog.set_level(logging.DEBUG, "cuepoint.access")
    return lambda: [vars(record) for record in caplog.records if record.name == "cuepoint.access"]


class TestAccessLog:
    async def test_a_request_is_one_line(self, web: Web, lines: Any) -> None:
        response = await web.client.post("/graphql", json={"query": "{ baseUrl }"}, headers={"X-Request-Id": "abc"})

        (line,) = lines()
        assert (line["method"], line["path"], line["status"]) == ("POST", "/graphql", 200)
        assert line["sent_bytes"] == len(response.content)
        assert line["duration_ms"] > 0
        assert line["levelno"] == logging.INFO

    async def test_no_secret_is_in_it(self, web: Web, db: Database, lines: Any) -> None:
        _, secret = await make_token(db)

        await web.client.get("/media/clips/x?expires=1&signature=s3cr3t", headers=bearer(secret))

        text = str(lines())
        assert "/media/clips/x" in text
        assert "s3cr3t" not in text
        assert secret not in text

    async def test_health_is_asked_quietly(self, web: Web, lines: Any) -> None:
        await web.client.get("/livez")

        assert [line["levelno"] for line in lines()] == [logging.DEBUG]

    async def test_a_socket_is_one_line(self, web: Web, lines: Any) -> None:
        async with open_socket(web.app) as socket:
            accepted = await accept(socket)
            await socket.init()

        (line,) = lines()
        assert (line["method"], line["status"]) == ("WEBSOCKET", 101)
        assert b"x-request-id" in dict(accepted["headers"])

    async def test_a_trusted_proxy_tells_who_called(self, settings: Settings, db: Database, lines: Any) -> None:
        trusting = settings.model_copy(update={"trusted_proxies": ("127.0.0.1", "10.0.0.0/8")})
        async with running_web(trusting, db) as web:
            # The first entry is the caller's own claim; the last two are proxies of ours.
            chain = "6.6.6.6, 203.0.113.9, 10.0.0.2"
            await web.client.get("/nowhere", headers={"X-Forwarded-For": chain})

        assert lines()[0]["client"] == "203.0.113.9"


class TestUnknownPaths:
    async def test_they_answer_in_the_common_shape(self, web: Web) -> None:
        response = await web.client.get("/nowhere")

        (error,) = response.json()["errors"]
        assert response.status_code == 404
        assert error["extensions"] == {"code": "NOT_FOUND", "requestId": response.headers["x-request-id"]}

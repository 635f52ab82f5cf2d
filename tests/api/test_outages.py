"""While Postgres is away: every way in answers what happened and what to do, and the log says it once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from cuepoint.api.app import create_app
from cuepoint.api.process import READ_SECONDS
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.connecting import Deadline
from cuepoint.db.session import Database, create_engine
from cuepoint.graphql.scalars import encode_id
from tests.support.database import Door
from tests.support.relay import Relay
from tests.support.sockets import accept, open_socket
from tests.support.web import BASE, bearer, make_token

AWAY = {"code": "DATABASE_UNAVAILABLE", "retryAfterSeconds": 2.0}
PROJECTS = "{ projects { nodes { id } } }"
NONE: Any = {"projects": {"nodes": []}}
CREATE = 'mutation { createProject(input: {name: "A"}) { project { id } errors { code } } }'


@dataclass
class Product:
    """The whole application, with the token of somebody whom it knows by now."""

    app: Starlette
    client: httpx2.AsyncClient
    token: str

    async def ask(self, query: str, **headers: str) -> Any:
        """The answer to somebody who is known."""
        return await self.client.post("/graphql", json={"query": query}, headers=bearer(self.token) | headers)


@asynccontextmanager
async def running(settings: Settings, url: str) -> AsyncIterator[Product]:
    """The application on that database."""
    db = Database(create_engine(url))
    _, token = await make_token(db)
    await db.close()
    app = create_app(settings.model_copy(update={"database_url": SecretStr(url)}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE, trust_env=False) as client:
            made = Product(app, client, token)
            for _ in range(2):  # the first use of a key is noted, and the key looked up again
                assert (await made.ask(PROJECTS)).json()["data"] == NONE
            yield made


@pytest.fixture
async def product(settings: Settings, door: Door) -> AsyncIterator[Product]:
    async with running(settings, door.url) as made:
        yield made


def told(body: Any) -> list[dict[str, Any]]:
    """What the errors say, without the request's id."""
    return [{k: v for k, v in error["extensions"].items() if k != "requestId"} for error in body["errors"]]


class TestWhileItIsAway:
    async def test_who_is_known_is_told_so_and_the_log_once(
        self, product: Product, door: Door, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "cuepoint")
        watch = f'subscription {{ jobProgress(jobId: "{encode_id("Job", uuid7())}") {{ seq }} }}'
        await door.shut()

        stream = (await product.ask(watch, Accept="text/event-stream")).text
        for operation in (PROJECTS, PROJECTS, CREATE):
            answer = await product.ask(operation)
            assert (answer.status_code, answer.json()["data"], told(answer.json())) == (200, None, [AWAY])
            assert "Send the request again" in answer.json()["errors"][0]["message"]
        door.open()
        back = await product.ask(PROJECTS)

        assert '"code":"DATABASE_UNAVAILABLE","retryAfterSeconds":2.0' in stream
        assert back.json()["data"] == NONE
        lines = [(one.levelname, one.message.partition(",")[0], one.exc_info) for one in caplog.records]
        assert [line for line in lines if line[0] != "INFO" or "Postgres" in line[1]] == [
            ("WARNING", "Postgres is away", None),
            ("INFO", "Postgres is back", None),
        ]
        assert "SELECT" not in caplog.text  # statements have parameters, such as a password's hash

    async def test_who_is_not_gets_503_and_when_to_come_again(self, product: Product, door: Door) -> None:
        await door.shut()
        unknown = bearer("cp_unknown")

        asked = await product.client.post("/graphql", json={"query": PROJECTS}, headers=unknown)
        sent = await product.client.post("/uploads", headers=unknown | {"Tus-Resumable": "1.0.0"})
        async with open_socket(product.app) as socket:
            await accept(socket)
            await socket.send({"type": "connection_init", "payload": unknown})
            closed = await socket.closed()

        for answer in (asked, sent):
            assert (answer.status_code, answer.headers["retry-after"], told(answer.json())) == (503, "2", [AWAY])
        assert closed == 1013  # Try Again Later


class TestWhileItHangs:
    async def test_what_reads_is_answered_too(
        self, database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Relay.to(database_url) as relay, running(settings, relay.url) as product:
            selects = product.app.state.gateway.process.db._selects
            limit = selects.deadline._seconds
            relay.carries.clear()

            with monkeypatch.context() as hurried:
                hurried.setattr(selects, "deadline", Deadline(0.02))
                answer = await product.ask(PROJECTS)
            relay.carries.set()
            back = await product.ask(PROJECTS)

        assert limit == READ_SECONDS
        assert (answer.status_code, answer.json()["data"], told(answer.json())) == (200, None, [AWAY])
        assert back.json()["data"] == NONE

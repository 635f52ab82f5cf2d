"""One list of origins, for CORS and for WebSockets, in whatever form they are written."""

from __future__ import annotations

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.sockets import PROTOCOL, accept, open_socket
from tests.support.web import running_web

QUERY = {"query": "{ __typename }"}


@pytest.mark.parametrize(
    "listed", ["https://app.example.org", "HTTPS://App.example.org:443", "https://app.example.org/"]
)
class TestTheList:
    async def test_lets_pages_of_the_origin_read_answers(self, settings: Settings, db: Database, listed: str) -> None:
        async with running_web(settings.model_copy(update={"cors_origins": (listed,)}), db) as web:
            mine = await web.client.post("/graphql", json=QUERY, headers={"Origin": "https://app.example.org"})
            other = await web.client.post("/graphql", json=QUERY, headers={"Origin": "https://app.example.org:444"})

        assert mine.headers["access-control-allow-origin"] == "https://app.example.org"
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in mine.headers

    async def test_lets_them_open_sockets(self, settings: Settings, db: Database, listed: str) -> None:
        allowed = settings.model_copy(update={"cors_origins": (listed,)})
        origin = {"Origin": "https://app.example.org"}
        async with running_web(allowed, db) as web, open_socket(web.app, headers=origin) as socket:
            mine = await accept(socket)
        other = {"Origin": "https://app.example.org:444"}
        async with running_web(allowed, db) as web, open_socket(web.app, headers=other) as socket:
            refused = await socket.closed()

        assert mine["subprotocol"] == PROTOCOL
        assert refused == 1008

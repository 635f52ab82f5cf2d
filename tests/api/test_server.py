"""The product's server over real sockets: the close codes that clients see, streams, and a stop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, update
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cuepoint.api.server import GRACEFUL_SECONDS
from cuepoint.api.streams import CHECK_SECONDS
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError
from cuepoint.features.users import service as users
from cuepoint.features.users.models import ApiKey
from cuepoint.viewer import Viewer
from tests.support.builders.users import PASSWORD, make_user, make_viewer, sign_in
from tests.support.serve import Serving
from tests.support.web import Web, make_token

PROTOCOL = "graphql-transport-ws"
WAIT_SECONDS = 5.0


async def opened(served: Serving, *, protocol: str = PROTOCOL, **options: Any) -> ClientConnection:
    """A connection before connection_init."""
    return await connect(served.ws_url, subprotocols=[protocol], proxy=None, **options)  # type: ignore[list-item]


async def initialised(served: Serving, token: str = "") -> ClientConnection:
    """A connection that was acknowledged."""
    socket = await opened(served)
    payload = {"Authorization": f"Bearer {token}"}
    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    assert json.loads(await socket.recv()) == {"type": "connection_ack"}
    return socket


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close that must come; results may come first."""
    async with asyncio.timeout(WAIT_SECONDS):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


SUBSCRIBE = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "subscription { hang }"}})
CLOSES: list[tuple[str, list[str | bytes], int]] = [
    ("no JSON", ["{"], 4400),
    ("no object", ["[]"], 4400),
    ("binary", [b'{"type": "ping"}'], 4400),
    ("unknown type", ['{"type": "start"}'], 4400),
    ("init with another payload", ['{"type": "connection_init", "payload": 1}'], 4400),
    ("subscribe before init", [SUBSCRIBE], 4401),
    ("wrong token", ['{"type": "connection_init", "payload": {"Authorization": "Bearer cp_wrong"}}'], 4403),
]
CLOSES_AFTER_INIT: list[tuple[str, list[str], int]] = [
    ("subscribe without an id", ['{"type": "subscribe", "payload": {"query": "{ me }"}}'], 4400),
    ("complete without an id", ['{"type": "complete"}'], 4400),
    ("the same id twice", [SUBSCRIBE, SUBSCRIBE], 4409),
    ("init twice", ['{"type": "connection_init"}'], 4429),
    ("a huge message", ['{"type": "ping", "payload": "%s"}' % ("x" * 1024 * 1024)], 1009),
]


class TestCloseCodes:
    @pytest.mark.parametrize(("frames", "code"), [c[1:] for c in CLOSES], ids=[c[0] for c in CLOSES])
    async def test_before_the_acknowledgement(self, served: Serving, frames: list[str], code: int) -> None:
        socket = await opened(served)
        for frame in frames:
            await socket.send(frame)

        assert (await closed(socket))[0] == code

    @pytest.mark.parametrize(
        ("frames", "code"), [c[1:] for c in CLOSES_AFTER_INIT], ids=[c[0] for c in CLOSES_AFTER_INIT]
    )
    async def test_after_it(self, served: Serving, frames: list[str], code: int) -> None:
        socket = await initialised(served)
        for frame in frames:
            await socket.send(frame)

        assert (await closed(socket))[0] == code

    async def test_pieces_are_refused_before_their_message_ends(self, served: Serving) -> None:
        async def pieces() -> AsyncIterator[str]:
            for _ in range(20):
                yield "x" * 65_536
            await asyncio.Event().wait()

        socket = await initialised(served)
        sending = asyncio.create_task(socket.send(pieces()))

        assert (await closed(socket))[0] == 1009
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    async def test_another_subprotocol_is_4406(self, served: Serving) -> None:
        async with connect(served.ws_url, proxy=None) as socket:
            assert (await closed(socket))[0] == 4406

    async def test_frames_are_text(self, served: Serving) -> None:
        socket = await initialised(served)

        await socket.send('{"id": "1", "type": "subscribe", "payload": {"query": "{ echo(text: \\"é\\") }"}}')

        assert isinstance(await socket.recv(), str)
        await socket.close()

    async def test_a_foreign_origin_gets_no_socket(self, served: Serving) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await opened(served, origin="https://evil.example")

        assert refused.value.response.status_code == 403


class TestRevocation:
    async def test_a_revoked_key_closes_its_sockets_with_4403_and_no_others(
        self, served: Serving, web: Web, db: Database
    ) -> None:
        web.gateway.streams._check_seconds = 0.02
        viewer, secret = await make_token(db)
        _, other_secret = await make_token(db)
        assert viewer.api_key_id is not None
        mine, other = [await initialised(served, token) for token in (secret, other_secret)]
        for socket in (mine, other):
            await socket.send(SUBSCRIBE)
            await socket.recv()

        async with db.write() as session:
            await users.revoke_api_key(session, viewer, viewer.api_key_id)

        assert await closed(mine) == (4403, "The credential was revoked or has expired")
        await other.send('{"type": "ping"}')
        assert json.loads(await other.recv()) == {"type": "pong"}
        await other.close()

    async def test_so_does_one_that_expires(self, served: Serving, web: Web, db: Database) -> None:
        web.gateway.streams._check_seconds = 0.02
        viewer, secret = await make_token(db)
        socket = await initialised(served, secret)

        async with db.write() as session:
            await session.execute(update(ApiKey).where(ApiKey.id == viewer.api_key_id).values(expires_at=func.now()))

        assert (await closed(socket))[0] == 4403

    @pytest.mark.parametrize("end", ["logout", "logout all", "token reused", "user deactivated"])
    async def test_the_end_of_a_session_closes_its_sockets(
        self, served: Serving, web: Web, db: Database, settings: Settings, end: str
    ) -> None:
        web.gateway.streams._check_seconds = 0.02
        user, admin = await make_user(db, password=PASSWORD), await make_viewer(db, is_admin=True)
        tokens, other = [await sign_in(db, settings, user.email) for _ in range(2)]
        socket = await initialised(served, tokens.access)
        viewer = Viewer(user.id, is_admin=False, session_id=tokens.session.id)

        if end == "token reused":
            await users.refresh_session(db, settings, tokens.refresh)
            with pytest.raises(CuepointError):
                await users.refresh_session(db, settings, tokens.refresh)
        async with db.write() as session:
            if end == "logout":
                await users.logout(session, viewer)
            elif end == "logout all":
                await users.logout_all(session, Viewer(user.id, is_admin=False, session_id=other.session.id))
            elif end == "user deactivated":
                await users.set_active(session, admin, user.id, is_active=False)

        assert (await closed(socket))[0] == 4403

    async def test_a_refresh_leaves_its_sockets_open(
        self, served: Serving, web: Web, db: Database, settings: Settings
    ) -> None:
        web.gateway.streams._check_seconds = 0.02
        user = await make_user(db, password=PASSWORD)
        tokens = await sign_in(db, settings, user.email)
        socket = await initialised(served, tokens.access)

        await users.refresh_session(db, settings, tokens.refresh)
        viewer = Viewer(user.id, is_admin=False, session_id=tokens.session.id)
        assert await web.gateway.authenticator.still_valid([viewer]) == {viewer}

        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}
        await socket.close()

    def test_the_product_notices_within_five_seconds(self) -> None:
        assert 2 * CHECK_SECONDS < 5


class TestStop:
    async def test_sockets_get_1012_and_event_streams_end_at_once(self, served: Serving, web: Web) -> None:
        sockets = [await initialised(served) for _ in range(20)]
        for socket in sockets:
            await socket.send(SUBSCRIBE)
            await socket.recv()
        async with httpx2.AsyncClient(trust_env=False) as client:
            body, headers = {"query": "subscription { hang }"}, {"Accept": "text/event-stream"}
            async with client.stream("POST", served.http_url, json=body, headers=headers) as events:
                pieces = events.aiter_bytes()
                while b"event: next" not in await anext(pieces):
                    pass

                started = time.monotonic()
                served.stop()
                codes = {(await closed(socket))[0] for socket in sockets}
                rest = b"".join([piece async for piece in pieces])
                took = time.monotonic() - started

        assert codes == {1012}
        assert b"complete" not in rest  # the client connects again
        assert took < GRACEFUL_SECONDS / 2  # 0.1 s, and the time of a busy machine
        await asyncio.wait_for(served.stopped, 2)
        assert web.script.ended.is_set()


class TestEventStreams:
    async def test_are_never_compressed_or_held_back(self, served: Serving) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            response = await client.post(
                served.http_url,
                json={"query": "subscription { countdown(start: 2) }"},
                headers={"Accept": "text/event-stream", "Accept-Encoding": "gzip, br"},
            )

        assert "content-encoding" not in response.headers
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["transfer-encoding"] == "chunked"
        assert response.text.count("event: next") == 2

    async def test_a_client_that_goes_ends_its_subscription(self, served: Serving, web: Web) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            body, headers = {"query": "subscription { hang }"}, {"Accept": "text/event-stream"}
            async with client.stream("POST", served.http_url, json=body, headers=headers) as events:
                async for piece in events.aiter_bytes():
                    if b"event: next" in piece:
                        break

        async with asyncio.timeout(WAIT_SECONDS):
            await web.script.ended.wait()
            while web.gateway.streams._open:  # noqa: ASYNC110  # the server has no event for it
                await asyncio.sleep(0)
        assert b"event: next" in piece
        assert web.script.ended.is_set()

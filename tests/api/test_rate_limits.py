"""How much one caller may ask for: operations a minute, connections and live operations."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from cuepoint.api import rate_limits
from cuepoint.api.rate_limits import RateLimiter
from cuepoint.api.streams import Streams
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import RateLimitedError
from cuepoint.viewer import NOBODY, Share, Viewer
from tests.support.graphql import count_statements
from tests.support.sockets import accept, open_socket
from tests.support.web import Web, bearer, errors_of, make_token, running_web

ECHO = {"query": '{ echo(text: "x") }'}
EVENTS = {"Accept": "text/event-stream"}


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestRateLimiter:
    def test_a_burst_then_the_rate(self) -> None:
        clock = Clock()
        limiter = RateLimiter(60, 3, clock)
        for _ in range(3):
            limiter.take("a")

        with pytest.raises(RateLimitedError) as refused:
            limiter.take("a")
        clock.now += refused.value.retry_after_seconds
        limiter.take("a")

        assert refused.value.retry_after_seconds == 1.0
        with pytest.raises(RateLimitedError):
            limiter.take("a")

    def test_callers_do_not_share(self) -> None:
        limiter = RateLimiter(60, 1, Clock())

        limiter.take("a")
        limiter.take("b")

        with pytest.raises(RateLimitedError):
            limiter.take("a")

    def test_rest_fills_no_more_than_the_burst(self) -> None:
        clock = Clock()
        limiter = RateLimiter(60, 2, clock)
        clock.now = 1000.0
        for _ in range(2):
            limiter.take("a")

        with pytest.raises(RateLimitedError):
            limiter.take("a")

    def test_zero_is_no_limit(self) -> None:
        limiter = RateLimiter(0, 1, Clock())

        for _ in range(100):
            limiter.take("a")

        assert len(limiter._buckets) == 0

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rate_limits, "MAX_CALLERS", 3)
        limiter = RateLimiter(60, 1, Clock())

        for number in range(10):
            limiter.take(number)

        assert len(limiter._buckets) == 3


class TestOperations:
    async def test_one_too_many_is_429_and_says_when(self, settings: Settings, db: Database) -> None:
        _, mine = await make_token(db)
        _, other = await make_token(db)
        few = settings.model_copy(update={"rate_limit_per_minute": 6, "rate_limit_burst": 2})
        async with running_web(few, db) as web:
            answers = [await web.client.post("/graphql", json=ECHO, headers=bearer(mine)) for _ in range(3)]
            others = await web.client.post("/graphql", json=ECHO, headers=bearer(other))

        refused = answers[2]
        seconds = refused.json()["errors"][0]["extensions"]["retryAfterSeconds"]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert errors_of(refused)[0][0] == "RATE_LIMITED"
        assert 9 < seconds <= 10
        assert refused.headers["retry-after"] == "10"
        assert others.status_code == 200

    async def test_wrong_tokens_count_for_their_address(self, settings: Settings, db: Database) -> None:
        few = settings.model_copy(update={"rate_limit_per_minute": 6, "rate_limit_burst": 2})
        async with running_web(few, db) as web:
            codes = [
                (await web.client.post("/graphql", json=ECHO, headers=bearer(f"cp_{n}"))).status_code for n in range(3)
            ]

        assert codes == [401, 401, 429]

    async def test_operations_on_a_socket_count_too(self, settings: Settings, db: Database) -> None:
        few = settings.model_copy(update={"rate_limit_per_minute": 6, "rate_limit_burst": 1})
        async with running_web(few, db) as web, open_socket(web.app) as socket:
            await accept(socket)
            await socket.init()
            await socket.subscribe(ECHO["query"])
            first = [await socket.next() for _ in range(2)]
            await socket.subscribe(ECHO["query"], "2")
            second = await socket.next()

        extensions = second["payload"][0]["extensions"]
        assert [message["type"] for message in first] == ["next", "complete"]
        assert (second["type"], extensions["code"]) == ("error", "RATE_LIMITED")
        assert 0 < extensions["retryAfterSeconds"] <= 10


class TestConnections:
    async def test_too_many_in_all_are_refused_before_accept(self, settings: Settings, db: Database) -> None:
        few = settings.model_copy(update={"connections_max": 1})
        async with running_web(few, db) as web:
            async with open_socket(web.app) as first:
                await accept(first)
                async with open_socket(web.app) as second:
                    assert await second.closed() == 1013
                events = await web.client.post("/graphql", json=ECHO, headers=EVENTS)
            async with open_socket(web.app) as third:
                await accept(third)

        assert (events.status_code, errors_of(events)[0][0]) == (429, "RATE_LIMITED")
        assert events.headers["retry-after"] == "10"

    async def test_too_many_of_one_address_are_refused_before_accept(self, settings: Settings, db: Database) -> None:
        few = settings.model_copy(update={"connections_per_user": 1})
        async with running_web(few, db) as web, open_socket(web.app) as first:
            await accept(first)
            async with open_socket(web.app) as second:
                assert await second.closed() == 1013

    async def test_too_many_of_one_user_are_refused_at_init(self, settings: Settings, db: Database) -> None:
        _, secret = await make_token(db)
        few = settings.model_copy(update={"connections_per_user": 1})
        token = {"Authorization": f"Bearer {secret}"}
        async with running_web(few, db) as web, open_socket(web.app) as first:
            await accept(first)
            await first.init(token)
            async with open_socket(web.app) as second:
                await accept(second)
                await second.send({"type": "connection_init", "payload": token})
                assert await second.closed() == 1013

        assert web.gateway.streams._of_caller == {}

    async def test_live_operations_of_one_user_count_over_all_connections(
        self, settings: Settings, db: Database
    ) -> None:
        _, secret = await make_token(db)
        few = settings.model_copy(update={"subscriptions_per_user": 2})
        token = {"Authorization": f"Bearer {secret}"}
        messages = []
        async with running_web(few, db) as web:
            async with open_socket(web.app) as first, open_socket(web.app) as second:
                for socket in (first, second):
                    await accept(socket)
                    await socket.init(token)
                    await socket.subscribe("subscription { hang }")
                    messages.append((await socket.next())["type"])
                await second.subscribe("subscription { hang }", "2")
                refused = await second.next()
                events = await web.client.post("/graphql", json=ECHO, headers=EVENTS | bearer(secret))

            assert web.gateway.streams._operations == {}
        assert messages == ["next", "next"]
        assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert events.status_code == 429

    async def test_thousands_of_one_key_are_refused_at_once_and_leave_nothing_behind(
        self, settings: Settings, db: Database
    ) -> None:
        _, secret = await make_token(db)
        few = settings.model_copy(update={"subscriptions_per_user": 10})
        async with running_web(few, db) as web, open_socket(web.app) as socket:
            await accept(socket)
            await socket.init({"Authorization": f"Bearer {secret}"})
            for number in range(10):
                await socket.subscribe("subscription { hang }", str(number))
                await socket.next()
            tasks = len(asyncio.all_tasks())
            with count_statements(db.engine) as count:
                for number in range(5000):
                    await socket.subscribe("subscription { hang }", f"more {number}")
                codes = {(await socket.next())["payload"][0]["extensions"]["code"] for _ in range(5000)}

            assert codes == {"RATE_LIMITED"}
            assert len(count) == 0
            assert len(asyncio.all_tasks()) == tasks
            assert sum(web.gateway.streams._operations.values()) == 10


class TestVisitors:
    async def test_those_of_one_link_count_for_the_addresses_they_come_from(self, settings: Settings) -> None:
        one = settings.model_copy(update={"connections_per_user": 1, "subscriptions_per_user": 1})
        visitor = Viewer(NOBODY, is_admin=False, share=Share(uuid7(), uuid7(), None, may_download=False))

        async def all_of_them(viewers: Collection[Viewer]) -> Collection[Viewer]:
            return viewers

        streams = Streams(one, all_of_them)
        with streams.connection("192.0.2.1") as first, streams.connection("192.0.2.2") as second:
            first.belongs_to(visitor)
            second.belongs_to(visitor)
            counted = dict(streams._of_caller)
            with first.operation(), second.operation(), pytest.raises(RateLimitedError), first.operation():
                pass
            with pytest.raises(RateLimitedError), streams.connection("192.0.2.1", visitor):
                pass
        await streams.close()

        assert counted == {"192.0.2.1": 1, "192.0.2.2": 1}
        assert (streams._of_caller, streams._operations) == ({}, {})


class TestHandshake:
    async def test_a_refused_handshake_says_when_to_come_again(self, web: Web) -> None:
        web.gateway.streams._settings = web.process.settings.model_copy(update={"connections_max": 1})
        extension = {"websocket.http.response": {}}
        async with open_socket(web.app) as first:
            await accept(first)
            async with open_socket(web.app, extensions=extension) as second:
                start, body = await second.raw(), await second.raw()

        assert (start["type"], start["status"]) == ("websocket.http.response.start", 429)
        assert (b"retry-after", b"10") in start["headers"]
        assert b"RATE_LIMITED" in body["body"]

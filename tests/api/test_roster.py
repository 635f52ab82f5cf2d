"""Who is connected, over several API processes: each tells its own, and what is gone is told by nobody."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.roster import Answer, Roster
from cuepoint.api.streams import Transport
from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.redis import start_redis
from tests.support.serve import serving
from tests.support.sockets import Socket, accept, open_socket
from tests.support.web import Web, bearer, make_token, running_web

WAIT_SECONDS = 5.0
HANG = "subscription Waiting { hang }"
# Another process of the installation, with one connection; it says so, and does nothing else.
OTHER = """
import asyncio, os, types
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.roster import Roster
from cuepoint.api.streams import Streams
from cuepoint.config import load_settings

async def main():
    settings = load_settings(os.environ)
    streams = Streams(settings, None)
    Roster(streams, types.SimpleNamespace(live=RedisLive(os.environ["CUEPOINT_REDIS_URL"])), settings)
    with streams.connection("1.2.3.4"):
        await asyncio.Future()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """Of a Redis of one's own: on that of the run other tests listen to everything, and are waited for."""
    with start_redis() as redis:
        yield redis.url


@pytest.fixture
async def other(settings: Settings, db: Database) -> AsyncIterator[Web]:
    """A second process of the same installation."""
    async with running_web(settings, db) as running:
        yield running


async def until(ask: Callable[[], Awaitable[list[Answer]]], is_so: Callable[[list[Answer]], bool]) -> list[Answer]:
    """The answers, once they are so: what has just begun is heard of a moment later."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so(found := await ask()):  # noqa: ASYNC110 - other processes have no event for it
            await asyncio.sleep(0.01)
    return found


def clients_in(count: int) -> Callable[[list[Answer]], bool]:
    return lambda answers: sum(len(answer.clients) for answer in answers) == count


@asynccontextmanager
async def subscribed(web: Web, secret: str) -> AsyncIterator[Socket]:
    async with open_socket(web.app) as socket:
        await accept(socket)
        await socket.init(bearer(secret))
        await socket.subscribe(HANG)
        await socket.next()
        yield socket


async def ask_all(web: Web) -> list[Answer]:
    return await web.gateway.roster.ask(100)


class TestAsk:
    async def test_every_process_tells_who_is_connected_to_it(
        self, web: Web, other: Web, db: Database, settings: Settings
    ) -> None:
        viewer, secret = await make_token(db)
        async with subscribed(web, secret), serving(other.app, settings) as served:
            body, headers = {"query": "subscription { hang }"}, {"Accept": "text/event-stream"}
            async with (
                httpx2.AsyncClient(trust_env=False) as client,
                client.stream("POST", served.http_url, json=body, headers=headers),
            ):
                answers = await until(lambda: ask_all(web), clients_in(2))
                as_seen_there = await until(lambda: ask_all(other), clients_in(2))

        by_process = {answer.process.id: answer for answer in answers}
        [mine], [theirs] = [by_process[one.gateway.roster.process.id].clients for one in (web, other)]
        assert (mine.user_id, mine.api_key_id, mine.transport) == (
            viewer.user_id,
            viewer.api_key_id,
            Transport.WEBSOCKET,
        )
        assert [(one.name, one.operation_name) for one in mine.subscriptions] == [("hang", "Waiting")]
        assert (theirs.user_id, theirs.api_key_id, theirs.transport) == (None, None, Transport.EVENT_STREAM)
        assert [(one.name, one.operation_name) for one in theirs.subscriptions] == [("hang", None)]
        assert [answer.total for answer in answers] == [1, 1]
        assert {client.id for answer in as_seen_there for client in answer.clients} == {mine.id, theirs.id}
        assert secret not in repr(answers)

    async def test_what_is_closed_or_completed_is_gone(self, web: Web, other: Web, db: Database) -> None:
        _, secret = await make_token(db)
        async with subscribed(other, secret) as socket:
            [before] = [
                client for answer in await until(lambda: ask_all(web), clients_in(1)) for client in answer.clients
            ]
            await socket.send({"id": "1", "type": "complete"})
            await until(lambda: ask_all(web), lambda found: not any(c.subscriptions for a in found for c in a.clients))
            quiet = await ask_all(web)
        after = await until(lambda: ask_all(web), clients_in(0))

        assert [client.id for answer in quiet for client in answer.clients] == [before.id]
        assert [answer.total for answer in after] == [0, 0]

    async def test_queries_are_no_subscriptions(self, web: Web, other: Web) -> None:
        async with open_socket(web.app) as socket:
            await accept(socket)
            [answer] = [one for one in await ask_all(web) if one.clients]

        assert [(client.user_id, client.subscriptions) for client in answer.clients] == [(None, [])]

    async def test_a_client_that_does_not_read_lags_and_others_do_not(
        self, web: Web, db: Database, settings: Settings
    ) -> None:
        _, secret = await make_token(db)
        async with subscribed(web, secret), serving(web.app, settings) as served:
            host, _, port = served.host.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
            body = b'{"query": "subscription { flood }"}'
            head = (
                "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
            )
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]

            def lags(answers: list[Answer]) -> dict[str, float]:
                found = [one for answer in answers for client in answer.clients for one in client.subscriptions]
                return {one.name: one.lag_seconds for one in found}

            seen = lags(await until(lambda: ask_all(web), lambda found: lags(found).get("flood", 0) > 0.2))
            later = lags(await until(lambda: ask_all(web), lambda found: lags(found)["flood"] > seen["flood"]))
            writer.close()

        assert (seen["hang"], later["hang"]) == (0.0, 0.0)


class TestWithoutOthers:
    async def test_who_stands_still_is_left_out_and_who_was_killed_is_gone_at_once(
        self, web: Web, settings: Settings, redis_url: str
    ) -> None:
        environment = {"CUEPOINT_HOME": str(settings.home), "CUEPOINT_REDIS_URL": redis_url}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", OTHER, env=environment)
        try:
            async with asyncio.timeout(30):
                while len(await ask_all(web)) < 2:  # noqa: ASYNC110 - nor has that
                    await asyncio.sleep(0.02)
            both = await ask_all(web)
            web.gateway.roster._wait_seconds = 0.1
            process.send_signal(signal.SIGSTOP)
            still = await ask_all(web)
        finally:
            process.kill()
            await process.wait()
        web.gateway.roster._wait_seconds = 60.0
        async with asyncio.timeout(WAIT_SECONDS):  # Redis knows that nobody else hears
            after = await ask_all(web)

        mine = web.gateway.roster.process.id
        assert {answer.process.pid: len(answer.clients) for answer in both if answer.process.id != mine} == {
            process.pid: 1
        }
        assert [answer.process.id for answer in still] == [answer.process.id for answer in after] == [mine]

    async def test_a_redis_that_lost_everything_has_lost_nothing_of_this(
        self, web: Web, other: Web, db: Database
    ) -> None:
        _, secret = await make_token(db)
        live: Any = web.process.adapters.live
        async with subscribed(other, secret):
            await until(lambda: ask_all(web), clients_in(1))
            keys = await live._sender.keys("*")
            await live._sender.flushall()
            after = await ask_all(web)

        assert keys == []
        assert clients_in(1)(after)

    @pytest.mark.parametrize("url", [None, "unix:///nowhere/redis.sock"], ids=["none", "away"])
    async def test_without_redis_it_is_what_this_process_knows(
        self, settings: Settings, db: Database, url: str | None
    ) -> None:
        async with running_web(settings, db) as alone:
            cast(Any, alone.process.adapters).live = RedisLive(url)
            with alone.gateway.streams.connection("1.2.3.4", None, Transport.MULTIPART):
                async with asyncio.timeout(WAIT_SECONDS):
                    [answer] = await ask_all(alone)

        assert [client.transport for client in answer.clients] == [Transport.MULTIPART]

    async def test_another_installation_on_the_same_redis_is_not_asked(
        self, web: Web, settings: Settings, db: Database, redis_url: str
    ) -> None:
        foreign = settings.model_copy(update={"home": settings.home / "foreign"})
        async with running_web(foreign, db) as theirs:
            with theirs.gateway.streams.connection("1.2.3.4"):
                await until(lambda: ask_all(theirs), clients_in(1))
                mine = await ask_all(web)

        assert [(answer.process.id, answer.clients) for answer in mine] == [(web.gateway.roster.process.id, [])]

    async def test_what_is_no_question_and_no_answer_is_passed_over(self, web: Web, other: Web) -> None:
        roster: Roster = web.gateway.roster
        with other.gateway.streams.connection("1.2.3.4"):
            await until(lambda: ask_all(web), clients_in(1))
            nonsense = [(roster._channel, payload) for payload in (b"", b"{}", b'{"id": 1}')]
            assert await web.process.adapters.live.publish(nonsense) >= len(nonsense)
            after = await ask_all(web)

        assert clients_in(1)(after)

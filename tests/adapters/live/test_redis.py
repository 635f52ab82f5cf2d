"""Bells and messages over a real Redis that is killed, restarted and frozen under them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from cuepoint.adapters.live.base import Live
from cuepoint.adapters.live.redis import BELL_TOKENS, RedisLive
from tests.support.redis import OwnRedis, start_redis

SOON = 10.0  # seconds a test waits for what should come at once


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    with start_redis() as redis:
        yield redis


@pytest.fixture
async def live(server: OwnRedis) -> AsyncIterator[RedisLive]:
    """A client of a Redis that runs and is empty."""
    if not server.is_running:
        server.start()
    client = RedisLive(server.url)
    assert client._sender is not None
    await client._sender.flushall()
    yield client
    await client.close()


async def elapsed(work: Awaitable[object]) -> float:
    """Seconds until it is done."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    await work
    return loop.time() - start


async def until_heard(live: Live, heard: asyncio.Future[bytes] | asyncio.Task[bytes]) -> bytes:
    """Publish again and again until the listener has it: a message sent before it is back is lost by design."""
    async with asyncio.timeout(SOON):
        while not heard.done():
            await live.publish([("cp:job:1", b"again")])
            await asyncio.wait((heard,), timeout=0.02)
    return heard.result()


async def first_payload(messages: AsyncIterator[tuple[str, bytes]]) -> bytes:
    """The next message's payload."""
    return (await anext(messages))[1]


class TestWaitBell:
    async def test_a_bell_rung_before_counts(self, live: RedisLive) -> None:
        await live.ring(["cpu"])

        assert await live.wait_bell(["io", "cpu"], SOON) == "cpu"

    async def test_a_bell_rung_while_waiting_wakes_at_once(self, live: RedisLive) -> None:
        waiting = asyncio.create_task(live.wait_bell(["cpu"], SOON))
        await asyncio.wait((waiting,), timeout=0.05)

        await live.ring(["io", "cpu"])

        assert await elapsed(waiting) < SOON / 2
        assert waiting.result() == "cpu"

    async def test_one_token_wakes_one_waiter(self, live: RedisLive) -> None:
        waiting = [asyncio.create_task(live.wait_bell(["cpu"], 0.4)) for _ in range(3)]

        await live.ring(["cpu"])

        assert sorted(await asyncio.gather(*waiting), key=str) == [None, None, "cpu"]

    async def test_silence_ends_after_the_timeout(self, live: RedisLive) -> None:
        assert 0.15 < await elapsed(live.wait_bell(["cpu"], 0.2)) < SOON / 2

    async def test_a_bell_holds_few_tokens(self, live: RedisLive) -> None:
        for _ in range(BELL_TOKENS + 5):
            await live.ring(["cpu"])

        assert live._sender is not None
        assert await live._sender.llen("cp:bell:cpu") == BELL_TOKENS
        assert await live._sender.keys("*") == [b"cp:bell:cpu"]

    async def test_redis_killed_while_waiting_costs_no_more_than_the_timeout(
        self, live: RedisLive, server: OwnRedis
    ) -> None:
        waiting = asyncio.create_task(live.wait_bell(["cpu"], 0.5))
        whole = asyncio.create_task(elapsed(waiting))
        await asyncio.wait((waiting,), timeout=0.1)

        server.kill()

        assert await whole > 0.45
        assert waiting.result() is None
        assert live.errors == 1

    async def test_works_again_after_a_restart(self, live: RedisLive, server: OwnRedis) -> None:
        await live.wait_bell(["cpu"], 0.05)
        server.kill()
        server.start()

        await live.ring(["cpu"])

        assert await live.wait_bell(["cpu"], SOON) == "cpu"
        assert live.errors == 0

    async def test_a_frozen_redis_does_not_hold_the_waiter(self, live: RedisLive, server: OwnRedis) -> None:
        await live.ping()
        server.freeze()
        try:
            assert await elapsed(live.wait_bell(["cpu"], 0.2)) < 2
        finally:
            server.thaw()

    async def test_a_cancelled_wait_leaves_the_client_usable(self, live: RedisLive) -> None:
        waiting = asyncio.create_task(live.wait_bell(["cpu"], SOON))
        await asyncio.wait((waiting,), timeout=0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        heard = None
        for _ in range(10):  # a token may go to the waiter that is gone, until Redis has noticed
            await live.ring(["cpu"])
            heard = heard or await live.wait_bell(["cpu"], 0.5)

        assert heard == "cpu"


class TestSubscribe:
    async def test_hears_what_is_published_once_the_context_is_entered(self, live: RedisLive) -> None:
        async with live.subscribe(["cp:job:*", "cp:ctl:*"]) as messages:
            await live.publish([("cp:job:1", b"one"), ("cp:owner:1", b"not this"), ("cp:ctl:w", b"\x00\xff")])

            async with asyncio.timeout(SOON):
                assert await anext(messages) == ("cp:job:1", b"one")
                assert await anext(messages) == ("cp:ctl:w", b"\x00\xff")

    async def test_order_is_kept(self, live: RedisLive) -> None:
        async with live.subscribe(["cp:job:*"]) as messages:
            await live.publish([("cp:job:1", str(n).encode()) for n in range(500)])

            async with asyncio.timeout(SOON):
                assert [await first_payload(messages) for _ in range(500)] == [str(n).encode() for n in range(500)]

    async def test_goes_on_after_a_restart(self, live: RedisLive, server: OwnRedis) -> None:
        async with live.subscribe(["cp:job:*"]) as messages:
            heard = asyncio.create_task(first_payload(messages))
            await asyncio.wait((heard,), timeout=0.05)

            server.kill()
            await asyncio.wait((heard,), timeout=0.2)
            server.start()

            assert await until_heard(live, heard) == b"again"

    async def test_is_entered_while_redis_is_away_and_hears_once_it_is_back(
        self, live: RedisLive, server: OwnRedis
    ) -> None:
        server.kill()

        async with asyncio.timeout(SOON), live.subscribe(["cp:job:*"]) as messages:
            heard = asyncio.create_task(first_payload(messages))
            await asyncio.wait((heard,), timeout=0.1)
            server.start()

            assert await until_heard(live, heard) == b"again"

    async def test_a_frozen_connection_is_found_out_and_made_anew(
        self, live: RedisLive, server: OwnRedis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cuepoint.adapters.live.redis.QUIET_SECONDS", 0.1)
        monkeypatch.setattr("cuepoint.adapters.live.redis.SEND_SECONDS", 0.2)
        async with live.subscribe(["cp:job:*"]) as messages:
            heard = asyncio.create_task(first_payload(messages))
            server.freeze()
            try:
                await self._until(lambda: live.errors > 0)
            finally:
                server.thaw()

            assert await until_heard(live, heard) == b"again"

    async def test_long_silence_is_no_failure(self, live: RedisLive, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cuepoint.adapters.live.redis.QUIET_SECONDS", 0.2)  # a busy machine answers PING that late
        async with live.subscribe(["cp:job:*"]) as messages:
            heard = asyncio.create_task(first_payload(messages))
            await asyncio.wait((heard,), timeout=0.3)

            await live.publish([("cp:job:1", b"late")])

            assert await asyncio.wait_for(heard, SOON) == b"late"
        assert live.errors == 0

    async def test_a_cancel_ends_it_and_closes_its_connection(self, live: RedisLive) -> None:
        entered = asyncio.Event()

        async def listen() -> None:
            async with live.subscribe(["cp:job:*"]) as messages:
                entered.set()
                async for _ in messages:
                    pass

        task = asyncio.create_task(listen())
        await entered.wait()
        assert live._sender is not None
        assert (await live._sender.execute_command("PUBSUB", "NUMPAT")) == 1

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await self._until_silent(live)

    async def test_leaving_without_listening_closes_its_connection(self, live: RedisLive) -> None:
        await live.ring(["io"])
        assert live._sender is not None
        async with live.subscribe(["cp:job:*"]):
            assert (await live._sender.execute_command("PUBSUB", "NUMPAT")) == 1

        await self._until_silent(live)

    @staticmethod
    async def _until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not condition():  # noqa: ASYNC110  # another process's state has no event
                await asyncio.sleep(0.01)

    @staticmethod
    async def _until_silent(live: RedisLive) -> None:
        assert live._sender is not None
        async with asyncio.timeout(SOON):
            while await live._sender.execute_command("PUBSUB", "NUMPAT"):  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)


class TestSending:
    async def test_errors_are_swallowed_counted_and_logged_once_an_outage(
        self, live: RedisLive, server: OwnRedis, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="cuepoint.adapters.live.redis")
        server.kill()

        await live.ring(["cpu"])
        await live.publish([("cp:job:1", b"x")])
        assert not await live.ping()
        server.start()
        assert await live.ping()

        assert live.errors == 3
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]

    async def test_nothing_to_send_sends_nothing(self, live: RedisLive, server: OwnRedis) -> None:
        server.kill()

        await live.ring([])
        await live.publish([])

        assert live.errors == 0

    async def test_a_frozen_redis_does_not_hold_the_sender(
        self, server: OwnRedis, live: RedisLive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cuepoint.adapters.live.redis.SEND_SECONDS", 0.2)
        hurried = RedisLive(server.url)
        await hurried.ping()
        server.freeze()
        try:
            assert await elapsed(hurried.ring(["cpu"])) < 2
        finally:
            server.thaw()
            await hurried.close()

        assert hurried.errors == 1


class TestWithoutRedis:
    async def test_sends_do_nothing(self) -> None:
        live = RedisLive(None)

        await live.ring(["cpu"])
        await live.publish([("cp:job:1", b"x")])
        await live.close()

        assert not await live.ping()
        assert live.errors == 0

    async def test_a_wait_runs_to_its_end(self) -> None:
        assert 0.05 < await elapsed(RedisLive(None).wait_bell(["cpu"], 0.1)) < SOON / 2

    async def test_a_subscription_is_entered_and_silent(self) -> None:
        async with RedisLive(None).subscribe(["cp:*"]) as messages:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(messages), 0.05)

    def test_the_redis_package_is_not_loaded(self) -> None:
        code = (
            "import sys\n"
            "from cuepoint.adapters.live.redis import RedisLive\n"
            "RedisLive(None)\n"
            "sys.exit('redis' in sys.modules)\n"
        )

        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

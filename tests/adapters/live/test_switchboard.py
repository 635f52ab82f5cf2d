"""Many listeners of one process over one subscription."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.live.switchboard import MAX_HEARD, Switchboard


@pytest.fixture
async def live(redis_url: str) -> AsyncIterator[Switchboard]:
    shared = Switchboard(RedisLive(redis_url))
    yield shared
    await shared.close()


async def connections(live: Switchboard) -> int:
    """How many of this Redis' clients are subscribed to a pattern of ours."""
    inner = live._live
    assert isinstance(inner, RedisLive)
    assert inner._sender is not None
    return int(await inner._sender.execute_command("PUBSUB", "NUMPAT"))  # type: ignore[no-untyped-call]


class TestSubscribe:
    async def test_each_hears_its_own_channels_over_one_connection(self, live: Switchboard) -> None:
        async with (
            asyncio.timeout(10),
            live.subscribe(["cp:upload:1"]) as first,
            live.subscribe(["cp:upload:2"]) as second,
            live.subscribe(["cp:upload:*", "cp:owner:*"]) as family,
        ):
            before = await connections(live)
            async with live.subscribe(["cp:upload:1"]):
                after = await connections(live)
            messages = [("cp:upload:1", b"a"), ("cp:upload:2", b"b"), ("cp:job:1", b"c"), ("cp:owner:1", b"d")]
            await live.publish(messages)
            heard = [await anext(first), await anext(second), *[await anext(family) for _ in range(3)]]

        assert heard == [messages[0], messages[1], messages[0], messages[1], messages[3]]
        assert after == before

    async def test_one_who_takes_nothing_holds_nobody_up_and_keeps_the_newest(self, live: Switchboard) -> None:
        async with (
            asyncio.timeout(10),
            live.subscribe(["cp:job:1"]) as slow,
            live.subscribe(["cp:job:*"]) as quick,
        ):
            for begin in range(0, MAX_HEARD + 10, 100):
                numbers = range(begin, min(begin + 100, MAX_HEARD + 10))
                await live.publish([("cp:job:1", str(number).encode()) for number in numbers])
                for number in numbers:
                    assert await anext(quick) == ("cp:job:1", str(number).encode())

            assert await anext(slow) == ("cp:job:1", b"10")

    async def test_listeners_that_have_gone_are_forgotten(self, live: Switchboard) -> None:
        async with live.subscribe(["cp:job:1", "cp:job:*"]):
            pass

        assert live._ears == {}

    async def test_a_channel_that_is_asked_for_twice_is_heard_once(self, live: Switchboard) -> None:
        async with asyncio.timeout(10), live.subscribe(["cp:job:*", "cp:job:*"]) as messages:
            await live.publish([("cp:job:1", b"a"), ("cp:job:1", b"b")])
            heard = [await anext(messages), await anext(messages)]

        assert heard == [("cp:job:1", b"a"), ("cp:job:1", b"b")]
        assert live._ears == {}

    @pytest.mark.parametrize("is_begun", [False, True], ids=["at-the-beginning", "later"])
    async def test_what_breaks_the_subscription_off_is_logged_and_it_listens_anew(
        self, caplog: pytest.LogCaptureFixture, is_begun: bool
    ) -> None:
        class Broken(RedisLive):
            tries = 0

            @asynccontextmanager
            async def subscribe(self, patterns: Sequence[str]) -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
                self.tries += 1
                if self.tries == 1 and not is_begun:
                    raise RuntimeError("a bug")
                yield self._messages(self.tries)

            async def _messages(self, number: int) -> AsyncIterator[tuple[str, bytes]]:
                if number == 1:
                    raise RuntimeError("a bug")
                yield "cp:job:1", b"a"
                await asyncio.Future()

        shared = Switchboard(Broken(None), again_seconds=0.0)
        async with asyncio.timeout(5), shared.subscribe(["cp:job:1"]) as messages:
            assert await anext(messages) == ("cp:job:1", b"a")
        await shared.close()

        assert "begins again" in caplog.text

    async def test_without_redis_it_waits(self) -> None:
        deaf = Switchboard(RedisLive(None))
        async with deaf.subscribe(["cp:job:1"]) as messages:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(messages), 0.05)
        await deaf.close()

"""Live signals over Redis: bells as short lists, messages by pub/sub. Without Redis the same calls just wait.

Sending never raises: errors are counted, and logged once an outage. Receiving reconnects by itself, with back-off.
A message may come twice after a broken connection, and may be missed; whoever listens reads Postgres for the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

BELL_PREFIX = "cp:bell:"
BELL_TOKENS = 32  # a bell holds no more: whoever wakes claims as many jobs as it has slots
SEND_SECONDS = 2.0  # a Redis that hangs longer counts as away; a sender waits for nothing that long
BELL_GRACE_SECONDS = 0.5  # a BLPOP answered later than its own timeout and this is on a connection that died silently
QUIET_SECONDS = 5.0  # a subscription that hears nothing so long asks with PING, and reconnects after as long again
RECONNECT_FIRST_SECONDS = 0.05
RECONNECT_MOST_SECONDS = 1.0  # the poll interval of workers: live signals come back no later than that

Message = tuple[str, bytes]
T = TypeVar("T")

_log = logging.getLogger(__name__)


class RedisLive:
    """The port over one Redis; with `url` None nothing is sent and every wait runs to its end."""

    def __init__(self, url: str | None) -> None:
        self.errors = 0  # sends and receives that failed since the start
        self._away = False
        self._sender: Redis | None = None
        self._listener: Redis | None = None
        self._failures: tuple[type[Exception], ...] = (OSError,)
        if url is None:
            return
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._failures = (OSError, RedisError)
        # Blocking reads wait for minutes, so no socket timeout there (redis-py 8 has 5 s by default); once again at
        # once heals the connections of a pool whose server was restarted.
        self._sender = Redis.from_url(
            url, socket_timeout=SEND_SECONDS, socket_connect_timeout=SEND_SECONDS, retry=Retry(NoBackoff(), 1)
        )
        self._listener = Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=SEND_SECONDS, retry=Retry(NoBackoff(), 1)
        )

    async def ring(self, lanes: Sequence[str]) -> None:
        """See the port."""
        if self._sender is None or not lanes:
            return
        pipeline = self._sender.pipeline(transaction=False)
        for lane in lanes:
            pipeline.lpush(BELL_PREFIX + lane, b"1")
            pipeline.ltrim(BELL_PREFIX + lane, 0, BELL_TOKENS - 1)
        await self._send(pipeline.execute)

    async def publish(self, messages: Sequence[Message]) -> int:
        """See the port."""
        if self._sender is None or not messages:
            return 0
        pipeline = self._sender.pipeline(transaction=False)
        for channel, payload in messages:
            pipeline.publish(channel, payload)
        return sum(await self._send(pipeline.execute) or ())

    async def ping(self) -> bool:
        """See the port."""
        return self._sender is not None and await self._send(self._sender.ping) is not None

    async def wait_bell(self, lanes: Sequence[str], timeout: float) -> str | None:
        """See the port. The first lane in the order given whose bell holds a token is the one that counts."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._listener is not None and lanes and timeout > 0:
            keys = [BELL_PREFIX + lane for lane in lanes]
            try:
                async with asyncio.timeout(timeout + BELL_GRACE_SECONDS):
                    answer = await cast(Awaitable[Any], self._listener.blpop(keys, timeout=timeout))
            except self._failures as error:
                self._failed(error)
            else:
                self._worked()
                return answer[0].decode().removeprefix(BELL_PREFIX) if answer else None
        await asyncio.sleep(max(0.0, deadline - loop.time()))
        return None

    @asynccontextmanager
    async def subscribe(self, patterns: Sequence[str]) -> AsyncIterator[AsyncIterator[Message]]:
        """See the port. A channel that matches two of the patterns is heard twice."""
        if self._listener is None:
            async with aclosing(_silence()) as silence:
                yield silence
            return
        subscription = _Subscription(self._listener.pubsub, patterns, self._failures, self._failed, self._worked)
        try:
            await subscription.connect()
            async with aclosing(subscription.messages()) as messages:
                yield messages
        finally:
            await subscription.drop()

    async def close(self) -> None:
        """See the port."""
        for client in (self._sender, self._listener):
            if client is not None:
                with contextlib.suppress(*self._failures):
                    await client.aclose()

    async def _send(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """What Redis answers; None where it does not."""
        try:
            answer = await command()
        except self._failures as error:
            self._failed(error)
            return None
        self._worked()
        return answer

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        if not self._away:
            _log.warning("Redis is away, live signals pause until it is back: %s: %s", type(error).__name__, error)
        self._away = True

    def _worked(self) -> None:
        if self._away:
            _log.info("Redis is back, live signals go on")
        self._away = False


class _Subscription:
    """One pub/sub connection that is made anew whenever it breaks. Used by one task."""

    def __init__(
        self,
        pubsub: Callable[[], PubSub],
        patterns: Sequence[str],
        failures: tuple[type[Exception], ...],
        failed: Callable[[Exception], None],
        worked: Callable[[], None],
    ) -> None:
        self._new, self._patterns = pubsub, tuple(dict.fromkeys(patterns))
        self._failures, self._failed, self._worked = failures, failed, worked
        self._pubsub: PubSub | None = None

    async def connect(self) -> None:
        """Wait until Redis has confirmed every pattern, or is found away (then `messages` goes on trying)."""
        self._pubsub = self._new()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._pubsub.psubscribe(*self._patterns)
                confirmed = 0
                while confirmed < len(self._patterns):
                    answer = await self._pubsub.get_message(timeout=SEND_SECONDS)
                    confirmed += answer is not None and answer["type"] == "psubscribe"
        except self._failures as error:
            self._failed(error)
            await self.drop()
        else:
            self._worked()

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Every message from now on, without end."""
        pause = RECONNECT_FIRST_SECONDS
        while True:
            if self._pubsub is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, RECONNECT_MOST_SECONDS)
                await self.connect()
                continue
            pause = RECONNECT_FIRST_SECONDS
            try:
                message = await _next_message(self._pubsub)
            except self._failures as error:
                self._failed(error)
                await self.drop()
                continue
            if message is not None:
                yield message

    async def drop(self) -> None:
        """Close the connection, if there is one."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            with contextlib.suppress(*self._failures):
                await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it without types


async def _next_message(pubsub: PubSub) -> Message | None:
    """The next message, None for an answer that is none. Raises TimeoutError when not even a PING is answered."""
    answer = await pubsub.get_message(timeout=QUIET_SECONDS)
    if answer is None:
        await pubsub.ping()
        answer = await pubsub.get_message(timeout=QUIET_SECONDS)
        if answer is None:
            raise TimeoutError("the subscription's connection answers no more")
    if answer["type"] != "pmessage":
        return None
    return answer["channel"].decode(errors="replace"), answer["data"]


async def _silence() -> AsyncGenerator[Message, None]:
    await asyncio.Future()
    yield "", b""

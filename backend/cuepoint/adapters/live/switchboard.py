"""One subscription for a whole process, whatever the number of those who listen: each hears the channels it asked for.

A process with thousands of subscribers has one connection to Redis for all of them. Who takes too little misses the
oldest messages, as the port allows: nobody else waits for it, and its memory is bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from cuepoint.adapters.live.base import Live
from cuepoint.processes.endless import end, keep_going

EVERYTHING = "cp:*"
MAX_HEARD = 1024  # messages kept for one who does not take them
AGAIN_SECONDS = 1.0  # before it listens anew, when something unexpected has ended the subscription

Message = tuple[str, bytes]


class Switchboard:
    """The port over another one, whose `subscribe` is entered once."""

    def __init__(self, live: Live, *, again_seconds: float = AGAIN_SECONDS) -> None:
        self._live = live
        self._again_seconds = again_seconds
        self._ears: dict[str, set[_Ear]] = {}  # by channel, or by the beginning of channels
        self._task: asyncio.Task[None] | None = None
        self._is_listening = asyncio.Event()

    async def ring(self, lanes: Sequence[str]) -> None:
        """See the port."""
        await self._live.ring(lanes)

    async def wait_bell(self, lanes: Sequence[str], timeout: float) -> str | None:
        """See the port."""
        return await self._live.wait_bell(lanes, timeout)

    async def publish(self, messages: Sequence[Message]) -> int:
        """See the port."""
        return await self._live.publish(messages)

    async def ping(self) -> bool:
        """See the port."""
        return await self._live.ping()

    @asynccontextmanager
    async def subscribe(self, patterns: Sequence[str]) -> AsyncIterator[AsyncIterator[Message]]:
        """See the port. A pattern is a channel, or the beginning of channels and `*`."""
        ear = _Ear()
        wanted = frozenset(patterns)
        for pattern in wanted:
            self._ears.setdefault(pattern, set()).add(ear)
        try:
            if self._task is None or self._task.done():
                self._is_listening.clear()
                self._task = asyncio.create_task(keep_going("live:_listen", self._listen, self._again_seconds))
            await self._is_listening.wait()
            async with aclosing(ear.messages()) as messages:
                yield messages
        finally:
            for pattern in wanted:
                self._ears[pattern].discard(ear)
                if not self._ears[pattern]:
                    del self._ears[pattern]

    async def close(self) -> None:
        """See the port."""
        if self._task is not None:
            await end([self._task])
        await self._live.close()

    async def _listen(self) -> None:
        try:
            async with self._live.subscribe([EVERYTHING]) as messages:
                self._is_listening.set()
                async for channel, payload in messages:
                    family = channel[: channel.rfind(":") + 1] + "*"
                    for pattern in (channel, family):
                        for ear in self._ears.get(pattern, ()):
                            ear.hear((channel, payload))
        finally:
            self._is_listening.set()  # nobody waits for a beginning that fails: messages are hints, as the port says


class _Ear:
    """Who listens."""

    def __init__(self) -> None:
        self._heard: deque[Message] = deque(maxlen=MAX_HEARD)
        self._wake = asyncio.Event()

    def hear(self, message: Message) -> None:
        """A message for it."""
        self._heard.append(message)
        self._wake.set()

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Every message from now on, without end."""
        while True:
            while self._heard:
                yield self._heard.popleft()
            self._wake.clear()
            await self._wake.wait()

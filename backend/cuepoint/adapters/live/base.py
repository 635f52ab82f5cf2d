"""The port of live signals: bells that wake workers, and messages for whoever watches now.

Nothing here is remembered: whoever misses a signal reads Postgres. Losing Redis costs latency, never a job.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Live(Protocol):
    """Sending swallows and counts every Redis error; receiving reconnects by itself."""

    async def ring(self, lanes: Sequence[str]) -> None:
        """One token on the bell of each lane (list `cp:bell:{lane}`, trimmed to 32)."""
        ...

    async def wait_bell(self, lanes: Sequence[str], timeout: float) -> str | None:
        """The lane whose bell rang, or None after `timeout` seconds (also when Redis is away)."""
        ...

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Publish (channel, payload) pairs in one round trip; how many listeners they went to. Channels begin with
        `cp:`."""
        ...

    def subscribe(self, patterns: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, bytes]]]:
        """Messages of channels that match the glob patterns, as (channel, payload). The context is entered once the
        subscription is confirmed (or Redis is found away); after a reconnect it goes on, what was missed is lost."""
        ...

    async def ping(self) -> bool:
        """Whether Redis answers."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

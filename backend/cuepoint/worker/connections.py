"""The worker's own connections to Postgres: two small pools, and statements that outlast an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from cuepoint.db.connecting import connect
from cuepoint.db.outages import DATABASE_ERRORS, Outages, is_conflict, is_outage
from cuepoint.features.jobs.statements import Statements, use_json_text

OUTAGE_FIRST_SECONDS = 0.1
OUTAGE_MOST_SECONDS = 1.0  # finished work waits no longer than this after Postgres is back
COMMAND_SECONDS = 30.0  # no statement of the job layer takes that long; a connection that died silently does

T = TypeVar("T")


async def _keep_as_is(_connection: Any) -> None:
    """Instead of the pool's reset query: nothing is ever set on these connections."""


def _pool(database_url: str, **server_settings: str) -> Any:
    return asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=3,
        connect=connect,
        init=use_json_text,
        reset=_keep_as_is,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": "cuepoint worker", "jit": "off", **server_settings},
    )


class Connections:
    """`lazy` commits asynchronously: a claim or progress that a crash of Postgres forgets is as if never made.
    `durable` waits for the disk. Both tell the same log of outages, as does whoever else asks the same Postgres."""

    def __init__(self, database_url: str) -> None:
        self.outages = Outages()
        self._lazy = _pool(database_url, synchronous_commit="off")
        self._durable = _pool(database_url)

    async def open(self) -> None:
        """Prepare the pools; they connect at first use."""
        await self._lazy
        await self._durable

    async def close(self) -> None:
        """Close every connection."""
        await self._lazy.close()
        await self._durable.close()

    @asynccontextmanager
    async def lazy(self) -> AsyncIterator[Any]:
        """A connection whose commits do not wait."""
        with self.outages.noticing():
            async with self._lazy.acquire() as connection:
                yield connection

    @asynccontextmanager
    async def durable(self) -> AsyncIterator[Any]:
        """A connection whose commits are on the disk."""
        with self.outages.noticing():
            async with self._durable.acquire() as connection:
                yield connection

    async def persistently(self, statement: Callable[[Statements], Awaitable[T]]) -> T:
        """Run one compare-and-set until it has run: through lost races, and for as long as Postgres is away."""
        pause = OUTAGE_FIRST_SECONDS
        while True:
            try:
                async with self.durable() as connection:
                    return await statement(connection)
            except DATABASE_ERRORS as error:
                if is_conflict(error):
                    continue
                if not is_outage(error):
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, OUTAGE_MOST_SECONDS)

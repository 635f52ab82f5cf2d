"""The worker's own connections to Postgres: two small pools, and statements that outlast an outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from cuepoint.features.jobs.statements import DATABASE_ERRORS, Statements, is_conflict, is_outage, use_json_text

OUTAGE_FIRST_SECONDS = 0.1
OUTAGE_MOST_SECONDS = 1.0  # finished work waits no longer than this after Postgres is back
COMMAND_SECONDS = 30.0  # no statement of the job layer takes that long; a connection that died silently does

T = TypeVar("T")
_log = logging.getLogger(__name__)


async def _keep_as_is(_connection: Any) -> None:
    """Instead of the pool's reset query: nothing is ever set on these connections."""


def _pool(database_url: str, **server_settings: str) -> Any:
    return asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=3,
        init=use_json_text,
        reset=_keep_as_is,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": "cuepoint worker", "jit": "off", **server_settings},
    )


class Connections:
    """`lazy` commits asynchronously: a claim or progress that a crash of Postgres forgets is as if never made.
    `durable` waits for the disk."""

    def __init__(self, database_url: str) -> None:
        self.lazy = _pool(database_url, synchronous_commit="off")
        self.durable = _pool(database_url)

    async def open(self) -> None:
        """Prepare the pools; they connect at first use."""
        await self.lazy
        await self.durable

    async def close(self) -> None:
        """Close every connection."""
        await self.lazy.close()
        await self.durable.close()


async def persistently(pool: Any, statement: Callable[[Statements], Awaitable[T]]) -> T:
    """Run one compare-and-set until it has run: through lost races, and for as long as Postgres is away."""
    pause = OUTAGE_FIRST_SECONDS
    while True:
        try:
            async with pool.acquire() as connection:
                return await statement(connection)
        except DATABASE_ERRORS as error:
            if is_conflict(error):
                continue
            if not is_outage(error):
                raise
            _log.warning("Postgres is away, trying again: %s: %s", type(error).__name__, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, OUTAGE_MOST_SECONDS)

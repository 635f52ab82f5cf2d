"""What a database, a Redis server or the box of media children says of itself; for `doctor`, `migrate` and `up`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from cuepoint.cli.errors import UnreachableError
from cuepoint.db.connecting import connect
from cuepoint.processes.child import ChildLimits, run_child
from cuepoint.processes.sandbox import Box, Protections

OLDEST_POSTGRES = 160_000  # server_version_num of 16.0
CONNECT_SECONDS = 5.0
BOX_SECONDS = 30.0  # importing libav from a cold disk
# What a boxed child tries; it prints what it could do, and fails when the box keeps its own libraries from it.
_ATTEMPTS = """
import av, socket, sys
def attempt(name, action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return
    print(name)
attempt("files", open, sys.argv[1])
attempt("connections", socket.socket)
"""


@dataclass(frozen=True)
class DatabaseFacts:
    """`vector` is the installed or installable version of pgvector, None without it; `revision` that of the schema."""

    version: str
    version_number: int
    vector: str | None
    revision: str | None


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = None
    try:
        connection = await connect(url, timeout=CONNECT_SECONDS)
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = " ".join(str(error).split())
        if connection is not None:
            raise UnreachableError(f"Postgres refused: {reason or type(error).__name__}.") from None
        reason = reason or f"nothing came within {CONNECT_SECONDS:.0f} s"
        raise UnreachableError(f"Postgres does not answer ({reason}). Check CUEPOINT_DATABASE_URL.") from None


async def database_facts(url: str) -> DatabaseFacts:
    """Ask Postgres. Raises UnreachableError if it cannot be reached or refuses to tell."""
    async with _connected(url) as connection:
        version = str(await connection.fetchval("SHOW server_version"))
        number = int(await connection.fetchval("SHOW server_version_num"))
        vector = await connection.fetchval(
            "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
        )
        revision = None
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is not None:
            revision = await connection.fetchval("SELECT version_num FROM alembic_version")
        return DatabaseFacts(version, number, vector, revision)


async def live_workers(url: str, host: str) -> int:
    """How many workers of `host` renew their lease. Raises UnreachableError without a database."""
    async with _connected(url) as connection:
        count = await connection.fetchval(
            "SELECT count(*) FROM workers WHERE state IN ('LIVE', 'DRAINING') AND lease_until > clock_timestamp() "
            "AND info ->> 'host' = $1",
            host,
        )
        return int(count)


async def redis_version(url: str) -> str:
    """Ask Redis for its version. Raises redis.RedisError or OSError if it cannot be reached."""
    from redis.asyncio import Redis

    client = Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
    try:
        return str((await client.info("server"))["redis_version"])
    finally:
        await client.aclose()


@dataclass(frozen=True)
class BoxFacts:
    """Which layers hold, what a boxed child still reached ("files", "connections"), and why it failed, if it did."""

    protections: Protections
    reached: tuple[str, ...]
    failure: str | None


async def box_facts(secret: Path) -> BoxFacts:
    """Start a child in the box, as for a foreign file, and let it try to read `secret` and to open a connection."""
    seen: list[Protections] = []
    argv = [sys.executable, "-P", "-c", _ATTEMPTS, str(secret)]
    result = await run_child(argv, timeout=BOX_SECONDS, limits=ChildLimits(), box=Box(), on_box=seen.append)
    failure = None
    if result.returncode != 0 or result.timed_out:
        failure = (result.stderr.strip().splitlines() or [f"status {result.returncode}"])[-1]
    return BoxFacts(seen[0], tuple(result.stdout.decode().split()), failure)

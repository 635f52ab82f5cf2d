"""One way to run a SQL statement with `$1` parameters, on a worker's asyncpg connection or in a caller's session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
import orjson
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

# After these the same transaction may succeed, because it lost a race: deadlock_detected, serialization_failure, and
# unique_violation (two retries that take one dedupe_key).
_CONFLICT = frozenset({"40P01", "40001", "23505"})
# The server is away; beside class 08, connection exceptions: shutdown, crash, starting up, idle, too many connections.
_OUTAGE = frozenset({"57P01", "57P02", "57P03", "57P05", "53300"})

# What a database call may raise: SQLAlchemy's wrapper; asyncpg's own and the socket's errors come through bare while
# connecting. InternalClientError: the connection broke while it was set up (found by a chaos run). PoolTimeoutError: no
# connection became free in time.
DATABASE_ERRORS = (
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


class Statements(Protocol):
    """What transitions run on. An asyncpg connection or pool is one."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """Rows of one statement."""
        ...


class InSession:
    """Statements inside the transaction of an `AsyncSession`; pending ORM rows are flushed first."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """Rows of one statement."""
        await self._session.flush()
        connection = await self._session.connection()
        result = await connection.exec_driver_sql(query, args)
        return result.mappings().all()


async def use_json_text(connection: Any) -> None:
    """Codec of an own asyncpg connection as SQLAlchemy sets it up: jsonb goes in as text, comes out decoded."""
    await connection.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog", format="text")


def to_json(value: Any) -> str | None:
    """A jsonb parameter; None stays SQL null."""
    return None if value is None else orjson.dumps(value, default=str).decode()


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, through SQLAlchemy's wrapper."""
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_conflict(error: BaseException) -> bool:
    """Whether a concurrent transaction won: repeat the whole transaction."""
    return sqlstate(error) in _CONFLICT


def is_outage(error: BaseException) -> bool:
    """Whether the server is away, dropped the connection or has none free: the outcome of a commit is unknown."""
    if isinstance(
        error, OSError | TimeoutError | PoolTimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    ):
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error.orig, OSError)):
        return True
    state = sqlstate(error)
    return state is not None and (state in _OUTAGE or state.startswith("08"))

"""Statements on asyncpg itself, inside the transaction of a session.

SQLAlchemy describes each column of each result of a text anew: for the row of a job, of some forty columns, that takes
as long as Postgres takes for the statement.
"""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

# What asyncpg raises; InternalClientError where the server hung up just before the statement.
ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def is_lost(driver: Any, error: BaseException) -> bool:
    """Whether the connection is of no more use after what a statement on it raised."""
    return driver.is_closed() or isinstance(error, asyncpg.InternalClientError)


async def fetch(session: AsyncSession, sql: str, *values: Any) -> list[asyncpg.Record]:
    """Rows of a statement with `$1` parameters; pending entities are flushed first. Raises DBAPIError."""
    await session.flush()
    connection = await session.connection()
    for note in connection.sync_connection.dispatch.before_cursor_execute:  # type: ignore[union-attr]
        note(connection.sync_connection, None, sql, values, None, False)
    adapted: Any = (await connection.get_raw_connection()).dbapi_connection
    driver = adapted.driver_connection
    known = (*ERRORS, OSError, connection.dialect.loaded_dbapi.Error)
    try:
        if adapted._transaction is None:  # noqa: SLF001  # as SQLAlchemy's own cursor does: no public way
            await adapted._start_transaction()  # noqa: SLF001
        found: list[asyncpg.Record] = await driver.fetch(sql, *values)
    except known as error:
        if has_lost := is_lost(driver, error):
            await connection.invalidate()
        raise DBAPIError(sql, values, error, connection_invalidated=has_lost) from error
    except BaseException:  # cancelled: nobody knows what the server is at
        await connection.invalidate()
        raise
    return found

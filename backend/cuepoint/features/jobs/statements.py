"""One way to run a SQL statement with `$1` parameters, on a worker's asyncpg connection or in a caller's session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.driver import fetch
from cuepoint.db.outages import DATABASE_ERRORS, is_conflict, is_outage

__all__ = ["DATABASE_ERRORS", "InSession", "Statements", "is_conflict", "is_outage", "to_json", "use_json_text"]


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
        return await fetch(self._session, query, *args)


async def use_json_text(connection: Any) -> None:
    """Codec of an own asyncpg connection as SQLAlchemy sets it up: jsonb goes in as text, comes out decoded."""
    await connection.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog", format="text")


def to_json(value: Any) -> str | None:
    """A jsonb parameter; None stays SQL null."""
    return None if value is None else orjson.dumps(value, default=str).decode()

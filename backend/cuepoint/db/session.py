"""Unit of work: the only module that opens, commits or rolls back a transaction of SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pgvector.asyncpg import register_vector
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

# A transaction that sits idle for a minute holds locks and blocks vacuum: no session may be open across an
# adapter call (HOUSE section 7), and this ends the one that is.
IDLE_IN_TRANSACTION_MS = 60_000

Effect = object
Dispatch = Callable[[Sequence[Effect]], Awaitable[None]]

_EFFECTS = "cuepoint.effects"


def after_commit(session: AsyncSession, effect: Effect) -> None:
    """Hand `effect` to the dispatcher once the transaction of `session` has committed; never after a rollback.

    Effects are plain values (ring a bell, publish an event), so that equal ones are sent once and many in one
    round trip. See docs/decisions/0002.
    """
    session.info.setdefault(_EFFECTS, []).append(effect)


class Database:
    """An engine and its units of work. `dispatch` receives the effects of each committed transaction.

    `info` is what every session carries along as its `info`, for instance the limits of the job queue.
    """

    def __init__(
        self, engine: AsyncEngine, dispatch: Dispatch | None = None, *, info: Mapping[Any, Any] | None = None
    ) -> None:
        self.engine = engine
        self._dispatch = dispatch
        self._sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False, info=dict(info or {}))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A short session for statements that change nothing."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits at the end, then dispatches its effects; rolls back on any exception."""
        async with self._sessions() as session:
            async with session.begin():
                yield session
            effects = session.info.pop(_EFFECTS, [])
        if effects and self._dispatch is not None:
            await self._dispatch(effects)

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


def sqlalchemy_url(database_url: str) -> str:
    """`postgresql://...` as SQLAlchemy's asyncpg dialect wants it."""
    scheme, rest = database_url.split("://", 1)
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("CUEPOINT_DATABASE_URL must begin with postgresql://")
    return f"postgresql+asyncpg://{rest}"


def create_engine(
    database_url: str, *, pool_size: int = 10, application_name: str = "cuepoint", vectors: bool = True
) -> AsyncEngine:
    """An asyncpg engine whose connections know pgvector's binary codec.

    Without `vectors` it also opens a database that lacks the extension, as a migration must.
    """
    engine = create_async_engine(
        sqlalchemy_url(database_url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={
            "server_settings": {
                "application_name": application_name,
                "jit": "off",
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            }
        },
    )

    if not vectors:
        return engine

    @event.listens_for(engine.sync_engine, "connect")
    def _register_codecs(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.run_async(register_vector)

    return engine

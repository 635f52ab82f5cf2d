"""Unit of work: the only module that opens, commits or rolls back a transaction of SQLAlchemy."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any

import asyncpg
import orjson
from pgvector.asyncpg import register_vector
from sqlalchemy import Dialect, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from cuepoint.db.connecting import Deadline, connect
from cuepoint.db.outages import Outages, UnreachableError, is_outage_of_unit
from cuepoint.db.reading import Reader, Selects

# A transaction that sits idle for a minute holds locks and blocks vacuum: no session may be open across an
# adapter call (HOUSE section 7), and this ends the one that is.
IDLE_IN_TRANSACTION_MS = 60_000

# Postgres accepts within milliseconds, and refuses at once while it starts or has no connection free: one that does not
# answer for so long hangs or is cut off. asyncpg would wait a minute, longer than most clients do for an answer.
CONNECT_SECONDS = 10.0

Effect = object
Dispatch = Callable[[Sequence[Effect]], Awaitable[None]]

# A connection that was used so lately is taken as it is; what breaks it meanwhile the client's socket tells at once.
TRUSTED_SECONDS = 10.0

_COUNT: ContextVar[list[int] | None] = ContextVar("statements", default=None)
_CHANGE = re.compile(r"\s*+(?:insert|update|delete|merge|truncate)\b", re.IGNORECASE)
_EFFECTS = "cuepoint.effects"
_RETURNED = "cuepoint.returned"


def after_commit(session: AsyncSession, effect: Effect) -> None:
    """Hand `effect` to the dispatcher once the transaction of `session` has committed; never after a rollback.

    Effects are plain values (ring a bell, publish an event), so that equal ones are sent once and many in one
    round trip. See docs/decisions/0002.
    """
    session.info.setdefault(_EFFECTS, []).append(effect)


@contextmanager
def counting_statements() -> Iterator[list[int]]:
    """Inside the block the list holds the number of statements executed so far, in tasks begun in it too."""
    count = [0]
    token = _COUNT.set(count)
    try:
        yield count
    finally:
        _COUNT.reset(token)


def noted_effects(session: AsyncSession) -> int:
    """How many effects the transaction has asked for so far."""
    return len(session.info.get(_EFFECTS, ()))


def forget_effects(session: AsyncSession, after: int) -> None:
    """Effects behind the first `after` belong to a part of the transaction that was undone."""
    del session.info.get(_EFFECTS, [])[after:]


class ReadOnlyError(Exception):
    """A statement that changes something where nothing may change."""


class Database:
    """An engine and its units of work. `dispatch` receives the effects of each committed transaction.

    `info` is what every session carries along as its `info`, for instance the limits of the job queue. `outages`
    watches its units of work. A statement of a session for reading fails as in an outage after `read_seconds`.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        dispatch: Dispatch | None = None,
        *,
        info: Mapping[Any, Any] | None = None,
        outages: Outages | None = None,
        read_seconds: float | None = None,
    ) -> None:
        self.engine = engine
        self._dispatch = dispatch
        self._noticing = nullcontext if outages is None else partial(outages.noticing, is_outage=is_outage_of_unit)
        self._sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False, info=dict(info or {}))
        # Each statement of a reader is its own transaction: no BEGIN and ROLLBACK around it, two round trips less. At
        # READ COMMITTED, the level of both, a transaction would not show it anything else.
        reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(reading.sync_engine, "before_cursor_execute", _refuse_change)
        self._selects = Selects(reading.sync_engine, read_seconds)
        self._reading = {"bind": reading, "expire_on_commit": False, "autoflush": False, "info": dict(info or {})}
        self.writes = 0  # transactions that have ended here: what was read before the last of them may be stale

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A short session for statements that change nothing; a lock that one of them takes is gone with it."""
        session = Reader(self._selects, **self._reading)
        with self._noticing(lambda: session.has_asked):
            try:
                yield session
            finally:
                await session.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits at the end, then dispatches its effects; rolls back on any exception."""
        with self._noticing():
            async with self._sessions() as session:
                try:
                    async with session.begin():
                        yield session
                finally:
                    self.writes += 1  # a commit whose answer was lost may have gone through
                effects = session.info.pop(_EFFECTS, [])
        if effects and self._dispatch is not None:
            await self._dispatch(effects)

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


def create_engine(
    database_url: str,
    *,
    pool_size: int = 10,
    application_name: str = "cuepoint",
    vectors: bool = True,
    connect_seconds: float = CONNECT_SECONDS,
) -> AsyncEngine:
    """An asyncpg engine whose connections know pgvector's binary codec. asyncpg itself reads the address, as it does
    wherever no engine is used: SQLAlchemy would read sslmode and other names differently.

    Without `vectors` it also opens a database that lacks the extension, as a migration must.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(
            _connect,
            database_url,
            connect_seconds,
            application_name=application_name,
            jit="off",
            idle_in_transaction_session_timeout=str(IDLE_IN_TRANSACTION_MS),
        ),
        pool_size=pool_size,
        max_overflow=pool_size,
        skip_autocommit_rollback=True,
        json_deserializer=orjson.loads,
    )

    event.listen(engine.sync_engine, "checkout", partial(_check_alive, engine.dialect, Deadline(connect_seconds)))
    event.listen(engine.sync_engine, "checkin", _note_return)
    event.listen(engine.sync_engine, "before_cursor_execute", _count_statement)
    if not vectors:
        return engine

    @event.listens_for(engine.sync_engine, "connect")
    def _register_codecs(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.run_async(register_vector)

    return engine


async def _connect(database_url: str, seconds: float, **server_settings: str) -> asyncpg.Connection:
    try:
        return await connect(database_url, timeout=seconds, server_settings=server_settings)
    except OSError as error:  # TimeoutError, which says nothing by itself, is one
        raise UnreachableError(*(error.args or (f"no answer within {seconds:g} s",))) from error


def _refuse_change(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if _CHANGE.match(statement):
        raise ReadOnlyError(f"a session for reading cannot execute {statement[:80]!r}; use Database.write")


def _count_statement(*_: Any) -> None:
    count = _COUNT.get()
    if count is not None:
        count[0] += 1


def _check_alive(dialect: Dialect, deadline: Deadline, connection: Any, record: Any, _proxy: Any) -> None:
    """A connection that the server has closed is replaced; asked are only those that nobody has used for a while.

    SQLAlchemy's own check asks at every use, which costs as much as the query itself.
    """
    is_stale = time.monotonic() - record.info.get(_RETURNED, 0.0) > TRUSTED_SECONDS
    driver = connection.driver_connection
    if not driver.is_closed() and not (_RETURNED in record.info and is_stale):
        return
    deadline.begin(driver)
    try:
        dialect.do_ping(connection)
    except (dialect.loaded_dbapi.Error, OSError) as error:
        raise DisconnectionError from error
    finally:
        deadline.end(driver)


def _note_return(_connection: Any, record: Any) -> None:
    if record is not None:
        record.info[_RETURNED] = time.monotonic()

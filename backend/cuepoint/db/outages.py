"""What an error of the database means: a race that was lost, or an outage, of which the log is told once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cuepoint.errors import DatabaseAwayError

# After these the same transaction may succeed, because it lost a race: deadlock_detected, serialization_failure, and
# unique_violation (two retries that take one dedupe_key).
_CONFLICT = frozenset({"40P01", "40001", "23505"})
# The server is away; beside class 08, connection exceptions: shutdown, crash, starting up, idle, too many connections.
_OUTAGE = frozenset({"57P01", "57P02", "57P03", "57P05", "53300"})

# What a database call may raise: SQLAlchemy's wrapper; asyncpg's own and the socket's errors come through bare while
# connecting. InternalClientError: the connection broke while it was set up (found by a chaos run). PoolTimeoutError: no
# connection became free in time. DatabaseAwayError: what `Outages` makes of these.
DATABASE_ERRORS = (
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    DatabaseAwayError,
)
_AWAY = (
    OSError,
    PoolTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DatabaseAwayError,
)


class UnreachableError(ConnectionError):
    """A connection to Postgres could not be opened."""


RETRY_SECONDS = 2.0  # a Postgres that restarts is back within seconds

_log = logging.getLogger(__name__)


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, through SQLAlchemy's wrapper."""
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_conflict(error: BaseException) -> bool:
    """Whether a concurrent transaction won: repeat the whole transaction."""
    return sqlstate(error) in _CONFLICT


def is_outage(error: BaseException) -> bool:
    """Whether the server is away, dropped the connection or has none free: the outcome of a commit is unknown."""
    if isinstance(error, _AWAY):
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error.orig, OSError)):
        return True
    state = sqlstate(error)
    return state is not None and (state in _OUTAGE or state.startswith("08"))


def is_outage_of_unit(error: BaseException) -> bool:
    """`is_outage` for what comes out of a unit of work, whose code has files and sockets of its own that may break."""
    return is_outage(error) and (isinstance(error, UnreachableError) or not isinstance(error, OSError))


class Outages:
    """Watches the uses of one Postgres: the log has one line when it goes away and one when it is back.

    With `answers` somebody waits for what is asked of it, and is told by a DatabaseAwayError, which says what to do;
    without, the errors stay what they are, for loops that try again by themselves.
    """

    def __init__(self, *, answers: bool = False) -> None:
        self._answers = answers
        self._is_away = False

    @contextmanager
    def noticing(
        self, has_asked: Callable[[], bool] = lambda: True, is_outage: Callable[[BaseException], bool] = is_outage
    ) -> Iterator[None]:
        """Around each use. One that began before the outage was noticed says nothing about its end, nor does one that
        has not asked for anything."""
        was_away = self._is_away
        try:
            yield
        except DATABASE_ERRORS as error:
            if not is_outage(error) or isinstance(error, DatabaseAwayError):
                raise
            if not self._is_away:
                cause = error.orig if isinstance(error, DBAPIError) else error  # without statement and parameters
                _log.warning("Postgres is away, or has no connection free: %s: %s", type(cause).__name__, cause)
            self._is_away = True
            if not self._answers:
                raise
            raise DatabaseAwayError(
                "The database cannot be reached at the moment. Send the request again; a mutation with its "
                "idempotencyKey, as it may have gone through.",
                retry_after_seconds=RETRY_SECONDS,
            ) from error
        if was_away and self._is_away and has_asked():
            self._is_away = False
            _log.info("Postgres is back")

"""Several units of work as one transaction: all that they did is committed at the end, or nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database, forget_effects, noted_effects


class OneTransaction(Database):
    """A database whose units of work join one transaction while the block lasts; an exception undoes them all.

    It begins with the first unit of work that writes, after `first` has passed; reads before that take part in
    nothing, so that no transaction is open while a file is moved. Each unit that writes is a savepoint: one that fails
    leaves those before it as they are. For the callers of one mutation, one after the other, never at the same time.
    """

    def __init__(self, db: Database, first: Callable[[AsyncSession], Awaitable[None]]) -> None:
        self.engine = db.engine
        self._db = db
        self._first = first
        self._stack = AsyncExitStack()
        self._session: AsyncSession | None = None

    async def __aenter__(self) -> OneTransaction:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session = None
        await self._stack.__aexit__(kind, error, traceback)

    async def begin(self) -> AsyncSession:
        """The session of the transaction, which begins now at the latest."""
        if self._session is None:
            session = await self._stack.enter_async_context(self._db.write())
            await self._first(session)
            self._session = session
        return self._session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """What the transaction would see if it were over; before it began, a session of its own."""
        if self._session is not None:
            yield self._session
        else:
            async with self._db.read() as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A part of the transaction: undone by an exception, with the effects that it asked for."""
        session = await self.begin()
        before = noted_effects(session)
        try:
            async with session.begin_nested():
                yield session
        except BaseException:
            forget_effects(session, before)
            raise

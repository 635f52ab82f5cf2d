"""Statements on asyncpg itself in a session: they share its transaction, its errors and its listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from cuepoint.db.driver import fetch
from cuepoint.db.outages import is_outage
from cuepoint.db.session import Database, ReadOnlyError, counting_statements, create_engine
from cuepoint.features.projects.models import Project

PID = "select pg_backend_pid() as pid"


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Database]:
    """Units of work that have the same connection, one after the other."""
    engine = create_engine(database_url, pool_size=1)
    yield Database(engine)
    await engine.dispose()


class BrokenError(Exception):
    """What the test breaks a transaction with."""


async def add_and_break(db: Database) -> None:
    async with db.write() as session:
        await fetch(session, "insert into lanes (name) values ($1) returning name", "gone")
        raise BrokenError


async def run(db: Database, sql: str) -> list[asyncpg.Record]:
    async with db.write() as session:
        return await fetch(session, sql)


async def pid(db: Database) -> int:
    (row,) = await run(db, PID)
    return int(row["pid"])


async def end_and_run(db: Database, pid: int, sql: str) -> None:
    async with db.write() as session:
        await session.connection()  # of that process, and nothing is sent on it yet
        async with db.write() as other:
            await fetch(other, "select pg_terminate_backend($1)", pid)
        await fetch(session, sql)


class TestFetch:
    async def test_rows_by_the_names_of_their_columns(self, db: Database) -> None:
        async with db.write() as session:
            rows = await fetch(session, "select $1::integer as number, $2::jsonb as value", 7, '{"a": [1]}')

        assert [dict(row) for row in rows] == [{"number": 7, "value": {"a": [1]}}]

    async def test_the_first_statement_is_taken_back_with_the_transaction(self, db: Database) -> None:
        with pytest.raises(BrokenError):
            await add_and_break(db)

        async with db.write() as session:
            assert await fetch(session, "select name from lanes where name = 'gone'") == []

    async def test_it_is_in_the_transaction_of_what_went_before(self, db: Database) -> None:
        async with db.write() as session:
            before = (await session.execute(text("select pg_current_xact_id()::text"))).scalar_one()
            (row,) = await fetch(session, "select pg_current_xact_id()::text as id")

        assert row["id"] == before

    async def test_what_is_pending_is_written_before_it(self, db: Database) -> None:
        async with db.write() as session:
            session.add(Project(name="Harbour"))
            rows = await fetch(session, "select name from projects")

        assert [row["name"] for row in rows] == ["Harbour"]

    async def test_it_counts_and_is_told_to_those_who_listen(self, db: Database) -> None:
        told: list[tuple[str, tuple[int, ...]]] = []

        def listen(_connection: object, _cursor: object, sql: str, values: tuple[int, ...], *_: object) -> None:
            told.append((sql, values))

        event.listen(db.engine.sync_engine, "before_cursor_execute", listen)
        with counting_statements() as count:
            async with db.write() as session:
                await fetch(session, "select $1::integer", 3)
        event.remove(db.engine.sync_engine, "before_cursor_execute", listen)

        assert count == [1]
        assert told == [("select $1::integer", (3,))]

    async def test_a_session_for_reading_refuses_a_change(self, db: Database) -> None:
        async with db.read() as session:
            with pytest.raises(ReadOnlyError):
                await fetch(session, "insert into lanes (name) values ('gone')")


class TestErrors:
    async def test_it_is_one_of_sqlalchemys_and_the_connection_goes_on(self, small: Database) -> None:
        before = await pid(small)

        with pytest.raises(DBAPIError, match="division by zero") as raised:
            await run(small, "select 1 / 0")

        assert not raised.value.connection_invalidated
        assert await pid(small) == before

    async def test_nothing_goes_on_with_a_connection_that_the_server_ended(self, small: Database) -> None:
        before = await pid(small)

        with pytest.raises(DBAPIError) as raised:
            await run(small, "select pg_terminate_backend(pg_backend_pid())")

        assert raised.value.connection_invalidated
        assert is_outage(raised.value)
        assert await pid(small) != before

    async def test_nor_with_one_that_was_ended_before_the_transaction_began(self, small: Database) -> None:
        before = await pid(small)

        with pytest.raises(DBAPIError) as raised:
            await end_and_run(small, before, PID)

        assert raised.value.connection_invalidated
        assert is_outage(raised.value)
        assert await pid(small) != before

    async def test_a_cancelled_one_gives_its_connection_up(self, small: Database) -> None:
        before = await pid(small)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run(small, "select pg_sleep(5)"), 0.05)

        assert await pid(small) != before

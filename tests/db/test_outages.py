"""What counts as an error of the database and as its being away, and what is told of that."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from socket import AF_UNIX, socket

import pytest
from sqlalchemy import literal, select
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.outages import DATABASE_ERRORS, Outages, is_outage
from cuepoint.db.session import Database, create_engine
from cuepoint.errors import DatabaseAwayError

NO_CONNECTION = PoolTimeoutError("QueuePool limit of size 1 overflow 1 reached")


def fail(outages: Outages, error: Exception) -> BaseException:
    """What comes of an error."""
    with pytest.raises(DATABASE_ERRORS) as raised, outages.noticing():
        raise error
    return raised.value


class TestIsOutage:
    def test_a_pool_without_a_free_connection_is_one(self) -> None:
        assert isinstance(NO_CONNECTION, DATABASE_ERRORS)
        assert is_outage(NO_CONNECTION)


class TestOutages:
    def test_one_line_for_each_and_one_for_its_end(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        outages = Outages()

        for _ in range(2):
            for _ in range(3):
                assert fail(outages, NO_CONNECTION) is NO_CONNECTION
            for _ in range(3):
                with outages.noticing():
                    pass

        away = "Postgres is away, or has no connection free: TimeoutError: QueuePool limit of size 1 overflow 1 reached"
        assert [one.message for one in caplog.records] == [away, "Postgres is back"] * 2

    def test_what_began_before_says_nothing_of_the_end(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        outages = Outages()

        with outages.noticing():
            fail(outages, NO_CONNECTION)

        assert len(caplog.records) == 1

    async def test_a_session_that_asked_for_nothing_says_nothing_of_it_either(
        self, db: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        outages = Outages()
        watched = Database(db.engine, outages=outages)
        fail(outages, NO_CONNECTION)

        async with watched.read():
            pass
        without = len(caplog.records)
        async with watched.read() as session:
            await session.scalar(select(literal(1)))

        assert (without, len(caplog.records)) == (1, 2)

    def test_who_waits_for_an_answer_gets_one_that_says_what_to_do(self) -> None:
        outages = Outages(answers=True)

        answer = fail(outages, NO_CONNECTION)
        again = fail(outages, answer)

        assert isinstance(answer, DatabaseAwayError)
        assert again is answer
        assert (answer.retryable, answer.retry_after_seconds) == (True, 2.0)
        assert is_outage(answer)
        assert answer.__cause__ is NO_CONNECTION

    def test_another_error_stays_what_it_is(self) -> None:
        with pytest.raises(ValueError, match="refused"), Outages(answers=True).noticing():
            raise ValueError("refused")


class TestUnitsOfWork:
    async def test_a_file_that_breaks_in_one_is_no_outage(self, db: Database, caplog: pytest.LogCaptureFixture) -> None:
        watched = Database(db.engine, outages=Outages(answers=True))

        for unit in (watched.read, watched.write):
            with pytest.raises(FileNotFoundError):
                async with unit():
                    raise FileNotFoundError("poster.jpg")

        assert caplog.records == []

    async def test_a_server_that_is_not_there_is_one(self, tmp_path: Path) -> None:
        watched = Database(create_engine(f"postgresql://u@/x?host={tmp_path}"), outages=Outages(answers=True))

        for unit in (watched.read, watched.write):
            with pytest.raises(DatabaseAwayError):
                await ask(unit())

    async def test_so_is_one_that_hangs(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        engine = create_engine(f"postgresql://u@/x?host={tmp_path}", connect_seconds=0.05)
        with socket(AF_UNIX) as hung:
            hung.bind(str(tmp_path / ".s.PGSQL.5432"))
            hung.listen()

            with pytest.raises(DatabaseAwayError):
                await ask(Database(engine, outages=Outages(answers=True)).read())

        assert "UnreachableError: no answer within 0.05 s" in caplog.text


async def ask(unit: AbstractAsyncContextManager[AsyncSession]) -> None:
    """One statement in a unit of work."""
    async with unit as session:
        await session.scalar(select(literal(1)))

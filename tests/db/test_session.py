"""The unit of work on real Postgres: what is written, what is taken back, and what follows a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from cuepoint.cli.probes import database_facts
from cuepoint.config import load_settings
from cuepoint.db.session import (
    IDLE_IN_TRANSACTION_MS,
    Database,
    Effect,
    ReadOnlyError,
    after_commit,
    counting_statements,
    create_engine,
)

ADD = text("insert into lanes (name) values ('test')")
COUNT = text("select count(*) from lanes where name = 'test'")


class BrokenError(Exception):
    """What the tests break a transaction with."""


class Recorder:
    """A dispatcher that notes what it gets, and what another transaction sees at that time."""

    def __init__(self) -> None:
        self.batches: list[list[Effect]] = []
        self.seen: list[int] = []
        self.db: Database | None = None

    async def __call__(self, effects: Sequence[Effect]) -> None:
        assert self.db is not None
        self.batches.append(list(effects))
        async with self.db.read() as session:
            self.seen.append((await session.execute(COUNT)).scalar_one())


@pytest.fixture
async def recorder(own_database_url: str):
    recorder = Recorder()
    recorder.db = Database(create_engine(own_database_url, pool_size=2), recorder)
    yield recorder
    await recorder.db.close()


class TestWrite:
    async def test_effects_follow_the_commit_together_and_in_order(self, recorder: Recorder) -> None:
        async with recorder.db.write() as session:
            await session.execute(ADD)
            after_commit(session, "bell")
            after_commit(session, "event")

        assert recorder.batches == [["bell", "event"]]
        assert recorder.seen == [1]

    async def test_after_a_rollback_nothing_is_written_and_nothing_follows(self, recorder: Recorder) -> None:
        async def break_off() -> None:
            async with recorder.db.write() as session:
                await session.execute(ADD)
                after_commit(session, "bell")
                raise BrokenError

        with pytest.raises(BrokenError):
            await break_off()

        assert recorder.batches == []
        async with recorder.db.read() as session:
            assert (await session.execute(COUNT)).scalar_one() == 0

    async def test_without_effects_nobody_is_called(self, recorder: Recorder) -> None:
        async with recorder.db.write() as session:
            await session.execute(ADD)

        assert recorder.batches == []

    async def test_effects_are_those_of_one_transaction_alone(self, recorder: Recorder) -> None:
        for effect in ("first", "second"):
            async with recorder.db.write() as session:
                after_commit(session, effect)

        assert recorder.batches == [["first"], ["second"]]

    async def test_counts_those_whose_end_nobody_knows(self, recorder: Recorder) -> None:
        async def lose() -> None:
            async with recorder.db.write() as session:
                await session.execute(ADD)
                raise BrokenError

        with pytest.raises(BrokenError):
            await lose()

        assert recorder.db.writes == 1


class TestRead:
    async def test_changes_nothing(self, recorder: Recorder) -> None:
        async with recorder.db.read() as session:
            with pytest.raises(ReadOnlyError, match="use Database"):
                await session.execute(ADD)

        async with recorder.db.read() as session:
            assert (await session.execute(COUNT)).scalar_one() == 0


class TestCountingStatements:
    async def test_counts_those_of_tasks_begun_in_it(self, recorder: Recorder) -> None:
        async def read() -> None:
            async with recorder.db.read() as session:
                await session.execute(COUNT)

        with counting_statements() as count:
            await read()
            await asyncio.gather(read(), read())
        await read()

        assert count == [3]


class TestCreateEngine:
    async def test_a_transaction_that_sits_idle_is_ended_by_the_server(self, recorder: Recorder) -> None:
        async with recorder.db.read() as session:
            setting = await session.execute(text("select current_setting('idle_in_transaction_session_timeout')"))

            assert setting.scalar_one() == f"{IDLE_IN_TRANSACTION_MS // 60_000}min"

    async def test_an_address_as_providers_hand_it_out(self, own_database_url: str) -> None:
        given = f"{own_database_url}&sslmode=disable&application_name=x&connect_timeout=5&work_mem=5MB"
        address = load_settings({"CUEPOINT_DATABASE_URL": given}).database_url
        assert address is not None
        facts = await database_facts(address.get_secret_value())
        engine = create_engine(address.get_secret_value(), pool_size=1, application_name="ours")
        settings = "select current_setting('application_name'), current_setting('work_mem'), '{\"a\": 1}'::jsonb"

        async with engine.connect() as connection:
            row = (await connection.exec_driver_sql(settings)).one()
        await engine.dispose()

        assert tuple(row) == ("ours", "5MB", {"a": 1})
        assert facts.vector is not None

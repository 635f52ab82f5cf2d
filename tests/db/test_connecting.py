"""Connections to a Postgres that stops to answer: what the kernel is asked for, and statements that are given up."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import QueuePool

from cuepoint.db import session as sessions
from cuepoint.db.base import uuid7
from cuepoint.db.connecting import LOST_SECONDS, Deadline, connect
from cuepoint.db.outages import Outages
from cuepoint.db.session import Database, create_engine
from cuepoint.errors import DatabaseAwayError
from cuepoint.features.projects.models import Project
from cuepoint.worker.connections import Connections
from tests.support.relay import Relay

ROOT = Path(__file__).resolve().parents[2]
ONE = select(literal(1))
Read = Callable[[AsyncSession], Awaitable[Any]]


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with Relay.to(database_url) as made:
        yield made


@dataclass
class Behind:
    """The same connections behind a relay, for who waits and for who gives up soon: what is asked of a server that
    answers takes as long as it takes."""

    patient: Database
    hurried: Database


@pytest.fixture
async def behind(relay: Relay) -> AsyncIterator[Behind]:
    engine = create_engine(relay.url, pool_size=2)
    yield Behind(Database(engine), Database(engine, outages=Outages(answers=True), read_seconds=0.02))
    await engine.dispose()


async def ask(db: Database, read: Read = lambda session: session.scalar(ONE)) -> Any:
    """What is read in a session of its own."""
    async with db.read() as session:
        return await read(session)


async def until_answered(db: Database) -> None:
    """The server is asked again, as long as it takes longer than it may."""
    while True:
        with suppress(DatabaseAwayError):
            assert await ask(db) == 1
            return


def options_of(connection: Any) -> dict[str, int]:
    """What the kernel was asked for, in seconds but for the last."""
    used = connection._transport.get_extra_info("socket")
    names = ["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"]
    found = {name: used.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names}
    return found | {"SO_KEEPALIVE": used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)}


ASKED = {
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": LOST_SECONDS * 1000,
    "SO_KEEPALIVE": 1,
}


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="an option of Linux")
class TestConnect:
    async def test_a_silent_machine_is_given_up_by_the_connections_of_each_pool(
        self, relay: Relay, behind: Behind
    ) -> None:
        worker = Connections(relay.url)
        await worker.open()
        found = []

        async with behind.patient.read() as session:
            found.append(options_of((await (await session.connection()).get_raw_connection()).driver_connection))
        for acquire in (worker.lazy, worker.durable):
            async with acquire() as connection:
                found.append(options_of(connection._con))
        await worker.close()

        assert found == [ASKED] * 3

    async def test_nobody_opens_one_in_another_way(self) -> None:
        """But for the embedded server's own, which is at the other end of a socket of this machine."""
        opening = re.compile(r"asyncpg\.connect\(|asyncpg\.create_pool\((?![^)]*connect=connect)")

        found = {
            path.name for path in (ROOT / "backend/cuepoint").rglob("*.py") if opening.search(path.read_text("utf-8"))
        }

        assert found == {"connecting.py", "postgres.py"}

    async def test_a_socket_of_this_machine_is_asked_for_nothing(self, database_url: str) -> None:
        connection = await connect(database_url)

        assert await connection.fetchval("select 1") == 1

        await connection.close()


class TestStatementsWithoutAnAnswer:
    @pytest.mark.parametrize(
        "read",
        [
            lambda session: session.scalar(ONE),
            lambda session: session.scalar(text("select 1")),
            lambda session: session.get(Project, uuid7()),
        ],
        ids=["select", "text", "entity"],
    )
    async def test_fail_as_in_an_outage_and_are_answered_once_it_goes_on(
        self, relay: Relay, behind: Behind, read: Read
    ) -> None:
        await ask(behind.patient, read)
        relay.carries.clear()

        with pytest.raises(DatabaseAwayError) as raised:
            await ask(behind.hurried, read)
        in_use = cast(QueuePool, behind.hurried.engine.pool).checkedout()
        relay.carries.set()

        assert raised.value.retry_after_seconds == 2.0
        assert in_use == 0
        assert await ask(behind.patient) == 1

    async def test_all_that_wait_are_given_up(
        self, relay: Relay, behind: Behind, caplog: pytest.LogCaptureFixture
    ) -> None:
        await asyncio.gather(ask(behind.patient), ask(behind.patient))
        relay.carries.clear()

        answers = await asyncio.gather(ask(behind.hurried), ask(behind.hurried), return_exceptions=True)

        assert [type(answer) for answer in answers] == [DatabaseAwayError] * 2
        assert "No answer of Postgres within 0.02 s" in caplog.text

    async def test_a_connection_that_lay_idle_is_not_asked_for_longer_than_for_a_new_one(
        self, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "TRUSTED_SECONDS", -1.0)
        db = Database(create_engine(relay.url, connect_seconds=0.2), outages=Outages(answers=True))
        await until_answered(db)
        relay.carries.clear()

        with pytest.raises(DatabaseAwayError):
            await ask(db)
        relay.carries.set()

        await until_answered(db)
        await db.close()


class Watched:
    """A connection, as far as a deadline knows it."""

    def __init__(self) -> None:
        self.dropped = asyncio.Event()

    def terminate(self) -> None:
        """It is closed at once."""
        self.dropped.set()


class TestDeadline:
    async def test_what_was_answered_is_kept_and_what_began_later_has_its_own_time(self) -> None:
        deadline = Deadline(0.02)
        first, answered, second = Watched(), Watched(), Watched()

        deadline.begin(cast(Any, answered))
        deadline.begin(cast(Any, first))
        deadline.end(cast(Any, answered))
        asyncio.get_running_loop().call_later(0.01, deadline.begin, second)
        await first.dropped.wait()
        await second.dropped.wait()

        assert not answered.dropped.is_set()

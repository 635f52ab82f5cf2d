"""Units of work that join one transaction: all of them stay, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.joined import OneTransaction
from cuepoint.db.session import Database, after_commit
from cuepoint.features.projects.models import Project


class RefusedError(Exception):
    """What a test raises."""


def project(name: str) -> Project:
    return Project(id=uuid7(), name=name, description="")


async def names(db: Database) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(Project.name).order_by(Project.name)))


class Opened:
    """Counts how often the transaction began."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, session: AsyncSession) -> None:
        self.times += 1


class TestOneTransaction:
    async def test_several_units_are_committed_together(self, db: Database) -> None:
        opened = Opened()

        async with OneTransaction(db, opened) as joined:
            async with joined.write() as session:
                session.add(project("a"))
            assert await names(db) == []
            async with joined.write() as session:
                session.add(project("b"))

        assert await names(db) == ["a", "b"]
        assert opened.times == 1

    async def test_an_exception_undoes_them_all(self, db: Database) -> None:
        with pytest.raises(RefusedError):  # noqa: PT012  # what fails is the end of the block inside
            async with OneTransaction(db, Opened()) as joined:
                async with joined.write() as session:
                    session.add(project("a"))
                raise RefusedError

        assert await names(db) == []

    async def test_a_unit_that_fails_leaves_the_others(self, db: Database) -> None:
        async with OneTransaction(db, Opened()) as joined:
            async with joined.write() as session:
                session.add(project("a"))
            with pytest.raises(RefusedError):  # noqa: PT012  # what fails is the end of the block inside
                async with joined.write() as session:
                    session.add(project("b"))
                    await session.flush()
                    raise RefusedError

        assert await names(db) == ["a"]

    async def test_reads_see_what_was_written_before(self, db: Database) -> None:
        async with OneTransaction(db, Opened()) as joined:
            async with joined.write() as session:
                session.add(project("a"))
            async with joined.read() as session:
                assert await session.scalar(select(func.count()).select_from(Project)) == 1

    async def test_nothing_begins_until_something_is_written(self, db: Database) -> None:
        opened = Opened()

        async with OneTransaction(db, opened) as joined, joined.read() as session:
            await session.execute(select(1))

        assert opened.times == 0

    async def test_what_must_pass_first_can_stop_it(self, db: Database) -> None:
        async def refuse(_session: AsyncSession) -> None:
            raise RefusedError

        with pytest.raises(RefusedError):
            async with OneTransaction(db, refuse) as joined, joined.write() as session:
                session.add(project("a"))

        assert await names(db) == []


class TestEffects:
    async def test_are_dispatched_after_the_end_without_those_of_a_failed_unit(self, db: Database) -> None:
        dispatched: list[Sequence[object]] = []
        done = asyncio.Event()

        async def dispatch(effects: Sequence[object]) -> None:
            dispatched.append(list(effects))
            done.set()

        noting = Database(db.engine, dispatch)
        async with OneTransaction(noting, Opened()) as joined:
            async with joined.write() as session:
                after_commit(session, "first")
            with pytest.raises(RefusedError):  # noqa: PT012  # what fails is the end of the block inside
                async with joined.write() as session:
                    after_commit(session, "undone")
                    raise RefusedError
            async with joined.write() as session:
                after_commit(session, "last")
            assert not done.is_set()

        assert dispatched == [["first", "last"]]

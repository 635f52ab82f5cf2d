"""Selects of readers: the rows that a session would give, with less of everything around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Select, event, func, literal, literal_column, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.orm.exc import UnmappedInstanceError
from sqlalchemy.pool import QueuePool

from cuepoint.db.base import uuid7
from cuepoint.db.reading import Selects
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.statements import is_outage
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements

NOBODY = UUID(int=0)


def seen(value: Any) -> Any:
    """What can be compared of a row's member: of an entity its columns."""
    if isinstance(value, Project | Video | ProjectMember):
        return {attribute.key: getattr(value, attribute.key) for attribute in type(value).__mapper__.column_attrs}
    return value


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Database]:
    """Two connections for all."""
    engine = create_engine(database_url, pool_size=1)
    yield Database(engine)
    await engine.dispose()


def checked_out(db: Database) -> int:
    """How many connections of the pool are in use."""
    return cast(QueuePool, db.engine.pool).checkedout()


async def starting_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a server says until it is up."""
    await reader.read(1000)
    said = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    writer.write(b"E" + (len(said) + 4).to_bytes(4, "big") + said)
    await writer.drain()
    writer.close()


async def both(db: Database, statement: Select[Any]) -> list[list[tuple[Any, ...]]]:
    """The rows of a reader and those of a transaction's session."""
    rows = []
    for session_of in (db.read, db.write):
        async with session_of() as session:
            rows.append([tuple(map(seen, row)) for row in await session.execute(statement)])
    return rows


class TestReader:
    async def test_gives_what_a_session_gives(self, db: Database) -> None:
        project = await make_project(db)
        user = await make_user(db)
        await make_member(db, project, user.id, ProjectRole.EDITOR)
        video, other = await make_video(db, project), await make_video(db, project, info=None, title="Other")
        second = aliased(Video)
        statements: list[Select[Any]] = [
            select(Video).order_by(Video.id),  # JSON, arrays, times and nulls
            select(Video.title, Video.media, func.count(), literal(0.5)).group_by(Video.id).order_by(Video.id),
            select(func.sum(Video.size_bytes), func.avg(Video.duration_ms)),
            select(ProjectMember, Project.name).join(Project, Project.id == ProjectMember.project_id),
            select(ProjectMember).where(ProjectMember.role == ProjectRole.EDITOR),
            select(ProjectMember.role).where(ProjectMember.role.in_([ProjectRole.EDITOR, ProjectRole.OWNER])),
            select(Video, second).outerjoin(second, second.title == "Nothing is called so").order_by(Video.id),
            select(Video.id).where(Video.id.in_([video.id, NOBODY])),
            select(Video.id).where(Video.id.not_in([video.id])),
            select(Video.id).where(Video.id.in_([])),
            select(Video.id).where(Video.id.not_in([])).order_by(Video.id),
            select(Video.id).where(tuple_(Video.id, Video.title).in_([(other.id, "Other")])),
            select(Video.id).where(Video.created_at <= datetime.now(UTC), Video.tags.contains([])).order_by(Video.id),
        ]

        for statement in statements:
            found, expected = await both(db, statement)

            assert found == expected, str(statement)
            assert list(map(type, found)) == list(map(type, expected))

    async def test_values_are_those_of_the_statement_and_not_of_the_first_of_its_kind(self, db: Database) -> None:
        project = await make_project(db)
        videos = [await make_video(db, project, title=f"V{number}") for number in range(3)]

        async with db.read() as session:
            titles = [await session.scalar(select(Video.title).where(Video.id == video.id)) for video in videos]
            sizes = [
                len((await session.scalars(select(Video).where(Video.id.in_([v.id for v in videos[:count]])))).all())
                for count in (1, 3, 0, 2)
            ]

        assert titles == ["V0", "V1", "V2"]
        assert sizes == [1, 3, 0, 2]

    async def test_what_was_not_read_cannot_be_looked_at(self, db: Database) -> None:
        project = await make_project(db)
        async with db.read() as session:
            found = (await session.scalars(select(Project).where(Project.id == project.id))).one()

        del found.__dict__["name"]

        with pytest.raises(UnmappedInstanceError):
            _ = found.name

    async def test_the_rest_is_left_to_sqlalchemy(self, db: Database) -> None:
        project = await make_project(db)

        async with db.read() as session:
            assert (await session.execute(text("select 1"))).scalar_one() == 1
            assert (await session.get_one(Project, project.id)).name == project.name

    async def test_statements_are_told_to_those_who_listen(self, db: Database) -> None:
        with count_statements(db.engine) as listened:
            async with db.read() as session:
                await session.scalars(select(Project).where(Project.id == NOBODY))

        ((statement, parameters),) = listened.seen
        assert statement.startswith("SELECT projects.id")
        assert parameters == (NOBODY,)

    async def test_an_error_is_one_of_sqlalchemys_and_the_connection_goes_on(self, db: Database) -> None:
        async with db.read() as session:
            with pytest.raises(DBAPIError, match="division by zero"):
                await session.scalar(select(literal(1) / literal(0)))

            assert await session.scalar(select(literal(1))) == 1

    async def test_a_connection_is_not_used_again_after_a_cancelled_statement(self, db: Database) -> None:
        async with db.read() as session:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.scalar(select(func.pg_sleep(5))), 0.05)

            assert await session.scalar(select(literal(1))) == 1

    async def test_numbers_in_json_come_back_as_they_went_in(self, db: Database) -> None:
        numbers = {"whole": [2**64 - 1, -(2**63), 2**53 + 1], "others": [0.1, 1e29, 1e300]}

        found, expected = await both(db, select(literal(numbers, JSONB)))

        assert found == expected == [(numbers,)]
        assert list(map(type, found[0][0]["whole"])) == [int] * 3


class TestConnection:
    async def test_is_one_at_a_time_whoever_runs_the_statements(self, small: Database) -> None:
        async def look(number: int) -> tuple[Any, ...]:
            async with small.read() as session:
                first = await session.scalar(select(literal(number)))
                return first, await session.get(Project, NOBODY), await session.scalar(select(literal(number)))

        async with asyncio.timeout(5):
            found = await asyncio.gather(*map(look, range(8)))

        assert found == [(number, None, number) for number in range(8)]
        assert checked_out(small) == 0

    async def test_two_tasks_cannot_use_one_reader(self, small: Database) -> None:
        async with small.read() as session:
            both = [session.scalar(select(literal(1))) for _ in range(2)]
            first, second = await asyncio.gather(*both, return_exceptions=True)

            assert first == 1
            assert isinstance(second, InvalidRequestError)
        assert checked_out(small) == 0

    async def test_sqlalchemy_takes_no_reader_over_that_is_at_work(self, small: Database) -> None:
        async with small.read() as session:
            task = asyncio.create_task(session.scalar(select(literal(1))))
            await asyncio.sleep(0)

            with pytest.raises(InvalidRequestError, match="for another task"):
                await session.execute(text("select 1"))
            assert await task == 1

    async def test_a_statement_that_outlives_its_reader_gives_it_back(self, small: Database) -> None:
        async with small.read() as session:
            task = asyncio.create_task(session.scalar(select(literal(1))))
            await asyncio.sleep(0)

        assert await task == 1
        assert checked_out(small) == 0

    async def test_a_close_that_is_cancelled_closes_sqlalchemys_side_too(self, small: Database) -> None:
        def fail(*_: Any) -> None:
            raise asyncio.CancelledError

        async def leave() -> None:
            async with small.read() as session:
                sessions.append(session)
                await session.scalar(select(literal(1)))
                session.add(Project(name="New"))
                event.listen(small.engine.sync_engine, "reset", fail, once=True)

        sessions: list[AsyncSession] = []
        with pytest.raises(asyncio.CancelledError):
            await leave()

        assert not sessions[0].new

    async def test_is_given_up_where_asyncpg_has_lost_the_thread(self, small: Database) -> None:
        def lose(_: str) -> None:
            raise asyncpg.InternalClientError("unexpected message")

        def disturb(connection: Any, _: Any) -> None:
            options = {"encoder": str, "decoder": lose, "schema": "pg_catalog", "format": "text"}
            connection.run_async(lambda driver: driver.set_type_codec("oid", **options))

        event.listen(small.engine.sync_engine, "connect", disturb)
        async with small.read() as session:
            pid = await session.scalar(select(func.pg_backend_pid()))

            with pytest.raises(DBAPIError, match="unexpected message") as raised:
                await session.scalar(select(literal_column("1::oid")))

            assert raised.value.connection_invalidated
            assert await session.scalar(select(func.pg_backend_pid())) != pid

    async def test_a_server_that_is_starting_up_is_an_outage(self, tmp_path: Path) -> None:
        db = Database(create_engine(f"postgresql://p@/p?host={tmp_path}", vectors=False))
        async with await asyncio.start_unix_server(starting_up, tmp_path / ".s.PGSQL.5432"), db.read() as session:
            with pytest.raises(DBAPIError, match="starting up") as raised:
                await session.scalar(select(literal(1)))

        assert raised.value.connection_invalidated
        assert is_outage(raised.value)


class TestSelects:
    def test_a_shape_is_found_once_whatever_its_values(self, db: Database) -> None:
        selects = Selects(db.engine.sync_engine)

        shapes = [selects.find(select(Project).where(Project.id.in_([uuid7()] * n)).limit(n)) for n in (1, 2)]

        assert shapes[0] is not None
        assert shapes[1] is not None
        assert shapes[0][0] is shapes[1][0]
        assert "= ANY ($2::UUID[])" in shapes[0][0].sql

    @pytest.mark.parametrize(
        "statement",
        [text("select 1"), select(Project.id).where(tuple_(Project.id, Project.name).in_([(NOBODY, "x")]))],
        ids=["text", "a list of tuples"],
    )
    def test_other_statements_are_none_of_its_business(self, db: Database, statement: Any) -> None:
        assert Selects(db.engine.sync_engine).find(statement) is None

"""Selects of readers: the rows that a session would give, with less of everything around them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select, func, literal, select, text, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased
from sqlalchemy.orm.exc import UnmappedInstanceError

from cuepoint.db.base import uuid7
from cuepoint.db.reading import Selects
from cuepoint.db.session import Database
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

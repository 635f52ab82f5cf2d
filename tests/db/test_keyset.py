"""Keyset pages: stable while rows arrive, exact at equal sort keys, and closed to forged cursors."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import func, select, update

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Along, Ordering, PageRequest, decode_cursor, encode_cursor, fetch_page, fetch_pages
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, ErrorCode
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = [(Project.created_at, datetime), (Project.id, UUID)]


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def named(values: list[Any]) -> str:
    """Forged, but of the ordering that is asked for."""
    return encode_cursor(values, "any")


class TestCursor:
    def test_comes_back_as_the_same_values(self) -> None:
        values = (NOON, UUID(int=7), 3, 0.5)

        assert decode_cursor(encode_cursor(values, "any"), [datetime, UUID, int, float], "any") == values

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "%%%",
            "é",
            "x" * 10_000,
            forged(None),
            forged({"a": 1}),
            forged([]),
            forged(["2026-03-01T12:00:00+00:00", str(UUID(int=7))]),  # as before cursors named their ordering
            named([]),
            named(["2026-03-01T12:00:00+00:00"]),
            named(["2026-03-01T12:00:00+00:00", 5]),
            named(["2026-03-01T12:00:00+00:00", "not a uuid"]),
            named(["2026-03-01T12:00:00+00:00", None]),
            named([5, str(UUID(int=7))]),
            named(["noon", str(UUID(int=7))]),
            named(["0001-01-01T00:00:00+14:00", str(UUID(int=7))]),
            named([["2026-03-01T12:00:00+00:00"], [str(UUID(int=7))]]),
        ],
    )
    def test_refuses_what_it_did_not_give_out(self, cursor: str) -> None:
        with pytest.raises(BadInputError) as refused:
            decode_cursor(cursor, [datetime, UUID], "any")

        assert refused.value.code is ErrorCode.BAD_USER_INPUT
        assert refused.value.field == ("after",)

    @pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**30, True, 0.5, "1"])
    def test_refuses_numbers_that_no_column_holds(self, number: object) -> None:
        name = json.loads(base64.urlsafe_b64decode(named([]) + "=="))
        cursor = base64.urlsafe_b64encode(json.dumps([*name, number]).encode()).decode().rstrip("=")

        with pytest.raises(BadInputError):
            decode_cursor(cursor, [int], "any")

    def test_refuses_a_text_that_postgres_cannot_hold(self) -> None:
        with pytest.raises(BadInputError):
            decode_cursor(named(["a\0b"]), [str], "any")

    def test_of_another_ordering_is_refused(self) -> None:
        cursor = encode_cursor([NOON, UUID(int=7)], "Project.created_at Project.id asc")

        with pytest.raises(BadInputError, match="in this order"):
            decode_cursor(cursor, [datetime, UUID], "Project.updated_at Project.id desc")

    def test_the_longest_key_of_a_list_fits(self) -> None:
        path = "é" * 2_048  # 4,096 bytes, PATH_MAX

        assert decode_cursor(encode_cursor([path], "any"), [str], "any") == (path,)

    async def test_any_that_is_well_formed_can_be_asked_with(self, db: Database) -> None:
        for time in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-03-01"):
            async with db.read() as session:
                after = encode_cursor([time, UUID(int=0)], Ordering(KEYS).name)
                page = await fetch_page(session, select(Project), KEYS, PageRequest(1, after))

            assert page.rows == []


class TestFetchPage:
    @pytest.mark.parametrize("descending", [False, True])
    async def test_walks_through_equal_times_without_loss_or_repetition(self, db: Database, descending: bool) -> None:
        made = [(await make_project(db)).id for _ in range(5)]
        async with db.write() as session:
            await session.execute(update(Project).values(created_at=NOON))

        found: list[UUID] = []
        after = None
        for _ in range(5):
            async with db.read() as session:
                page = await fetch_page(session, select(Project), KEYS, PageRequest(2, after), descending=descending)
            found += [row.id for row in page.rows]
            if not page.has_next_page:
                break
            after = page.cursors[-1]

        assert found == sorted(made, reverse=descending)

    async def test_says_what_follows_and_precedes(self, db: Database) -> None:
        for _ in range(2):
            await make_project(db)

        async with db.read() as session:
            first = await fetch_page(session, select(Project), KEYS, PageRequest(1))
            last = await fetch_page(session, select(Project), KEYS, PageRequest(1, first.cursors[-1]))
            beyond = await fetch_page(session, select(Project), KEYS, PageRequest(1, last.cursors[-1]))

        assert (first.has_previous_page, first.has_next_page) == (False, True)
        assert (last.has_previous_page, last.has_next_page) == (True, False)
        assert (beyond.rows, beyond.has_next_page) == ([], False)

    @pytest.mark.parametrize("with_total", [False, True])
    async def test_tells_what_came_along(self, db: Database, with_total: bool) -> None:
        made = [await make_project(db, name=name) for name in ("a", "bb", "ccc")]
        told: dict[UUID, int] = {}
        page = PageRequest(2, with_total=with_total, along=[Along(func.length(Project.name), told.__setitem__)])

        with count_statements(db.engine) as seen:
            async with db.read() as session:
                found = await fetch_page(session, select(Project), KEYS, page)

        assert [row.id for row in found.rows] == [made[0].id, made[1].id]
        assert (found.total, found.has_next_page) == (3 if with_total else None, True)
        assert {row.id: told[row.id] for row in found.rows} == {made[0].id: 1, made[1].id: 2}
        assert len(seen.seen) == 1

    async def test_a_deleted_row_still_works_as_a_cursor(self, db: Database) -> None:
        made = [await make_project(db) for _ in range(3)]
        async with db.read() as session:
            first = await fetch_page(session, select(Project), KEYS, PageRequest(1))
        async with db.write() as session:
            await session.delete(await session.get_one(Project, made[0].id))

        async with db.read() as session:
            rest = await fetch_page(session, select(Project), KEYS, PageRequest(5, first.cursors[-1]))

        assert [row.id for row in rest.rows] == [made[1].id, made[2].id]


class TestFetchPages:
    async def test_answers_every_parent_in_one_statement(self, db: Database) -> None:
        projects = [await make_project(db) for _ in range(3)]
        videos = {
            p.id: [(await make_video(db, p)).id for _ in range(n)] for p, n in zip(projects, (3, 1, 0), strict=True)
        }
        keys = [(Video.created_at, datetime), (Video.id, UUID)]
        ids = [p.id for p in projects]

        with count_statements(db.engine) as seen:
            async with db.read() as session:
                pages = await fetch_pages(session, Video, Video.project_id, ids, keys, PageRequest(2), descending=True)

        assert len(seen) == 1
        assert [[row.id for row in pages[i].rows] for i in ids] == [videos[i][::-1][:2] for i in ids]
        assert [pages[i].has_next_page for i in ids] == [True, False, False]

    async def test_goes_on_after_a_cursor(self, db: Database) -> None:
        project = await make_project(db)
        users = sorted([await make_user(db) for _ in range(3)], key=lambda user: user.id)
        for user in users:
            await make_member(db, project, user.id, ProjectRole.VIEWER)
        keys = [(ProjectMember.user_id, UUID)]

        async with db.read() as session:
            pages = await fetch_pages(
                session,
                ProjectMember,
                ProjectMember.project_id,
                [project.id],
                keys,
                PageRequest(5, encode_cursor([users[0].id], Ordering(keys).name)),
            )

        assert [row.user_id for row in pages[project.id].rows] == [users[1].id, users[2].id]

    async def test_no_parents_are_no_pages(self, db: Database) -> None:
        async with db.read() as session:
            assert await fetch_pages(session, Project, Project.id, [], KEYS, PageRequest(2)) == {}

    async def test_an_unknown_parent_has_an_empty_page(self, db: Database) -> None:
        key = uuid7()
        async with db.read() as session:
            pages = await fetch_pages(session, Video, Video.project_id, [key], [(Video.id, UUID)], PageRequest(2))

        assert list(pages[key].rows) == []
        assert not pages[key].has_next_page

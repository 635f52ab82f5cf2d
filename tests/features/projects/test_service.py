"""Projects and their members."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.projects import access, service
from cuepoint.features.projects.models import ProjectMember, ProjectRole
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project, role_in
from tests.support.builders.users import make_user, make_viewer, viewer_of


class TestCreateProject:
    async def test_makes_the_viewer_its_owner(self, db: Database) -> None:
        viewer = await make_viewer(db)

        async with db.write() as session:
            project = await service.create_project(session, viewer, name="  Match  days ", description="")

        assert await role_in(db, project, viewer.user_id) is ProjectRole.OWNER
        assert project.name == "Match days"

    @pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "\u200b", "abc\u202etxt"], ids=ascii)
    async def test_refuses_a_bad_name(self, db: Database, name: str) -> None:
        viewer = await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(BadInputError):
                await service.create_project(session, viewer, name=name, description="")

        async with db.read() as session:
            assert await service.count_projects(session, viewer) == 0


class TestListProjects:
    async def test_pages_stay_stable_while_projects_are_added(self, db: Database) -> None:
        viewer = await make_viewer(db)
        made = [await make_project(db, owner_id=viewer.user_id, name=f"P{n}") for n in range(3)]

        async with db.read() as session:
            first = await service.list_projects(session, viewer, PageRequest(2))
        late = await make_project(db, owner_id=viewer.user_id, name="late")
        async with db.read() as session:
            second = await service.list_projects(session, viewer, PageRequest(2, first.cursors[-1]))

        assert [p.id for p in first.rows] == [made[0].id, made[1].id]
        assert first.has_next_page
        assert [p.id for p in second.rows] == [made[2].id, late.id]
        assert not second.has_next_page

    @pytest.mark.parametrize("cursor", ["", "x", "WyJhIl0", "bnVsbA", "eyJhIjoxfQ"])
    async def test_refuses_a_forged_cursor(self, db: Database, cursor: str) -> None:
        viewer = await make_viewer(db)

        async with db.read() as session:
            with pytest.raises(BadInputError, match="cursor"):
                await service.list_projects(session, viewer, PageRequest(2, cursor))


class TestMembers:
    async def test_an_owner_adds_changes_and_removes(self, db: Database) -> None:
        owner, other = await make_viewer(db), await make_user(db, email="Bob@example.org")
        project = await make_project(db, owner_id=owner.user_id)

        async with db.write() as session:
            await service.add_member(
                session, owner, project_id=project.id, email="bob@EXAMPLE.org", role=ProjectRole.VIEWER
            )
        async with db.write() as session:
            changed = await service.add_member(
                session, owner, project_id=project.id, email="bob@example.org", role=ProjectRole.EDITOR
            )
        async with db.write() as session:
            await service.remove_member(session, owner, project_id=project.id, user_id=other.id)

        assert changed.role is ProjectRole.EDITOR
        assert await role_in(db, project, other.id) is None

    async def test_the_last_owner_stays(self, db: Database) -> None:
        owner = await make_user(db, email="owner@example.org")
        project = await make_project(db, owner_id=owner.id)

        async with db.write() as session:
            with pytest.raises(CuepointError) as removed:
                await service.remove_member(session, viewer_of(owner), project_id=project.id, user_id=owner.id)
            with pytest.raises(CuepointError) as demoted:
                await service.add_member(
                    session, viewer_of(owner), project_id=project.id, email=owner.email, role=ProjectRole.VIEWER
                )

        assert removed.value.code is demoted.value.code is ErrorCode.LAST_OWNER
        assert (removed.value.field, demoted.value.field) == (("userId",), ("role",))
        assert await role_in(db, project, owner.id) is ProjectRole.OWNER

    async def test_two_owners_cannot_remove_each_other(self, db: Database) -> None:
        owners = [await make_viewer(db), await make_viewer(db)]
        project = await make_project(db, owner_id=owners[0].user_id)
        await make_member(db, project, owners[1].user_id, ProjectRole.OWNER)

        async def remove(one: Viewer, other: Viewer) -> None:
            async with db.write() as session:
                await service.remove_member(session, one, project_id=project.id, user_id=other.user_id)

        results = await asyncio.gather(remove(*owners), remove(*owners[::-1]), return_exceptions=True)

        async with db.read() as session:
            left = list(await session.scalars(select(ProjectMember.role)))
        assert left == [ProjectRole.OWNER]
        assert sum(result is None for result in results) == 1

    @pytest.mark.parametrize("email", ["nobody@example.org", "", "a\x00@b.org"])
    async def test_an_unknown_address_is_not_found(self, db: Database, email: str) -> None:
        owner = await make_viewer(db)
        project = await make_project(db, owner_id=owner.user_id)

        async with db.write() as session:
            with pytest.raises(NotFoundError) as refused:
                await service.add_member(session, owner, project_id=project.id, email=email, role=ProjectRole.VIEWER)

        assert refused.value.field == ("email",)

    async def test_an_editor_may_not_and_a_stranger_sees_nothing(self, db: Database) -> None:
        editor, stranger = await make_viewer(db), await make_viewer(db)
        project = await make_project(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.add_member(
                    session, editor, project_id=project.id, email="x@y.org", role=ProjectRole.VIEWER
                )
            with pytest.raises(NotFoundError):
                await access.require(session, stranger, project.id, ProjectRole.VIEWER)

"""The access gate: members by role, strangers as if nothing were there, administrators everywhere."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import ForbiddenError, NotFoundError
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.viewer import Scope, Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer

ROLES = [ProjectRole.VIEWER, ProjectRole.EDITOR, ProjectRole.OWNER]


class TestRequire:
    @pytest.mark.parametrize("has", ROLES)
    @pytest.mark.parametrize("needs", ROLES)
    async def test_each_role_includes_the_lesser_ones(self, db: Database, has: ProjectRole, needs: ProjectRole) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db)
        await make_member(db, project, viewer.user_id, has)
        allowed = ROLES.index(has) >= ROLES.index(needs)

        async with db.read() as session:
            if allowed:
                await access.require(session, viewer, project.id, needs)
            else:
                with pytest.raises(ForbiddenError, match=has.value):
                    await access.require(session, viewer, project.id, needs)

        assert allowed == (ROLES.index(has) >= ROLES.index(needs))

    async def test_a_stranger_gets_the_answer_of_an_absent_project(self, db: Database) -> None:
        stranger = await make_viewer(db)
        project = await make_project(db)

        async with db.read() as session:
            with pytest.raises(NotFoundError) as foreign:
                await access.require(session, stranger, project.id, ProjectRole.VIEWER)
            with pytest.raises(NotFoundError) as absent:
                await access.require(session, stranger, uuid7(), ProjectRole.VIEWER)

        assert str(foreign.value) == str(absent.value)

    async def test_an_administrator_passes_but_not_into_nothing(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)
        project = await make_project(db)

        async with db.read() as session:
            await access.require(session, admin, project.id, ProjectRole.OWNER)
            with pytest.raises(NotFoundError):
                await access.require(session, admin, uuid7(), ProjectRole.VIEWER)


class TestVisibleProjects:
    async def test_members_see_theirs_and_administrators_all(self, db: Database) -> None:
        viewer, admin = await make_viewer(db), await make_viewer(db, is_admin=True)
        mine = await make_project(db, owner_id=viewer.user_id)
        other = await make_project(db)

        async with db.read() as session:
            seen = set(await session.scalars(select(Project.id).where(Project.id.in_(access.visible_projects(viewer)))))
            all_of_them = set(
                await session.scalars(select(Project.id).where(Project.id.in_(access.visible_projects(admin))))
            )

        assert seen == {mine.id}
        assert all_of_them == {mine.id, other.id}


class TestScopes:
    @pytest.mark.parametrize("scope", list(Scope), ids=lambda scope: scope.value)
    @pytest.mark.parametrize("needs", ROLES)
    @pytest.mark.parametrize("is_of_admin", [False, True], ids=["member", "administrator"])
    async def test_lend_at_most_the_role_of_their_name(
        self, db: Database, scope: Scope, needs: ProjectRole, is_of_admin: bool
    ) -> None:
        user = await make_viewer(db, is_admin=is_of_admin)
        project = await make_project(db, owner_id=None if is_of_admin else user.user_id)
        viewer = Viewer(user.user_id, is_admin=False, scope=scope, is_of_admin=is_of_admin)
        allowed = list(Scope).index(scope) >= ROLES.index(needs)

        async with db.read() as session:
            found = list(await session.scalars(access.visible_projects(viewer, needs)))
            if allowed:
                await access.require(session, viewer, project.id, needs)
            else:
                with pytest.raises(ForbiddenError, match=f"scope {scope.value}"):
                    await access.require(session, viewer, project.id, needs)

        assert found == ([project.id] if allowed else [])

    async def test_a_lesser_role_stays_a_lesser_role(self, db: Database) -> None:
        user, project = await make_viewer(db), await make_project(db)
        await make_member(db, project, user.user_id, ProjectRole.VIEWER)

        async with db.read() as session:
            with pytest.raises(ForbiddenError, match="yours is VIEWER"):
                await access.require(session, Viewer(user.user_id, is_admin=False), project.id, ProjectRole.EDITOR)


class TestProjectsOfAKey:
    @pytest.mark.parametrize("is_of_admin", [False, True], ids=["member", "administrator"])
    async def test_are_all_that_it_reaches(self, db: Database, is_of_admin: bool) -> None:
        user = await make_viewer(db, is_admin=is_of_admin)
        mine, other = [await make_project(db, owner_id=user.user_id) for _ in range(2)]
        foreign = await make_project(db)
        viewer = Viewer(
            user.user_id, is_admin=False, project_ids=frozenset({mine.id, uuid7()}), is_of_admin=is_of_admin
        )

        async with db.read() as session:
            assert list(await session.scalars(access.visible_projects(viewer))) == [mine.id]
            assert list(await session.scalars(access.visible_projects(viewer, ProjectRole.OWNER))) == [mine.id]
            await access.require(session, viewer, mine.id, ProjectRole.OWNER)
            for hidden in (other, foreign):
                with pytest.raises(NotFoundError):
                    await access.require(session, viewer, hidden.id, ProjectRole.VIEWER)
        with pytest.raises(ForbiddenError):
            access.require_unrestricted(viewer)

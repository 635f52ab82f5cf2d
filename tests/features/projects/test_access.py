"""The access gate: members by role, strangers as if nothing were there, administrators everywhere."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import ForbiddenError, NotFoundError
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectRole
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

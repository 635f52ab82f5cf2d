"""Projects change by version, rest in the archive, and are listed by index in every order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects import access, service
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.projects.service import ProjectFilter, ProjectOrder
from cuepoint.features.videos import service as videos
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_member, make_project, role_in
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements


async def reload(db: Database, project_id: UUID) -> Project:
    async with db.read() as session:
        return await session.get_one(Project, project_id)


async def archive(db: Database, viewer: Viewer, project: Project) -> Project:
    async with db.write() as session:
        return await service.archive_project(session, viewer, project.id)


class TestUpdateProject:
    async def test_changes_what_is_named_and_nothing_else(self, db: Database, viewer: Viewer, project: Project) -> None:
        async with db.write() as session:
            changed = await service.update_project(session, viewer, project.id, version=1, name=" Match  days ")

        row = await reload(db, project.id)
        assert (row.name, row.description, row.version, changed.is_conflict) == ("Match days", "", 2, False)
        assert row.updated_at > project.updated_at
        assert row.sort_name == "match days"

    async def test_an_older_version_changes_nothing_and_gets_the_newer_one(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        async with db.write() as session:
            await service.update_project(session, viewer, project.id, version=1, name="First")

        async with db.write() as session:
            late = await service.update_project(session, viewer, project.id, version=1, name="Second")

        assert (late.is_conflict, late.project.name, late.project.version) == (True, "First", 2)
        assert (await reload(db, project.id)).name == "First"

    async def test_of_ten_at_once_one_wins(self, db: Database, viewer: Viewer, project: Project) -> None:
        async def change(number: int) -> bool:
            async with db.write() as session:
                name = f"Name {number}"
                return (await service.update_project(session, viewer, project.id, version=1, name=name)).is_conflict

        conflicts = await asyncio.gather(*[change(number) for number in range(10)])

        assert sorted(conflicts) == [False] + [True] * 9
        assert (await reload(db, project.id)).version == 2

    @pytest.mark.parametrize("values", [{"name": " "}, {"name": "x" * 201}, {"description": "x" * 5001}], ids=str)
    async def test_refuses_what_a_new_project_may_not_have(
        self, db: Database, viewer: Viewer, project: Project, values: dict[str, str]
    ) -> None:
        async with db.write() as session:
            with pytest.raises(BadInputError):
                await service.update_project(session, viewer, project.id, version=1, **values)  # type: ignore[arg-type]

        assert (await reload(db, project.id)).version == 1

    async def test_an_editor_and_a_stranger_may_not(self, db: Database, project: Project) -> None:
        editor, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.update_project(session, editor, project.id, version=1, name="x")
            with pytest.raises(NotFoundError):
                await service.update_project(session, stranger, project.id, version=1, name="x")

        assert (await reload(db, project.id)).name == "Archive"


class TestArchiveProject:
    async def test_lets_it_be_read_and_refuses_every_change(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)

        archived = await archive(db, viewer, project)

        assert (archived.archived_at is not None, archived.version) == (True, 2)
        async with db.read() as session:
            assert (await videos.get_video(session, viewer, video.id)).id == video.id
        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await videos.start_pipeline(session, viewer, video.id, None)
        assert refused.value.code is ErrorCode.PROJECT_ARCHIVED

    async def test_a_lesser_role_is_told_of_the_role_and_not_of_the_archive(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        member = await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        await archive(db, viewer, project)

        async with db.read() as session:
            with pytest.raises(ForbiddenError):
                await access.require(session, member, project.id, ProjectRole.EDITOR)

    async def test_what_reaches_many_projects_leaves_it_out(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        admin = await make_viewer(db, is_admin=True)
        await archive(db, viewer, project)

        async with db.read() as session:
            for one in (viewer, admin):
                seen = await session.scalars(access.visible_projects(one))
                changeable = await session.scalars(access.visible_projects(one, ProjectRole.EDITOR))
                assert (list(seen), list(changeable)) == ([project.id], [])

    async def test_twice_is_once_and_it_comes_back(self, db: Database, viewer: Viewer, project: Project) -> None:
        first, second = await archive(db, viewer, project), await archive(db, viewer, project)

        async with db.write() as session:
            back = await service.unarchive_project(session, viewer, project.id)

        assert (first.archived_at, first.version) == (second.archived_at, second.version)
        assert (back.archived_at, back.version) == (None, 3)

    async def test_a_change_under_way_is_waited_for(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)

        async with db.write() as session:
            await videos.start_pipeline(session, viewer, video.id, [JobKind.PROBE])
            archiving = asyncio.create_task(archive(db, viewer, project))
            done, _ = await asyncio.wait([archiving], timeout=0.2)
            assert not done
        archived = await archiving

        assert archived.archived_at is not None

    async def test_jobs_that_wait_go_on_and_cannot_be_cancelled(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        job = await make_job(db, JobKind.PROBE, await make_video(db, project))
        await archive(db, viewer, project)

        async with db.write() as session:
            with pytest.raises(CuepointError, match="archived"):
                await jobs.cancel_job(session, viewer, job.id)

    async def test_only_owners_may(self, db: Database, project: Project) -> None:
        editor, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)

        for one, error in ((editor, ForbiddenError), (stranger, NotFoundError)):
            with pytest.raises(error):
                await archive(db, one, project)

        assert (await reload(db, project.id)).archived_at is None


class TestUpdateMember:
    async def test_gives_another_role(self, db: Database, viewer: Viewer, project: Project) -> None:
        other = await make_viewer(db)
        await make_member(db, project, other.user_id, ProjectRole.VIEWER)

        async with db.write() as session:
            await service.update_member(
                session, viewer, project_id=project.id, user_id=other.user_id, role=ProjectRole.EDITOR
            )

        assert await role_in(db, project, other.user_id) is ProjectRole.EDITOR

    async def test_the_last_owner_stays_one_and_nobody_new_comes(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        stranger = await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(CuepointError) as last:
                await service.update_member(
                    session, viewer, project_id=project.id, user_id=viewer.user_id, role=ProjectRole.EDITOR
                )
            with pytest.raises(NotFoundError):
                await service.update_member(
                    session, viewer, project_id=project.id, user_id=stranger.user_id, role=ProjectRole.EDITOR
                )

        assert last.value.code is ErrorCode.LAST_OWNER
        async with db.read() as session:
            members = (await session.scalars(select(ProjectMember))).all()
        assert [(one.user_id, one.role) for one in members] == [(viewer.user_id, ProjectRole.OWNER)]


class TestListProjects:
    @pytest.mark.parametrize(
        ("order", "names"),
        [
            (ProjectOrder.CREATED_ASC, ["b", "A", "c"]),
            (ProjectOrder.CREATED_DESC, ["c", "A", "b"]),
            (ProjectOrder.NAME_ASC, ["A", "b", "c"]),
            (ProjectOrder.UPDATED_DESC, ["b2", "c", "A"]),
        ],
        ids=lambda value: value.value if isinstance(value, ProjectOrder) else "",
    )
    async def test_pages_in_every_order(
        self, db: Database, viewer: Viewer, order: ProjectOrder, names: list[str]
    ) -> None:
        made = [await make_project(db, owner_id=viewer.user_id, name=name) for name in ("b", "A", "c")]
        if order is ProjectOrder.UPDATED_DESC:
            async with db.write() as session:
                await service.update_project(session, viewer, made[0].id, version=1, name="b2")

        seen: list[str] = []
        after = None
        for _ in range(3):
            async with db.read() as session:
                page = await service.list_projects(session, viewer, PageRequest(1, after), order=order)
            seen += [row.name for row in page.rows]
            after = page.cursors[-1]

        assert seen == names

    async def test_narrows_by_name_and_archive(self, db: Database, viewer: Viewer) -> None:
        made = [await make_project(db, owner_id=viewer.user_id, name=name) for name in ("100 %", "100 x", "other")]
        await archive(db, viewer, made[0])

        async with db.read() as session:

            async def names(wanted: ProjectFilter) -> list[str]:
                page = await service.list_projects(session, viewer, PageRequest(10), wanted)
                assert await service.count_projects(session, viewer, wanted) == len(page.rows)
                return [row.name for row in page.rows]

            assert await names(ProjectFilter(text="100 %")) == ["100 %"]
            assert await names(ProjectFilter(text="OTH")) == ["other"]
            assert await names(ProjectFilter(is_archived=True)) == ["100 %"]
            assert await names(ProjectFilter(is_archived=False)) == ["100 x", "other"]
            with pytest.raises(BadInputError):
                await names(ProjectFilter(text=""))

    async def test_a_name_of_any_length_fits_into_a_cursor(self, db: Database, viewer: Viewer) -> None:
        for _ in range(2):
            await make_project(db, owner_id=viewer.user_id, name="\U0001f3ac" * 200)

        async with db.read() as session:
            first = await service.list_projects(session, viewer, PageRequest(1), order=ProjectOrder.NAME_ASC)
            second = await service.list_projects(
                session, viewer, PageRequest(1, first.cursors[0]), order=ProjectOrder.NAME_ASC
            )

        assert len({first.rows[0].id, second.rows[0].id}) == 2

    async def test_every_order_reads_its_index(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)
        start = datetime(2026, 1, 1, tzinfo=UTC)
        async with db.write() as session:
            for number in range(2_000):
                at = start + timedelta(minutes=number)
                session.add(Project(id=uuid7(), name=f"P{number}", created_at=at, updated_at=at))
        async with db.write() as session:
            await (await session.connection()).exec_driver_sql("analyze projects")

        indexes = {
            ProjectOrder.CREATED_ASC: "ix_projects_created_at_id",
            ProjectOrder.CREATED_DESC: "ix_projects_created_at_id",
            ProjectOrder.NAME_ASC: "ix_projects_sort_name_id",
            ProjectOrder.UPDATED_DESC: "ix_projects_updated_at_id",
        }
        for order, index in indexes.items():
            with count_statements(db.engine) as seen:
                async with db.read() as session:
                    first = await service.list_projects(session, admin, PageRequest(25), order=order)
                    await service.list_projects(session, admin, PageRequest(25, first.cursors[-1]), order=order)
            plan = await seen.plans(db)
            assert plan.count(index) == 2, (order, plan)
            assert "Sort" not in plan, (order, plan)

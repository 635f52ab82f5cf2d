"""People are removed with a decision on their projects, and the audit log shows each reader their part."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.administration import service
from cuepoint.features.administration.service import AuditFilter
from cuepoint.features.audit.service import AuditAction, record
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users.models import User
from cuepoint.viewer import Scope, Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user, make_viewer
from tests.support.builders.videos import make_video


async def owners(db: Database, project: Project) -> list[object]:
    async with db.read() as session:
        statement = select(ProjectMember.user_id).where(
            ProjectMember.project_id == project.id, ProjectMember.role == ProjectRole.OWNER
        )
        return list(await session.scalars(statement))


async def exists(db: Database, user: User) -> bool:
    async with db.read() as session:
        return await session.get(User, user.id) is not None


class TestDeleteUser:
    async def test_who_owns_nothing_alone_just_goes(self, db: Database) -> None:
        admin, user, other = await make_viewer(db, is_admin=True), await make_user(db), await make_user(db)
        shared = await make_project(db, owner_id=user.id)
        await make_member(db, shared, other.id, ProjectRole.OWNER)

        async with db.write() as session:
            gone = await service.delete_user(session, admin, user.id)

        assert (gone.project_ids, gone.video_count) == ([], 0)
        assert not await exists(db, user)
        assert await owners(db, shared) == [other.id]

    async def test_a_dry_run_counts_and_changes_nothing(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_user(db)
        project = await make_project(db, owner_id=user.id)
        for _ in range(2):
            await make_video(db, project=project)

        async with db.write() as session:
            told = await service.delete_user(session, admin, user.id, dry_run=True)

        assert (told.project_ids, told.video_count) == ([project.id], 2)
        assert await exists(db, user)

    async def test_without_a_decision_the_user_stays(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_user(db)
        project = await make_project(db, owner_id=user.id)

        with pytest.raises(CuepointError, match="1 of the user's projects, with 0 videos") as refused:
            async with db.write() as session:
                await service.delete_user(session, admin, user.id)

        assert refused.value.code is ErrorCode.OWNS_PROJECTS
        assert await exists(db, user)
        assert await owners(db, project) == [user.id]

    async def test_an_heir_owns_the_projects(self, db: Database) -> None:
        admin, user, heir = await make_viewer(db, is_admin=True), await make_user(db), await make_user(db)
        one, two = [await make_project(db, owner_id=user.id) for _ in range(2)]
        await make_member(db, two, heir.id, ProjectRole.VIEWER)

        async with db.write() as session:
            await service.delete_user(session, admin, user.id, reassign_to=heir.id)

        assert not await exists(db, user)
        assert [await owners(db, project) for project in (one, two)] == [[heir.id], [heir.id]]

    async def test_a_cascade_hides_the_projects_and_a_job_removes_each(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_user(db)
        project = await make_project(db, owner_id=user.id)
        await make_video(db, project=project)

        async with db.write() as session:
            gone = await service.delete_user(session, admin, user.id, cascade=True)

        assert not await exists(db, user)
        async with db.read() as session:
            assert (await session.get_one(Project, project.id)).deleted_at is not None
        assert [(job.kind, job.args) for job in gone.jobs] == [
            (JobKind.PROJECT_DELETION, {"project_id": str(project.id)})
        ]

    async def test_an_heir_must_be_another_user_who_exists(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_user(db)
        await make_project(db, owner_id=user.id)

        for heir, refusal in ((uuid7(), NotFoundError), (user.id, BadInputError)):
            with pytest.raises(refusal):
                async with db.write() as session:
                    await service.delete_user(session, admin, user.id, reassign_to=heir)

        assert await exists(db, user)

    async def test_is_for_administrators(self, db: Database) -> None:
        user, viewer = await make_user(db), await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.delete_user(session, viewer, user.id)


class TestListEvents:
    async def seen(self, db: Database, viewer: Viewer, **wanted: object) -> list[str]:
        async with db.read() as session:
            page = await service.list_events(session, viewer, AuditFilter(**wanted), PageRequest(50))
            assert await service.count_events(session, viewer, AuditFilter(**wanted)) == len(page.rows)
        return [event.node_type for event in page.rows]

    async def test_administrators_read_all_and_owners_their_projects(self, db: Database) -> None:
        admin, owner, editor = [await make_viewer(db, is_admin=is_admin) for is_admin in (True, False, False)]
        mine, other = await make_project(db, owner_id=owner.user_id), await make_project(db)
        await make_member(db, mine, editor.user_id, ProjectRole.EDITOR)
        async with db.write() as session:
            await record(session, admin, AuditAction.CREATED, "Clip", uuid7(), project_id=mine.id)
            await record(session, admin, AuditAction.CREATED, "Video", uuid7(), project_id=other.id)
            await record(session, admin, AuditAction.CREATED, "User", uuid7())

        assert await self.seen(db, admin) == ["User", "Video", "Clip"]
        assert await self.seen(db, owner) == ["Clip"]
        assert await self.seen(db, editor) == []
        with pytest.raises(NotFoundError):
            await self.seen(db, owner, project_id=other.id)
        with pytest.raises(ForbiddenError):
            await self.seen(db, editor, project_id=mine.id)

    @pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
    async def test_a_narrow_key_reads_nothing(self, db: Database, scope: Scope) -> None:
        owner = await make_viewer(db)
        project = await make_project(db, owner_id=owner.user_id)
        async with db.write() as session:
            await record(session, owner, AuditAction.CREATED, "Clip", uuid7(), project_id=project.id)

        assert await self.seen(db, Viewer(owner.user_id, is_admin=False, scope=scope)) == []
        assert await self.seen(db, Viewer(owner.user_id, is_admin=True, scope=Scope.MANAGE)) == ["Clip"]

    async def test_narrows_by_actor_action_and_node(self, db: Database) -> None:
        admin, other, node = await make_viewer(db, is_admin=True), await make_viewer(db), uuid7()
        async with db.write() as session:
            await record(session, admin, AuditAction.CREATED, "Clip", node)
            await record(session, other, AuditAction.DELETED, "Video", uuid7())

        assert await self.seen(db, admin, actor_id=other.user_id) == ["Video"]
        assert await self.seen(db, admin, action=AuditAction.CREATED) == ["Clip"]
        assert await self.seen(db, admin, node=("clip", node)) == ["Clip"]
        assert await self.seen(db, admin, node=("video", node)) == []
        assert await self.seen(db, admin, node_type="Video") == ["Video"]

    async def test_or_and_not_combine_and_widen_nothing(self, db: Database) -> None:
        owner = await make_viewer(db)
        mine, other = await make_project(db, owner_id=owner.user_id), await make_project(db)
        async with db.write() as session:
            for kind in ("Clip", "Video", "Reel"):
                await record(session, owner, AuditAction.CREATED, kind, uuid7(), project_id=mine.id)
            await record(session, owner, AuditAction.CREATED, "Preset", uuid7(), project_id=other.id)
        either = AuditFilter(any_of=[AuditFilter(node_type="Clip"), AuditFilter(node_type="Reel")])

        assert await self.seen(db, owner, all_of=[either]) == ["Reel", "Clip"]
        assert await self.seen(db, owner, none_of=either) == ["Video"]
        assert await self.seen(db, owner, none_of=AuditFilter(project_id=mine.id)) == []
        with pytest.raises(NotFoundError):
            await self.seen(db, owner, any_of=[AuditFilter(project_id=other.id)])
        with pytest.raises(BadInputError):
            await self.seen(db, owner, none_of=AuditFilter(none_of=AuditFilter(none_of=AuditFilter())))

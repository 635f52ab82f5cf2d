"""Use cases of projects: create, list, read, and manage their members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users.models import User
from cuepoint.viewer import Viewer

MAX_NAME = 200
MAX_DESCRIPTION = 5000


async def create_project(session: AsyncSession, viewer: Viewer, *, name: str, description: str) -> Project:
    """A new project whose OWNER is the viewer."""
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= MAX_NAME or "\x00" in cleaned:
        raise BadInputError(f"The name must have 1 to {MAX_NAME} characters.", field=("name",))
    if len(description) > MAX_DESCRIPTION or "\x00" in description:
        raise BadInputError(f"The description may have {MAX_DESCRIPTION} characters.", field=("description",))
    project = Project(id=uuid7(), name=cleaned, description=description)
    session.add(project)
    await session.flush()
    session.add(ProjectMember(project_id=project.id, user_id=viewer.user_id, role=ProjectRole.OWNER))
    await session.flush()
    await session.refresh(project)
    return project


async def get_project(session: AsyncSession, viewer: Viewer, project_id: UUID) -> Project:
    """The project, if the viewer may see it."""
    project = await session.scalar(
        select(Project).where(Project.id == project_id, Project.id.in_(access.visible_projects(viewer)))
    )
    if project is None:
        raise NotFoundError("project")
    return project


async def list_projects(session: AsyncSession, viewer: Viewer, page: PageRequest) -> Page[Project]:
    """Projects that the viewer may see, oldest first."""
    statement = select(Project).where(Project.id.in_(access.visible_projects(viewer)))
    return await fetch_page(session, statement, [(Project.created_at, datetime), (Project.id, UUID)], page)


async def count_projects(session: AsyncSession, viewer: Viewer) -> int:
    """How many projects the viewer may see."""
    visible = access.visible_projects(viewer).subquery()
    return (await session.execute(select(func.count()).select_from(visible))).scalar_one()


async def add_member(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID, email: str, role: ProjectRole
) -> ProjectMember:
    """The user with that address has that role in the project, new or changed; owners only."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    user = (
        None
        if "\x00" in email
        else await session.scalar(select(User).where(func.lower(User.email) == func.lower(email.strip())))
    )
    if user is None:
        raise NotFoundError("user", field=("email",))
    await _keep_an_owner(session, project_id, user.id, role, field="role")
    statement = (
        insert(ProjectMember)
        .values(project_id=project_id, user_id=user.id, role=role)
        .on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": role})
        .returning(ProjectMember)
    )
    return (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()


async def remove_member(session: AsyncSession, viewer: Viewer, *, project_id: UUID, user_id: UUID) -> None:
    """The user no longer belongs to the project; owners only. The last owner stays."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    await _keep_an_owner(session, project_id, user_id, None, field="userId")
    member = await session.get(ProjectMember, (project_id, user_id))
    if member is None:
        raise NotFoundError("member", field=("userId",))
    await session.delete(member)
    await session.flush()


async def _keep_an_owner(
    session: AsyncSession, project_id: UUID, user_id: UUID, role: ProjectRole | None, *, field: str
) -> None:
    owners = (
        await session.scalars(
            select(ProjectMember.user_id)
            .where(ProjectMember.project_id == project_id, ProjectMember.role == ProjectRole.OWNER)
            .order_by(ProjectMember.user_id)
            .with_for_update()
        )
    ).all()
    if role is not ProjectRole.OWNER and list(owners) == [user_id]:
        raise CuepointError(
            ErrorCode.LAST_OWNER, "A project needs an owner; make somebody else an OWNER first.", field=(field,)
        )


async def count_members_of(session: AsyncSession, project_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many members each of the projects has, in one statement."""
    statement = (
        select(ProjectMember.project_id, func.count())
        .where(ProjectMember.project_id.in_(project_ids))
        .group_by(ProjectMember.project_id)
    )
    counts = {row[0]: row[1] for row in await session.execute(statement)}
    return {project_id: counts.get(project_id, 0) for project_id in project_ids}

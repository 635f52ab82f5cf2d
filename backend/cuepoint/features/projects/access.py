"""The one gate: who may see and change what. Membership of a project decides; administrators pass everywhere."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import ForbiddenError, NotFoundError
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.viewer import Viewer

_RANK = {ProjectRole.VIEWER: 1, ProjectRole.EDITOR: 2, ProjectRole.OWNER: 3}


def visible_projects(viewer: Viewer, role: ProjectRole = ProjectRole.VIEWER) -> Select[UUID]:
    """Ids of the projects in which the viewer has this role or more, to stand inside a statement:
    `X.project_id.in_(...)`. Every member may see a project."""
    if viewer.is_admin:
        return select(Project.id)
    mine = select(ProjectMember.project_id).where(ProjectMember.user_id == viewer.user_id)
    if role is ProjectRole.VIEWER:
        return mine
    return mine.where(ProjectMember.role.in_([known for known, rank in _RANK.items() if rank >= _RANK[role]]))


async def role_of(session: AsyncSession, viewer: Viewer, project_id: UUID) -> ProjectRole | None:
    """The viewer's role; OWNER for administrators; None when the project is not theirs to see, or does not exist."""
    statement = select(Project.id, ProjectMember.role).outerjoin(
        ProjectMember, (ProjectMember.project_id == Project.id) & (ProjectMember.user_id == viewer.user_id)
    )
    row = (await session.execute(statement.where(Project.id == project_id))).one_or_none()
    if row is None:
        return None
    return ProjectRole.OWNER if viewer.is_admin else row.role


async def require(
    session: AsyncSession, viewer: Viewer, project_id: UUID, role: ProjectRole, *, noun: str = "project"
) -> None:
    """Pass, or raise NotFoundError (as if `noun` were absent) for strangers and ForbiddenError for lesser roles."""
    actual = await role_of(session, viewer, project_id)
    if actual is None:
        raise NotFoundError(noun)
    if _RANK[actual] < _RANK[role]:
        raise ForbiddenError(f"This needs the role {role.value} in the project; yours is {actual.value}.")

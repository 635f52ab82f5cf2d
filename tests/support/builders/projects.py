"""Projects and memberships for tests."""

from __future__ import annotations

from uuid import UUID

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole


async def make_project(db: Database, *, owner_id: UUID | None = None, name: str = "Archive") -> Project:
    """A project, with an owner if one is named."""
    project = Project(id=uuid7(), name=name, description="")
    async with db.write() as session:
        session.add(project)
        await session.flush()
        if owner_id is not None:
            session.add(ProjectMember(project_id=project.id, user_id=owner_id, role=ProjectRole.OWNER))
        await session.flush()
        await session.refresh(project)
    return project


async def role_in(db: Database, project: Project, user_id: UUID) -> ProjectRole | None:
    """The user's role; None for who is no member."""
    async with db.read() as session:
        member = await session.get(ProjectMember, (project.id, user_id))
        return None if member is None else member.role


async def make_member(db: Database, project: Project, user_id: UUID, role: ProjectRole) -> None:
    """The user has that role."""
    async with db.write() as session:
        session.add(ProjectMember(project_id=project.id, user_id=user_id, role=role))

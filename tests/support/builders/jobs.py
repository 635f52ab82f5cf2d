"""Rows for tests of jobs: members of projects, and jobs as their services make them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs import service
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users.models import User
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer


async def make_project(db: Database) -> UUID:
    """A project without members."""
    project_id = uuid7()
    async with db.write() as session:
        session.add(Project(id=project_id, name="Project", description=""))
    return project_id


async def make_viewer(
    db: Database, project_id: UUID | None = None, role: ProjectRole = ProjectRole.EDITOR, *, is_admin: bool = False
) -> Viewer:
    """A user, who has this role in the project if one is given."""
    user_id = uuid7()
    async with db.write() as session:
        session.add(User(id=user_id, email=f"{user_id.hex}@example.org", name="U", is_admin=is_admin, is_active=True))
        await session.flush()
        if project_id is not None:
            session.add(ProjectMember(project_id=project_id, user_id=user_id, role=role))
    return Viewer(user_id, is_admin)


async def make_video(db: Database, project_id: UUID) -> UUID:
    """A video."""
    video_id = uuid7()
    async with db.write() as session:
        session.add(
            Video(
                id=video_id,
                project_id=project_id,
                title="V",
                filename="v.mp4",
                storage_key=video_id.hex,
                size_bytes=1,
                content_hash="0" * 64,
            )
        )
    return video_id


async def make_job(
    db: Database, kind: JobKind = JobKind.PROBE, *, project_id: UUID | None = None, **values: Any
) -> Job:
    """A job, committed."""
    async with db.write() as session:
        return await service.enqueue(session, kind, project_id=project_id, **values)

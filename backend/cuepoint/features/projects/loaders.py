"""Batch look-ups of projects and members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.projects import access
from cuepoint.features.projects.edges import JOB_COUNT_OF_PROJECT, VIDEO_COUNT_OF_PROJECT
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users.edges import PROJECT_BY_ID
from cuepoint.graphql.counts import CountLoader, Counts, Key
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class ProjectById(Loader[UUID, Project | None]):
    """Projects by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Project | None]:
        """One statement for all keys."""
        visible = access.shown_projects(self.context.require_viewer())
        async with self.context.db.read() as session:
            rows = await session.scalars(select(Project).where(Project.id.in_(keys), Project.id.in_(visible)))
            return {row.id: row for row in rows}


class ViewerRole(Loader[UUID, ProjectRole | None]):
    """The viewer's role in each project."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, ProjectRole | None]:
        """One statement for all keys; none for administrators, who own everything as far as their credential goes."""
        viewer = self.context.require_viewer()
        roles: dict[UUID, ProjectRole] = {}
        if not viewer.sees_all:
            mine = ProjectMember.user_id == viewer.user_id
            async with self.context.db.read() as session:
                rows = await session.scalars(select(ProjectMember).where(mine, ProjectMember.project_id.in_(keys)))
                roles = {row.project_id: row.role for row in rows}
        return {key: access.lent_role(viewer, key, roles.get(key)) for key in keys}


class MembersOfProject(PageLoader[ProjectMember]):
    """A page of members of each project, by user id; none for whoever came by a share link."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[ProjectMember]:
        """One statement, whatever the number of projects."""
        keys = [(ProjectMember.user_id, UUID)]
        theirs = access.visible_projects(self.context.require_viewer())
        where = [ProjectMember.project_id.in_(theirs)]
        return await fetch_pages(session, ProjectMember, ProjectMember.project_id, ids, keys, page, where=where)


class MemberCount(CountLoader):
    """How many members each project has."""

    def counted(self, owner: Key) -> Select[int]:
        """All of them, for members."""
        theirs = access.visible_projects(self.context.require_viewer())
        members = select(func.count()).select_from(ProjectMember)
        return members.where(ProjectMember.project_id == owner, ProjectMember.project_id.in_(theirs))


COUNTS_OF_PROJECT = Counts(
    Project.id, {"members": MemberCount, "videos": VIDEO_COUNT_OF_PROJECT, "jobs": JOB_COUNT_OF_PROJECT}
)
BINDINGS: tuple[Binding, ...] = ((PROJECT_BY_ID, ProjectById),)

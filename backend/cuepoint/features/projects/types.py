"""GraphQL types of projects and their members."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from cuepoint.features.projects import models
from cuepoint.features.projects.edges import VIDEO_COUNT_OF_PROJECT, VIDEOS_OF_PROJECT
from cuepoint.features.projects.loaders import MemberCount, MembersOfProject, ProjectById, ViewerRole
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.types import User
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.back_edges import converter
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id

if TYPE_CHECKING:
    from cuepoint.features.videos.types import Video

describe_enum(
    ProjectRole,
    {
        ProjectRole.OWNER: "May do everything, members included.",
        ProjectRole.EDITOR: "May add, process and delete videos, and cut clips.",
        ProjectRole.VIEWER: "May look, search and download.",
    },
    description="What a member may do in a project; each role includes the ones after it.",
)


@strawberry.type(description="One user's role in one project.")
class ProjectMember:
    """A membership."""

    user_key: strawberry.Private[UUID]
    project_key: strawberry.Private[UUID]
    role: ProjectRole = strawberry.field(description="What the member may do.")

    @strawberry.field(description="Who it is.")
    async def user(self, info: Info) -> User | None:
        """The member."""
        row = await info.context.loader(UserById).load(self.user_key)
        return None if row is None else User.from_row(row)

    @classmethod
    def from_row(cls, row: models.ProjectMember) -> ProjectMember:
        """Copy the columns."""
        return cls(user_key=row.user_id, project_key=row.project_id, role=row.role)


@strawberry.type(description="The unit of access: a set of videos and the people who may see them.")
class Project:
    """A project as clients see it."""

    key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id.")
    name: str = strawberry.field(description="Shown name.")
    description: str = strawberry.field(description="Free text.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @strawberry.field(description="Your own role in it; OWNER for instance administrators.")
    async def viewer_role(self, info: Info) -> ProjectRole | None:
        """The caller's role."""
        return await info.context.loader(ViewerRole).load(self.key)

    @strawberry.field(description="Who belongs to it.")
    async def members(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[ProjectMember]:
        """A page of members."""
        page = await info.context.loader(MembersOfProject).load((self.key, page_request(first, after)))
        return Connection.from_page(
            page, ProjectMember.from_row, lambda: info.context.loader(MemberCount).load(self.key)
        )

    @strawberry.field(description="Its videos, newest first.")
    async def videos(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Annotated[Video, strawberry.lazy("cuepoint.features.videos.types")]]:
        """A page of videos."""
        page = await info.context.back_edge(VIDEOS_OF_PROJECT).load((self.key, page_request(first, after)))
        counter = info.context.back_edge(VIDEO_COUNT_OF_PROJECT)
        return Connection.from_page(page, converter(info, "Video"), lambda: counter.load(self.key))

    @classmethod
    def from_row(cls, row: models.Project) -> Project:
        """Copy the columns."""
        return cls(
            key=row.id,
            id=encode_id("Project", row.id),
            name=row.name,
            description=row.description,
            created_at=row.created_at,
        )


async def load_project(info: Info, project_id: UUID) -> Project | None:
    """The project of something else, through the batch loader; None if the viewer may not see it."""
    row = await info.context.loader(ProjectById).load(project_id)
    return None if row is None else Project.from_row(row)

"""GraphQL types of projects and their members."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from cuepoint.features.projects import models
from cuepoint.features.projects.edges import (
    FIGURES_OF_PROJECT,
    JOB_COUNT_OF_PROJECT,
    JOBS_OF_PROJECT,
    STORAGE_OF_PROJECT,
    USAGE_OF_PROJECT,
    VIDEO_COUNT_OF_PROJECT,
    VIDEOS_OF_PROJECT,
)
from cuepoint.features.projects.loaders import MemberCount, MembersOfProject, ProjectById, ViewerRole
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.types import User
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.back_edges import converter
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.list_sizes import cost_of
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id, seconds

COST_OF_USAGE = 20  # five sums, each over the rows of a month

if TYPE_CHECKING:
    from cuepoint.features.jobs.option_types import JobOptions
    from cuepoint.features.jobs.types import Job
    from cuepoint.features.quotas.types import Quota
    from cuepoint.features.storage.types import StorageStats
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


@strawberry.type(description="What a project holds.")
class ProjectStatistics:
    """Figures of a project."""

    video_count: int = strawberry.field(description="Its videos.")
    probed_video_count: int = strawberry.field(description="Those whose media are known; the others add no length.")
    duration_seconds: float = strawberry.field(description="Playing time of all of them together.")


@strawberry.type(description="The unit of access: a set of videos and the people who may see them.")
class Project(Node):
    """A project as clients see it."""

    key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id.")
    name: str = strawberry.field(description="Shown name.")
    description: str = strawberry.field(description="Free text.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When people last changed it, or archived it.")
    version: int = strawberry.field(description="Grows with each such change; updateProject names the one you saw.")
    archived_at: datetime | None = strawberry.field(description="Since when it can be read only; null = it is in use.")
    options: strawberry.Private[Mapping[str, Any]]

    @strawberry.field(description="Defaults of its jobs, where neither the call nor its preset says otherwise.")
    def settings(self, info: Info) -> Annotated[JobOptions, strawberry.lazy("cuepoint.features.jobs.option_types")]:
        settings: JobOptions = converter(info, "JobOptions")(self.options)
        return settings

    @strawberry.field(description="How much it holds.")
    async def statistics(self, info: Info) -> ProjectStatistics:
        """Its figures."""
        found = await info.context.back_edge(FIGURES_OF_PROJECT).load(self.key)
        return ProjectStatistics(
            video_count=found.videos,
            probed_video_count=found.probed_videos,
            duration_seconds=seconds(found.duration_ms),
        )

    @strawberry.field(description="Your own role in it; OWNER for instance administrators.")
    async def viewer_role(self, info: Info) -> ProjectRole | None:
        """The caller's role."""
        return await info.context.loader(ViewerRole).load(self.key)

    @strawberry.field(description="Who belongs to it.")
    def members(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[ProjectMember]:
        """A page of members."""
        pages, counts = info.context.loader(MembersOfProject), info.context.loader(MemberCount)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, ProjectMember.from_row, lambda: counts.get(self.key))

    @strawberry.field(description="Its videos, newest first.")
    def videos(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Annotated[Video, strawberry.lazy("cuepoint.features.videos.types")]]:
        """A page of videos."""
        pages, counts = info.context.back_edge(VIDEOS_OF_PROJECT), info.context.back_edge(VIDEO_COUNT_OF_PROJECT)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, converter(info, "Video"), lambda: counts.get(self.key))

    @strawberry.field(description="What it has in storage.")
    async def storage_stats(
        self, info: Info
    ) -> Annotated[StorageStats, strawberry.lazy("cuepoint.features.storage.types")]:
        """Its part of the storage."""
        totals = await info.context.back_edge(STORAGE_OF_PROJECT).load(self.key)
        stats: StorageStats = converter(info, "StorageStats")(totals)
        return stats

    @strawberry.field(
        description="How much of its limits it has taken, as `quota` tells it; null for whoever came by a share link.",
        directives=cost_of(COST_OF_USAGE),
    )
    async def usage(self, info: Info) -> Annotated[Quota, strawberry.lazy("cuepoint.features.quotas.types")] | None:
        """The state of its quota."""
        quota: Quota | None = converter(info, "Quota")(await info.context.back_edge(USAGE_OF_PROJECT).load(self.key))
        return quota

    @strawberry.field(description="Jobs in it, newest first.")
    def jobs(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Annotated[Job, strawberry.lazy("cuepoint.features.jobs.types")]]:
        """A page of jobs."""
        pages, counts = info.context.back_edge(JOBS_OF_PROJECT), info.context.back_edge(JOB_COUNT_OF_PROJECT)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, converter(info, "Job"), lambda: counts.get(self.key))

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Project | None:
        """By its key, as far as the viewer may see it."""
        return await load_project(info, key)

    @classmethod
    def from_row(cls, row: models.Project) -> Project:
        """Copy the columns."""
        return cls(
            key=row.id,
            id=encode_id("Project", row.id),
            name=row.name,
            description=row.description,
            created_at=row.created_at,
            updated_at=row.updated_at,
            version=row.version,
            archived_at=row.archived_at,
            options=row.settings,
        )


async def load_project(info: Info, project_id: UUID) -> Project | None:
    """The project of something else, through the batch loader; None if the viewer may not see it."""
    row = await info.context.loader(ProjectById).load(project_id)
    return None if row is None else Project.from_row(row)

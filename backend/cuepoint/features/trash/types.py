"""GraphQL types of the trash."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.trash.service import Trashed
from cuepoint.features.videos.state import VideoStatus
from cuepoint.graphql.context import Info
from cuepoint.graphql.scalars import BigInt, encode_id


@strawberry.type(
    description="A deleted video that can still be restored. Everywhere else it is as if it were not there."
)
class TrashedVideo:
    """A deleted video as clients see it."""

    project_key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id of the video, for restoreVideo.")
    title: str = strawberry.field(description="Shown name.")
    status: VideoStatus = strawberry.field(description="DELETING, as of every deleted video.")
    size_bytes: BigInt = strawberry.field(description="What it and all that was made of it hold in storage.")
    deleted_at: datetime = strawberry.field(description="When it was deleted.")
    restorable_until: datetime = strawberry.field(description="When its files are removed.")

    @strawberry.field(description="The project it belongs to.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.project_key)

    @classmethod
    def from_row(cls, row: Trashed) -> TrashedVideo:
        """Copy the columns."""
        return cls(
            project_key=row.project_id,
            id=encode_id("Video", row.id),
            title=row.title,
            status=row.status,
            size_bytes=BigInt(row.size_bytes),
            deleted_at=row.deleted_at,
            restorable_until=row.purge_at,
        )


@strawberry.type(
    description="A deleted clip or reel that can still be restored. Everywhere else it is as if it were not there."
)
class TrashedWork:
    """A deleted clip or reel as clients see it."""

    project_key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id of it, for restoreClip or restoreReel.")
    title: str = strawberry.field(description="Shown name.")
    size_bytes: BigInt = strawberry.field(description="What its file holds in storage; 0 without one.")
    deleted_at: datetime = strawberry.field(description="When it was deleted.")
    restorable_until: datetime = strawberry.field(description="When its file is removed.")

    @strawberry.field(description="The project it belongs to.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.project_key)

    @classmethod
    def from_row(cls, row: Clip | Reel) -> TrashedWork:
        """Copy the columns."""
        assert row.deleted_at is not None  # the list holds no others
        assert row.purge_at is not None
        return cls(
            project_key=row.project_id,
            id=encode_id(type(row).__name__, row.id),
            title=row.title,
            size_bytes=BigInt(row.size_bytes or 0),
            deleted_at=row.deleted_at,
            restorable_until=row.purge_at,
        )

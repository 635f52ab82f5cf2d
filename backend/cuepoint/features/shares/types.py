"""GraphQL types of share links."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.features.projects import models
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.shares.loaders import ShareLinkById
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.context import Info
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id


@strawberry.type(description="A link by which people without an account look at one video or one project.")
class ShareLink(Node):
    """A share link as owners see it; its token is shown once, when it is made."""

    project_key: strawberry.Private[UUID]
    video_key: strawberry.Private[UUID | None]
    id: strawberry.ID = strawberry.field(description="Global id.")
    prefix: str = strawberry.field(description="First characters of its token, to tell links apart.")
    allow_download: bool = strawberry.field(
        description="Whether clients should offer to save files. A wish: what can be played can be kept."
    )
    has_password: bool = strawberry.field(description="Whether it asks for a password.")
    expires_at: datetime | None = strawberry.field(description="Refused from then on; null = never.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null = it is valid.")
    uses: int = strawberry.field(description="How often it was opened.")
    last_used_at: datetime | None = strawberry.field(description="When it was last opened.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @strawberry.field(description="The project that it opens, or in which its video is.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.project_key)

    @strawberry.field(description="The only video that it opens; null = the whole project.")
    async def video(self, info: Info) -> Video | None:
        return await load_video(info, self.video_key)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> ShareLink | None:
        """By its key, as far as the viewer owns its project."""
        row = await info.context.loader(ShareLinkById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.ShareLink) -> ShareLink:
        """Copy the columns."""
        return cls(
            project_key=row.project_id,
            video_key=row.video_id,
            id=encode_id("ShareLink", row.id),
            prefix=row.prefix,
            allow_download=row.may_download,
            has_password=row.password_hash is not None,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            uses=row.uses,
            last_used_at=row.last_used_at,
            created_at=row.created_at,
        )

"""GraphQL roots of share links."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cuepoint.features.shares import service
from cuepoint.features.shares.types import ShareLink
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import SECRET, IdempotentInput
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="What to share, and how.")
class CreateShareLinkInput(IdempotentInput):
    """Input of createShareLink."""

    node_id: strawberry.ID = strawberry.field(description="A video or a project.")
    expires_at: datetime | None = strawberry.field(default=None, description="Refused from then on; null = never.")
    allow_download: bool = strawberry.field(
        default=False, description="Whether clients should offer to save files. A wish: what can be played can be kept."
    )
    password: str | None = strawberry.field(default=None, description="8 to 200 characters; null = none is asked for.")

    def target(self) -> service.Target:
        """What it is. Raises NotFoundError for an id of anything else."""
        if self.node_id.startswith("video_"):
            return service.Target(None, decode_id("Video", self.node_id, field=("nodeId",)))
        return service.Target(decode_id("Project", self.node_id, field=("nodeId",)), None)


@strawberry.type(description="Result of createShareLink.")
class CreateShareLinkPayload(Payload):
    """Payload of createShareLink."""

    share_link: ShareLink | None = strawberry.field(default=None, description="The new link.")
    token: str | None = strawberry.field(
        default=None,
        metadata=SECRET,
        description="Its secret, shown this once: whoever has it may look at what the link opens.",
    )


@strawberry.input(description="Which link to revoke.")
class RevokeShareLinkInput:
    """Input of revokeShareLink."""

    id: strawberry.ID = strawberry.field(description="The link.")


@strawberry.type(description="Result of revokeShareLink.")
class RevokeShareLinkPayload(Payload):
    """Payload of revokeShareLink."""

    share_link: ShareLink | None = strawberry.field(default=None, description="The link, revoked.")


@strawberry.type
class ShareQuery:
    """Queries of share links."""

    @strawberry.field(description="Links of a project and its videos, oldest first, revoked ones too. Owners only.")
    async def share_links(
        self,
        info: Info,
        project_id: Annotated[strawberry.ID, strawberry.argument(description="The project.")],
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[ShareLink]:
        """A page of links."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        key = decode_id("Project", project_id, field=("projectId",))
        async with info.context.db.read() as session:
            found = await service.list_links(session, viewer, key, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_links(session, key)

        return Connection.from_page(found, ShareLink.from_row, count)


@strawberry.type
class ShareMutation:
    """Mutations of share links."""

    @strawberry.mutation(
        description="Let whoever has the link look at a video or a project without an account, and no more. Owners."
    )
    @reports_errors(CreateShareLinkPayload)
    async def create_share_link(
        self, info: Info, input: Annotated[CreateShareLinkInput, strawberry.argument(description="What and how.")]
    ) -> CreateShareLinkPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            created = await service.create_link(
                session,
                viewer,
                input.target(),
                expires_at=input.expires_at,
                may_download=input.allow_download,
                password=input.password,
            )
        return CreateShareLinkPayload(share_link=ShareLink.from_row(created.link), token=created.token)

    @strawberry.mutation(description="Let a link show nothing from now on. Owners only.")
    @reports_errors(RevokeShareLinkPayload)
    async def revoke_share_link(
        self, info: Info, input: Annotated[RevokeShareLinkInput, strawberry.argument(description="Which.")]
    ) -> RevokeShareLinkPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            row = await service.revoke_link(session, viewer, decode_id("ShareLink", input.id, field=("id",)))
        return RevokeShareLinkPayload(share_link=ShareLink.from_row(row))

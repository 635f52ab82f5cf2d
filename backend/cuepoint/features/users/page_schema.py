"""GraphQL root of the player page's sign-in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cuepoint.features.users import page_sessions
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.scalars import URL, decode_id


@strawberry.input(description="A browser that shall be signed in to the player page.")
class CreatePageCodeInput:
    """Input of createPageCode."""

    video_id: strawberry.ID | None = strawberry.field(
        default=None, description="The video whose page `url` opens; null = the address of no video."
    )


@strawberry.type(description="Result of createPageCode.")
class CreatePageCodePayload(Payload):
    """Payload of createPageCode."""

    code: str | None = strawberry.field(default=None, description="Signs in one browser once. It is never shown again.")
    expires_at: datetime | None = strawberry.field(default=None, description="When the code stops to work.")
    url: URL | None = strawberry.field(
        default=None,
        description="The page with the code behind `#`, where no server and no log sees it. Whoever opens it first is "
        "signed in for 12 hours with the rights of the credential that asked, and no longer than that.",
    )


@strawberry.type
class PageMutation:
    """Mutations of the page's sign-in."""

    @strawberry.mutation(description="Make a one-time code that signs a browser in to the player page `/v/<id>`.")
    @reports_errors(CreatePageCodePayload)
    async def create_page_code(
        self, info: Info, input: Annotated[CreatePageCodeInput, strawberry.argument(description="For which page.")]
    ) -> CreatePageCodePayload:
        viewer = info.context.require_viewer()
        if input.video_id is not None:
            decode_id("Video", input.video_id, field=("videoId",))
        async with info.context.db.write() as session:
            code, expires_at = await page_sessions.create_page_code(session, viewer)
        url = f"{info.context.base_url}/v/{input.video_id or ''}#code={code}"
        return CreatePageCodePayload(code=code, expires_at=expires_at, url=url)

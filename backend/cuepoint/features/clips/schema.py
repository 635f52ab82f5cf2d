"""GraphQL roots of clips."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.adapters.media.base import ClipMode
from cuepoint.features.clips import service
from cuepoint.features.clips.types import Clip
from cuepoint.features.jobs.types import Job
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.scalars import MediaTime, decode_id


@strawberry.input(description="A clip to cut: exactly one of a range (both `start` and `end`) or `momentId`.")
class CreateClipInput:
    """Input of createClip."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    start: MediaTime | None = strawberry.field(default=None, description="In point.")
    end: MediaTime | None = strawberry.field(default=None, description="Out point, exclusive; at most an hour later.")
    moment_id: strawberry.ID | None = strawberry.field(default=None, description="A moment of the video.")
    title: str | None = strawberry.field(default=None, description="Shown name; null = the moment's, or the range.")
    mode: ClipMode = strawberry.field(default=ClipMode.SMART, description="How to cut; SMART is exact and quick.")


@strawberry.type(description="Result of createClip.")
class CreateClipPayload(Payload):
    """Payload of createClip."""

    clip: Clip | None = strawberry.field(default=None, description="The clip; its `url` appears when the job is done.")
    job: Job | None = strawberry.field(default=None, description="The job that cuts it.")


@strawberry.type
class ClipQuery:
    """Queries of clips."""

    @strawberry.field(description="A clip that you may see; null otherwise.")
    async def clip(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The clip.")]
    ) -> Clip | None:
        """One clip."""

        async def find() -> Clip:
            viewer = info.context.require_viewer()
            async with info.context.db.read() as session:
                return Clip.from_row(await service.get_clip(session, viewer, decode_id("Clip", id)))

        return await found_or_none(find())

    @strawberry.field(description="Clips that you may see, oldest first.")
    async def clips(
        self,
        info: Info,
        video_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this video; null = of all.")
        ] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Clip]:
        """A page of clips."""
        viewer = info.context.require_viewer()
        page = page_request(first, after)
        of_video = None if video_id is None else decode_id("Video", video_id)
        async with info.context.db.read() as session:
            found = await service.list_clips(session, viewer, page, of_video)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_clips(session, viewer, of_video)

        return Connection.from_page(found, Clip.from_row, count)


@strawberry.type
class ClipMutation:
    """Mutations of clips."""

    @strawberry.mutation(
        description="Cut a clip into an MP4 that starts to play before it is loaded; exact to the frame unless FAST."
    )
    @reports_errors(CreateClipPayload)
    async def create_clip(
        self, info: Info, input: Annotated[CreateClipInput, strawberry.argument(description="What to cut.")]
    ) -> CreateClipPayload:
        """Create a clip."""
        viewer = info.context.require_viewer()
        moment_id = None if input.moment_id is None else decode_id("Moment", input.moment_id, field=("momentId",))
        async with info.context.db.write() as session:
            clip, job = await service.request_clip(
                session,
                viewer,
                video_id=decode_id("Video", input.video_id, field=("videoId",)),
                start_ms=input.start,
                end_ms=input.end,
                moment_id=moment_id,
                title=input.title,
                mode=input.mode,
            )
            return CreateClipPayload(clip=Clip.from_row(clip), job=Job.from_row(job))

"""GraphQL roots of moments."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.jobs.types import Job
from cuepoint.features.moments import service
from cuepoint.features.moments.loaders import MomentById, MomentCountOfVideo
from cuepoint.features.moments.types import Moment
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import MediaTime, decode_id


@strawberry.input(description="Of which video to find moments, and how many of what length.")
class GenerateMomentsInput(IdempotentInput):
    """Input of generateMoments."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    count: int | None = strawberry.field(
        default=None, description="At most so many, 1 to 50; null = 3 to 10 by the length of the video."
    )
    min_duration: MediaTime | None = strawberry.field(
        default=None, description="Shortest moment, 1 to 600 s; null = 8 s, less for media under 64 s."
    )
    max_duration: MediaTime | None = strawberry.field(
        default=None, description="Longest moment, 1 to 600 s; null = 60 s, or a third of shorter media."
    )
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Says what is left out here, before the settings of the project."
    )


@strawberry.type(description="Result of generateMoments.")
class GenerateMomentsPayload(Payload):
    """Payload of generateMoments."""

    job: Job | None = strawberry.field(
        default=None, description="The job that replaces the video's moments; one that asks for the same is joined."
    )


@strawberry.type
class MomentQuery:
    """Queries of moments."""

    @strawberry.field(description="A moment that you may see; null otherwise.")
    async def moment(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The moment.")]
    ) -> Moment | None:
        """One moment."""

        async def find() -> Moment | None:
            info.context.require_viewer()
            row = await info.context.loader(MomentById).load(decode_id("Moment", id))
            return None if row is None else Moment.from_row(row)

        return await found_or_none(find())

    @strawberry.field(description="Moments of a video, best first; NOT_FOUND for a video that you may not see.")
    async def moments(
        self,
        info: Info,
        video_id: Annotated[strawberry.ID, strawberry.argument(description="The video.")],
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Moment]:
        """A page of moments."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        key = decode_id("Video", video_id, field=("videoId",))
        async with info.context.db.read() as session:
            found = await service.list_moments(session, viewer, key, page)
        return Connection.from_page(found, Moment.from_row, lambda: info.context.loader(MomentCountOfVideo).load(key))


@strawberry.type
class MomentMutation:
    @strawberry.mutation(
        description="Find the moments of a video again, replacing the former ones; waits for a transcript under way."
    )
    @reports_errors(GenerateMomentsPayload)
    async def generate_moments(
        self, info: Info, input: Annotated[GenerateMomentsInput, strawberry.argument(description="Of what.")]
    ) -> GenerateMomentsPayload:
        """Ask for moments."""
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        preset_id = None if input.preset_id is None else decode_id("Preset", input.preset_id, field=("presetId",))
        async with info.context.db.write() as session:
            job = await service.request_moments(
                session,
                viewer,
                video_id,
                count=input.count,
                min_ms=input.min_duration,
                max_ms=input.max_duration,
                preset_id=preset_id,
            )
            return GenerateMomentsPayload(job=Job.from_row(job))

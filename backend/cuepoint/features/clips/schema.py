"""GraphQL roots of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest
from cuepoint.errors import BadInputError, CuepointError
from cuepoint.features.batches.service import BatchState
from cuepoint.features.batches.types import Batch
from cuepoint.features.clips import bulk, glyphs, reels, service
from cuepoint.features.clips.form_types import ClipOutputInput
from cuepoint.features.clips.inputs import (
    AutoClipsInput,
    CreateClipInput,
    CreateClipsInput,
    ReelJoinInput,
    form_of,
    request_of,
    request_or_error,
)
from cuepoint.features.clips.requests import ClipRequest
from cuepoint.features.clips.status import ClipStatus
from cuepoint.features.clips.types import Clip, ClipCount, ClipItem, Reel
from cuepoint.features.jobs.types import Job
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.error_policy import ErrorPolicy
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import MediaTime, decode_id
from cuepoint.viewer import Viewer

Row = TypeVar("Row")


@strawberry.type(description="Result of createClip.")
class CreateClipPayload(Payload):
    """Payload of createClip."""

    clip: Clip | None = strawberry.field(default=None, description="The clip; its `url` appears when the job is done.")
    job: Job | None = strawberry.field(default=None, description="The job that cuts it.")


@strawberry.type(description="Result of createClips and autoClips.")
class ClipBatchPayload(Payload):
    """What the two have in common."""

    batch: Batch | None = strawberry.field(default=None, description="The batch; null if all clips were refused.")
    items: list[ClipItem] | None = strawberry.field(default=None, description="One for each clip, in their order.")


@strawberry.type(description="Result of createClips.")
class CreateClipsPayload(ClipBatchPayload):
    """Payload of createClips."""


@strawberry.type(description="Result of autoClips.")
class AutoClipsPayload(ClipBatchPayload):
    """Payload of autoClips."""


@strawberry.input(
    description="A piece of a reel: exactly one of `videoId` with `start` and `end`, `momentId`, `clipId`."
)
class ReelItemInput:
    """A piece as given."""

    video_id: strawberry.ID | None = strawberry.field(default=None, description="A video of the project.")
    start: MediaTime | None = strawberry.field(default=None, description="In point, with `videoId`.")
    end: MediaTime | None = strawberry.field(default=None, description="Out point, exclusive, with `videoId`.")
    moment_id: strawberry.ID | None = strawberry.field(default=None, description="A moment of a video of the project.")
    clip_id: strawberry.ID | None = strawberry.field(
        default=None, description="A clip that has its file: in its form, with its captions."
    )


describe_enum(
    reels.ReelOrder,
    {
        reels.ReelOrder.GIVEN: "As `items` name them.",
        reels.ReelOrder.SOURCE_TIME: "Of the oldest video (`Video.createdAt`) first, and of each video by their start.",
    },
    description="In which order the pieces of a reel are joined.",
)


@strawberry.input(description="Pieces to join into one file.")
class CreateReelInput(IdempotentInput):
    """Input of createReel."""

    project_id: strawberry.ID = strawberry.field(description="Whose videos and clips it shows; you must be an EDITOR.")
    items: list[ReelItemInput] = strawberry.field(description="1 to 50 pieces.")
    order: reels.ReelOrder = strawberry.field(
        default=reels.ReelOrder.GIVEN, description="In which order they are shown."
    )
    title: str | None = strawberry.field(default=None, description="Shown name; null = one that counts the items.")
    cross_fade: MediaTime = strawberry.field(
        default=0,
        description="Two pieces overlap and fade for so long, at most 5 s and half of the shortest: the short form of "
        "`transitions` with one CROSS_FADE.",
    )
    transitions: list[ReelJoinInput] | None = strawberry.field(
        default=None,
        description="One for all pairs of neighbours, or one for each in the order in which they are shown; null = "
        "cuts, or `crossFade`.",
    )
    output: ClipOutputInput | None = strawberry.field(
        default=None,
        description="Form of the whole: MP4, MOV or WEBM. `loudness` is what each piece is brought to; null = that of "
        "the first file, to which the others are brought. The frame is that of the first piece unless it says "
        "otherwise; other shapes stand before their own blur.",
    )


@strawberry.type(description="Result of createReel.")
class CreateReelPayload(Payload):
    """Payload of createReel."""

    reel: Reel | None = strawberry.field(default=None, description="The reel; its `url` appears when the job is done.")
    job: Job | None = strawberry.field(default=None, description="The job that joins it.")


async def _found(
    info: Info, node_type: str, id: str, get: Callable[[AsyncSession, Viewer, UUID], Awaitable[Row]]
) -> Row | None:
    """The clip or reel; None if the viewer may not see it."""

    async def find() -> Row:
        viewer = info.context.require_viewer()
        async with info.context.db.read() as session:
            return await get(session, viewer, decode_id(node_type, id))

    return await found_or_none(find())


async def _listed(
    info: Info,
    read: Callable[[AsyncSession, Viewer, PageRequest, UUID | None], Awaitable[Page[Row]]],
    count: Callable[[AsyncSession, Viewer, UUID | None], Awaitable[int]],
    page: PageRequest,
    of: UUID | None,
) -> tuple[Page[Row], Callable[[], Awaitable[int]]]:
    """A page of clips or reels, and how to count them all."""
    viewer = info.context.require_viewer()
    async with info.context.db.read() as session:
        found = await read(session, viewer, page, of)

    async def total() -> int:
        async with info.context.db.read() as session:
            return await count(session, viewer, of)

    return found, total


@strawberry.type
class ClipQuery:
    """Queries of clips."""

    @strawberry.field(description="A clip that you may see; null otherwise.")
    async def clip(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The clip.")]
    ) -> Clip | None:
        """One clip."""

        row = await _found(info, "Clip", id, service.get_clip)
        return None if row is None else Clip.from_row(row)

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
        of_video = None if video_id is None else decode_id("Video", video_id)
        found, count = await _listed(
            info, service.list_clips, service.count_clips, page_request(first, after, info), of_video
        )
        return Connection.from_page(found, Clip.from_row, count)

    @strawberry.field(description="How many clips of a video are how far; what there is none of is left out.")
    async def clip_counts(
        self, info: Info, video_id: Annotated[strawberry.ID, strawberry.argument(description="The video.")]
    ) -> list[ClipCount]:
        """Counts by status."""
        viewer = info.context.require_viewer()
        async with info.context.db.read() as session:
            counts = await service.count_by_status(session, viewer, decode_id("Video", video_id))
        return [ClipCount(status=status, count=counts[status]) for status in ClipStatus if status in counts]

    @strawberry.field(description="A reel that you may see; null otherwise.")
    async def reel(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The reel.")]
    ) -> Reel | None:
        """One reel."""

        row = await _found(info, "Reel", id, reels.get_reel)
        return None if row is None else Reel.from_row(row)

    @strawberry.field(description="Reels that you may see, oldest first.")
    async def reels(
        self,
        info: Info,
        project_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this project; null = of all.")
        ] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Reel]:
        """A page of reels."""
        of_project = None if project_id is None else decode_id("Project", project_id)
        found, count = await _listed(
            info, reels.list_reels, reels.count_reels, page_request(first, after, info), of_project
        )
        return Connection.from_page(found, Reel.from_row, count)


async def _cut_all(
    info: Info, requests: Sequence[ClipRequest | CuepointError], *, is_all_or_nothing: bool, is_list_given: bool
) -> tuple[Batch | None, list[ClipItem]]:
    viewer, batch_id = info.context.require_viewer(), uuid7()
    items = await bulk.request_clips(
        info.context.db,
        viewer,
        requests,
        batch_id=batch_id,
        is_all_or_nothing=is_all_or_nothing,
        is_list_given=is_list_given,
        media=info.context.adapters.media,
    )
    counts = Counter(item.job.status for item in items if item.job is not None)
    batch = Batch.from_row(BatchState(batch_id, counts, 0.0)) if counts else None
    return batch, [ClipItem.from_row(index, item) for index, item in enumerate(items)]


@strawberry.type
class ClipMutation:
    @strawberry.mutation(
        description="Cut a clip, by default into an MP4 that starts to play before it is loaded; exact to the frame "
        "unless FAST."
    )
    @reports_errors(CreateClipPayload)
    async def create_clip(
        self, info: Info, input: Annotated[CreateClipInput, strawberry.argument(description="What to cut.")]
    ) -> CreateClipPayload:
        viewer = info.context.require_viewer()
        request = request_of(input)
        async with info.context.db.write() as session:
            clip, job = await service.request_clip(session, viewer, request)
            await glyphs.check_clip(session, info.context.adapters.media, clip)
            return CreateClipPayload(clip=Clip.from_row(clip), job=Job.from_row(job))

    @strawberry.mutation(description="Cut many clips as one batch. Each is cut or refused for itself: see `items`.")
    @reports_errors(CreateClipsPayload)
    async def create_clips(
        self, info: Info, input: Annotated[CreateClipsInput, strawberry.argument(description="What to cut.")]
    ) -> CreateClipsPayload:
        viewer = info.context.require_viewer()
        if (input.items is None) == (input.moments_of is None):
            raise BadInputError("Give either items or momentsOf.", field=("items",))
        requests: list[ClipRequest | CuepointError]
        if input.moments_of is not None:
            video_id = decode_id("Video", input.moments_of, field=("momentsOf",))
            async with info.context.db.read() as session:
                form = form_of(input.output)
                requests = [*await bulk.moment_requests(session, viewer, video_id, input.count, form)]
        else:
            requests = [request_or_error(item, input.output) for item in input.items or ()]
        rejects = input.error_policy is ErrorPolicy.REJECT_EVERYTHING
        has_list = input.items is not None
        batch, items = await _cut_all(info, requests, is_all_or_nothing=rejects, is_list_given=has_list)
        return CreateClipsPayload(batch=batch, items=items)

    @strawberry.mutation(description="Cut a whole video into clips by a rule: their length, overlap and number.")
    @reports_errors(AutoClipsPayload)
    async def auto_clips(
        self, info: Info, input: Annotated[AutoClipsInput, strawberry.argument(description="Which video, and how.")]
    ) -> AutoClipsPayload:
        """Create clips by a rule."""
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        async with info.context.db.read() as session:
            form = form_of(input.output)
            found = await bulk.auto_requests(session, viewer, video_id, input.to_rule(), mode=input.mode, form=form)
        batch, items = await _cut_all(info, found, is_all_or_nothing=True, is_list_given=False)
        return AutoClipsPayload(batch=batch, items=items)

    @strawberry.mutation(description="Join ranges, moments and clips of one project into one file.")
    @reports_errors(CreateReelPayload)
    async def create_reel(
        self, info: Info, input: Annotated[CreateReelInput, strawberry.argument(description="What to join.")]
    ) -> CreateReelPayload:
        viewer = info.context.require_viewer()
        request = reels.ReelRequest(
            project_id=decode_id("Project", input.project_id, field=("projectId",)),
            pieces=[_piece(item, number) for number, item in enumerate(input.items)],
            title=input.title,
            cross_fade_ms=input.cross_fade,
            form=form_of(input.output),
            order=input.order,
            transitions=[join.to_join() for join in input.transitions or ()],
        )
        async with info.context.db.write() as session:
            reel, job = await reels.request_reel(session, viewer, request)
            items = (await reels.items_of(session, [reel.id]))[reel.id]
            await glyphs.check_reel(session, info.context.adapters.media, request.form, items)
            return CreateReelPayload(reel=Reel.from_row(reel), job=Job.from_row(job))


def _piece(item: ReelItemInput, number: int) -> reels.ReelPiece:
    def key(node_type: str, id: str | None, name: str) -> UUID | None:
        return None if id is None else decode_id(node_type, id, field=("items", str(number), name))

    return reels.ReelPiece(
        video_id=key("Video", item.video_id, "videoId"),
        start_ms=item.start,
        end_ms=item.end,
        moment_id=key("Moment", item.moment_id, "momentId"),
        clip_id=key("Clip", item.clip_id, "clipId"),
    )

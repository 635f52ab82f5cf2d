"""GraphQL roots of videos: register, read, list, delete, and start their pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.errors import BadInputError
from cuepoint.features.jobs.effective import NO_OPTIONS
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.option_types import JobOptionsInput
from cuepoint.features.jobs.service import in_transaction
from cuepoint.features.jobs.types import Job
from cuepoint.features.uploads.duplicates import OnDuplicate, duplicate_refused
from cuepoint.features.videos import lists, service
from cuepoint.features.videos.details import VideoDetails
from cuepoint.features.videos.loaders import COUNTS_OF_VIDEO
from cuepoint.features.videos.state import VideoStatus
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import MediaTime, decode_id

describe_enum(
    lists.VideoOrder,
    {
        lists.VideoOrder.CREATED_DESC: "The newest first.",
        lists.VideoOrder.CREATED_ASC: "The oldest first.",
        lists.VideoOrder.TITLE_ASC: "By title, whatever its case.",
        lists.VideoOrder.DURATION_DESC: "The longest first.",
        lists.VideoOrder.DURATION_ASC: "The shortest first; before them those whose length is unknown.",
        lists.VideoOrder.SIZE_DESC: "The largest first.",
        lists.VideoOrder.SIZE_ASC: "The smallest first; before them those whose size is unknown.",
    },
    description="Order of a list of videos.",
)


@strawberry.input(name="MetadataConditionInput", description="A key of a video's metadata, and its value.")
class MetadataCondition:
    """A condition on metadata."""

    key: str = strawberry.field(description="A key of the outermost object.")
    value: JSON = strawberry.field(description="A text, a number, true or false that it holds exactly.")


def values_by_key(conditions: Sequence[MetadataCondition] | None, *, field: tuple[str, ...]) -> dict[str, JSON]:
    """The conditions as services take them. Raises BadInputError for a key that is named twice."""
    found = {one.key: one.value for one in conditions or ()}
    if len(found) < len(conditions or ()):
        raise BadInputError("A key of the metadata is named twice, and holds one value at most.", field=field)
    return found


@strawberry.input(name="VideoFilterInput", description="Which videos to list. Conditions are joined by and.")
class VideoFilter:
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of this project.")
    content_hash: str | None = strawberry.field(
        default=None,
        description="Whose original has this hash, lower-case hexadecimal: its BLAKE3, or its SHA-256 where that is "
        "known (`Video.sha256`). Finds a file that was already uploaded.",
    )
    tags: list[str] | None = strawberry.field(default=None, description="Which bear all of these tags.")
    external_id: str | None = strawberry.field(default=None, description="Which another system calls so.")
    metadata: list[MetadataCondition] | None = strawberry.field(
        default=None, description="Whose metadata hold all of these, at most 10."
    )
    text: str | None = strawberry.field(
        default=None, description="Whose title or file name holds this text, whatever its case."
    )
    status: list[VideoStatus] | None = strawberry.field(default=None, description="In one of these states.")
    stage: list[JobKind] | None = strawberry.field(
        default=None,
        description="Whose newest job of one of these kinds is not over: what they wait for, or go through.",
    )
    min_duration: MediaTime | None = strawberry.field(
        default=None, description="At least so long; leaves out those whose length is unknown."
    )
    max_duration: MediaTime | None = strawberry.field(
        default=None, description="At most so long; leaves out those whose length is unknown."
    )
    created_from: datetime | None = strawberry.field(default=None, description="Created at this time or later.")
    created_before: datetime | None = strawberry.field(default=None, description="Created before this time.")
    has_transcript: bool | None = strawberry.field(
        default=None, description="Whether a transcript of it is there, also one of a video in which nobody speaks."
    )
    language: str | None = strawberry.field(
        default=None, description="Whose transcript is in this language, an ISO 639-1 code."
    )

    and_: list[VideoFilter] | None = strawberry.field(
        default=None, name="and", description="Which all of these let through too; 3 levels deep at most."
    )
    or_: list[VideoFilter] | None = strawberry.field(
        default=None, name="or", description="Which one of these lets through."
    )
    not_: VideoFilter | None = strawberry.field(
        default=None, name="not", description="Which this one does not let through."
    )

    def to_service(self) -> lists.VideoFilter:
        """As the service takes it."""
        return lists.VideoFilter(
            project_id=_project_key(self.project_id),
            content_hash=self.content_hash,
            tags=self.tags or (),
            external_id=self.external_id,
            metadata=values_by_key(self.metadata, field=("filter", "metadata")),
            text=self.text,
            statuses=self.status or (),
            stages=self.stage or (),
            min_duration_ms=self.min_duration,
            max_duration_ms=self.max_duration,
            created_from=self.created_from,
            created_before=self.created_before,
            has_transcript=self.has_transcript,
            language=self.language,
            all_of=[one.to_service() for one in self.and_ or ()],
            any_of=[one.to_service() for one in self.or_ or ()],
            none_of=None if self.not_ is None else self.not_.to_service(),
        )


def _project_key(id: strawberry.ID | None) -> UUID | None:
    return None if id is None else decode_id("Project", id, field=("filter", "projectId"))


@strawberry.input(description="An upload that is whole and shall be a video.")
class RegisterVideoInput(IdempotentInput):
    """Input of registerVideo."""

    upload_id: strawberry.ID = strawberry.field(description="The upload; it must be COMPLETE.")
    title: str | None = strawberry.field(default=None, description="Shown name; null = the file name.")
    auto_start: bool = strawberry.field(default=True, description="Whether to start the pipeline at once.")
    on_duplicate: OnDuplicate = strawberry.field(
        default=OnDuplicate.KEEP,
        description="What to do if the project has another video of these very bytes. LINK drops the upload's bytes, "
        "REJECT leaves them until the upload expires.",
    )
    tags: list[str] = strawberry.field(default_factory=list, description="At most 50 tags of 50 characters.")
    external_id: str | None = strawberry.field(
        default=None, description="What another system calls it, unique in the project."
    )
    metadata: JSON | None = strawberry.field(
        default=None, description="Anything you want to keep with it: an object of at most 16 KB and 5 levels."
    )
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Options of the jobs that are started, before those of the project."
    )
    options: JobOptionsInput | None = strawberry.field(default=None, description="Options that go before all others.")


@strawberry.type(description="Result of registerVideo.")
class RegisterVideoPayload(Payload):
    """Payload of registerVideo."""

    video: Video | None = strawberry.field(
        default=None, description="The video. An upload becomes one only once: repeating answers the same video."
    )
    jobs: list[Job] = strawberry.field(
        default_factory=list, description="The pipeline in order, if it was started now; at most one of each kind."
    )
    duplicate_of: Video | None = strawberry.field(
        default=None, description="Another video in the project of the same bytes, the oldest; with LINK it is `video`."
    )


@strawberry.input(description="Which steps to run on which video.")
class StartPipelineInput(IdempotentInput):
    """Input of startPipeline."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    steps: list[JobKind] | None = strawberry.field(
        default=None,
        description="Steps to run, in any order; null = `options.steps`, else those of the preset or the project's "
        "settings, else all.",
    )
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Options of the jobs that are started, before those of the project."
    )
    options: JobOptionsInput | None = strawberry.field(default=None, description="Options that go before all others.")
    force: bool = strawberry.field(
        default=False,
        description="Whether to run steps whose result is fresh - made of the same input, options and engine - too.",
    )


@strawberry.type(description="Result of startPipeline.")
class StartPipelinePayload(Payload):
    """Payload of startPipeline."""

    video: Video | None = strawberry.field(default=None, description="The video.")
    jobs: list[Job] = strawberry.field(
        default_factory=list, description="One job for each step; a step that was under way is joined, not doubled."
    )


def how_to_start(
    options: JobOptionsInput | None, preset_id: strawberry.ID | None, *, force: bool = False
) -> service.StartOptions:
    """The options of a call as the service takes them."""
    return service.StartOptions(
        options=NO_OPTIONS if options is None else options.to_service(),
        preset_id=None if preset_id is None else decode_id("Preset", preset_id, field=("presetId",)),
        force=force,
    )


@strawberry.type
class VideoQuery:
    """Queries of videos."""

    @strawberry.field(description="A video that you may see; null otherwise.")
    async def video(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The video.")]
    ) -> Video | None:
        """One video."""

        async def find() -> Video | None:
            info.context.require_viewer()
            return await load_video(info, decode_id("Video", id))

        return await found_or_none(find())

    @strawberry.field(description="Videos that you may see, newest first unless you say otherwise.")
    async def videos(
        self,
        info: Info,
        filter: Annotated[VideoFilter | None, strawberry.argument(description="Which; null = all.")] = None,
        order_by: Annotated[
            lists.VideoOrder, strawberry.argument(description="In what order.")
        ] = lists.VideoOrder.CREATED_DESC,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Video]:
        """A page of videos."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info, counts=COUNTS_OF_VIDEO)
        wanted = (filter or VideoFilter()).to_service()
        async with info.context.db.read() as session:
            found = await service.list_videos(session, viewer, page, wanted, order_by)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_videos(session, viewer, wanted)

        return Connection.from_page(found, Video.from_row, count)


@strawberry.type
class VideoMutation:
    @strawberry.mutation(description="Make a video of a whole upload, and start its pipeline unless told otherwise.")
    @reports_errors(RegisterVideoPayload)
    async def register_video(
        self, info: Info, input: Annotated[RegisterVideoInput, strawberry.argument(description="The upload.")]
    ) -> RegisterVideoPayload:
        made = await service.register_video(
            info.context.db,
            info.context.adapters.storage,
            info.context.require_viewer(),
            upload_id=decode_id("Upload", input.upload_id, field=("uploadId",)),
            title=input.title,
            auto_start=input.auto_start,
            on_duplicate=input.on_duplicate,
            details=VideoDetails(tags=input.tags, external_id=input.external_id, metadata=input.metadata),
            how=how_to_start(input.options, input.preset_id),
        )
        duplicate_of = None if made.duplicate_of is None else Video.from_row(made.duplicate_of)
        if made.video is None:
            return RegisterVideoPayload(errors=[UserError.from_error(duplicate_refused())], duplicate_of=duplicate_of)
        return RegisterVideoPayload(
            video=Video.from_row(made.video), jobs=[Job.from_row(job) for job in made.jobs], duplicate_of=duplicate_of
        )

    @strawberry.mutation(
        description="Run steps of the pipeline again; each replaces its former results, and is skipped where they are "
        "fresh."
    )
    @reports_errors(StartPipelinePayload)
    async def start_pipeline(
        self, info: Info, input: Annotated[StartPipelineInput, strawberry.argument(description="What to run.")]
    ) -> StartPipelinePayload:
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        how = how_to_start(input.options, input.preset_id, force=input.force)
        video, jobs = await in_transaction(
            info.context.db, lambda session: service.start_pipeline(session, viewer, video_id, input.steps, how)
        )
        return StartPipelinePayload(video=Video.from_row(video), jobs=[Job.from_row(job) for job in jobs])

"""GraphQL roots of videos: register, read, list, delete, and start their pipeline."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.service import in_transaction
from cuepoint.features.jobs.types import Job
from cuepoint.features.uploads.duplicates import OnDuplicate, duplicate_refused
from cuepoint.features.videos import service
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="Which videos to list. Conditions are joined by and.")
class VideoFilter:
    """Filter of videos."""

    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of this project.")
    content_hash: str | None = strawberry.field(
        default=None,
        description="Whose original has this SHA-256, lower-case hexadecimal: finds a file that was already uploaded.",
    )


@strawberry.input(description="An upload that is whole and shall be a video.")
class RegisterVideoInput:
    """Input of registerVideo."""

    upload_id: strawberry.ID = strawberry.field(description="The upload; it must be COMPLETE.")
    title: str | None = strawberry.field(default=None, description="Shown name; null = the file name.")
    auto_start: bool = strawberry.field(default=True, description="Whether to start the whole pipeline at once.")
    on_duplicate: OnDuplicate = strawberry.field(
        default=OnDuplicate.KEEP,
        description="What to do if the project has another video of these very bytes. LINK drops the upload's bytes, "
        "REJECT leaves them until the upload expires.",
    )


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
class StartPipelineInput:
    """Input of startPipeline."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    steps: list[JobKind] | None = strawberry.field(
        default=None, description="Steps to run, in any order; null = all of the pipeline."
    )


@strawberry.type(description="Result of startPipeline.")
class StartPipelinePayload(Payload):
    """Payload of startPipeline."""

    video: Video | None = strawberry.field(default=None, description="The video.")
    jobs: list[Job] = strawberry.field(
        default_factory=list, description="One job for each step; a step that was under way is joined, not doubled."
    )


@strawberry.input(description="Which video to delete.")
class DeleteVideoInput:
    """Input of deleteVideo."""

    id: strawberry.ID = strawberry.field(description="The video.")


@strawberry.type(description="Result of deleteVideo.")
class DeleteVideoPayload(Payload):
    """Payload of deleteVideo."""

    id: strawberry.ID | None = strawberry.field(
        default=None, description="The video; from now on it answers as one that is not there."
    )
    job: Job | None = strawberry.field(
        default=None, description="The job that removes its files once its cancelled jobs are over."
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

    @strawberry.field(description="Videos that you may see, newest first.")
    async def videos(
        self,
        info: Info,
        filter: Annotated[VideoFilter | None, strawberry.argument(description="Which; null = all.")] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Video]:
        """A page of videos."""
        viewer = info.context.require_viewer()
        page = page_request(first, after)
        wanted = filter or VideoFilter()
        project_id = None if wanted.project_id is None else decode_id("Project", wanted.project_id)
        async with info.context.db.read() as session:
            found = await service.list_videos(
                session, viewer, page, project_id=project_id, content_hash=wanted.content_hash
            )

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_videos(
                    session, viewer, project_id=project_id, content_hash=wanted.content_hash
                )

        return Connection.from_page(found, Video.from_row, count)


@strawberry.type
class VideoMutation:
    """Mutations of videos."""

    @strawberry.mutation(description="Make a video of a whole upload, and start its pipeline unless told otherwise.")
    @reports_errors(RegisterVideoPayload)
    async def register_video(
        self, info: Info, input: Annotated[RegisterVideoInput, strawberry.argument(description="The upload.")]
    ) -> RegisterVideoPayload:
        """Register a video."""
        made = await service.register_video(
            info.context.db,
            info.context.adapters.storage,
            info.context.require_viewer(),
            upload_id=decode_id("Upload", input.upload_id, field=("uploadId",)),
            title=input.title,
            auto_start=input.auto_start,
            on_duplicate=input.on_duplicate,
        )
        duplicate_of = None if made.duplicate_of is None else Video.from_row(made.duplicate_of)
        if made.video is None:
            return RegisterVideoPayload(errors=[UserError.from_error(duplicate_refused())], duplicate_of=duplicate_of)
        return RegisterVideoPayload(
            video=Video.from_row(made.video), jobs=[Job.from_row(job) for job in made.jobs], duplicate_of=duplicate_of
        )

    @strawberry.mutation(description="Run steps of the pipeline again; each replaces its former results.")
    @reports_errors(StartPipelinePayload)
    async def start_pipeline(
        self, info: Info, input: Annotated[StartPipelineInput, strawberry.argument(description="What to run.")]
    ) -> StartPipelinePayload:
        """Start a pipeline."""
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        video, jobs = await in_transaction(
            info.context.db, lambda session: service.start_pipeline(session, viewer, video_id, input.steps)
        )
        return StartPipelinePayload(video=Video.from_row(video), jobs=[Job.from_row(job) for job in jobs])

    @strawberry.mutation(
        description="Delete a video and all that was made of it. Its jobs are cancelled first; it is invisible at once."
    )
    @reports_errors(DeleteVideoPayload)
    async def delete_video(
        self, info: Info, input: Annotated[DeleteVideoInput, strawberry.argument(description="Which.")]
    ) -> DeleteVideoPayload:
        """Delete a video."""
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.id, field=("id",))
        _, job = await in_transaction(info.context.db, lambda session: service.delete_video(session, viewer, video_id))
        return DeleteVideoPayload(id=input.id, job=Job.from_row(job))

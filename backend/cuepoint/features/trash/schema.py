"""GraphQL roots of the trash: delete one video or many, list what can be restored, restore a video."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.features.clips import deletion as works
from cuepoint.features.clips.deletion import Work
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.jobs.service import in_transaction
from cuepoint.features.jobs.types import Job
from cuepoint.features.trash import service
from cuepoint.features.trash.types import TrashedVideo, TrashedWork
from cuepoint.features.videos import deletion
from cuepoint.features.videos.types import Video
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.error_policy import ErrorPolicy
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id

_JOB = "The job that removes its files once its cancelled jobs are over; null while the video can be restored."
_UNTIL = "Until when restoreVideo takes it back; null if it is being removed for good."


@strawberry.input(description="Which video to delete.")
class DeleteVideoInput(IdempotentInput):
    """Input of deleteVideo."""

    id: strawberry.ID = strawberry.field(description="The video.")


@strawberry.type(description="Result of deleteVideo.")
class DeleteVideoPayload(Payload):
    """Payload of deleteVideo."""

    id: strawberry.ID | None = strawberry.field(
        default=None, description="The video; from now on it answers as one that is not there."
    )
    job: Job | None = strawberry.field(default=None, description=_JOB)
    restorable_until: datetime | None = strawberry.field(default=None, description=_UNTIL)


@strawberry.input(description="Which videos to delete.")
class DeleteVideosInput(IdempotentInput):
    """Input of deleteVideos."""

    ids: list[strawberry.ID] = strawberry.field(description="The videos, 1 to 100.")
    error_policy: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.REJECT_EVERYTHING, description="What to do when some are refused."
    )


@strawberry.type(description="What became of one of several videos.")
class DeletedVideo:
    """An item of deleteVideos."""

    index: int = strawberry.field(description="Its place in `ids`, from 0.")
    id: strawberry.ID = strawberry.field(description="The id that was given.")
    job: Job | None = strawberry.field(description=_JOB)
    restorable_until: datetime | None = strawberry.field(description=_UNTIL)
    error: UserError | None = strawberry.field(description="Why it was refused; null = it was deleted.")


@strawberry.type(description="Result of deleteVideos.")
class DeleteVideosPayload(Payload):
    """Payload of deleteVideos."""

    items: list[DeletedVideo] | None = strawberry.field(
        default=None, description="One for each id, in their order; null if all were refused together."
    )


@strawberry.input(description="A deleted video that shall be there again.")
class RestoreVideoInput(IdempotentInput):
    """Input of restoreVideo."""

    id: strawberry.ID = strawberry.field(description="The video.")


@strawberry.type(description="Result of restoreVideo.")
class RestoreVideoPayload(Payload):
    """Payload of restoreVideo."""

    video: Video | None = strawberry.field(default=None, description="The video, as it was.")


OfProject = Annotated[strawberry.ID | None, strawberry.argument(description="Of this project; null = all.")]


async def _key(id: str) -> UUID:
    return decode_id("Video", id)


async def _trashed_works(
    info: Info, kind: type[Work], project_id: strawberry.ID | None, first: int, after: str | None
) -> Connection[TrashedWork]:
    viewer, page = info.context.require_viewer(), page_request(first, after, info)
    project = None if project_id is None else decode_id("Project", project_id)
    async with info.context.db.read() as session:
        found = await works.list_deleted(session, viewer, kind, page, project)

    async def count() -> int:
        async with info.context.db.read() as session:
            return await works.count_deleted(session, viewer, kind, project)

    return Connection.from_page(found, TrashedWork.from_row, count)


@strawberry.type
class TrashQuery:
    """Queries of the trash."""

    @strawberry.field(description="Deleted videos that can be restored, in projects where you may; newest first.")
    async def trashed_videos(
        self,
        info: Info,
        project_id: OfProject = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[TrashedVideo]:
        """A page of deleted videos."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        project = None if project_id is None else decode_id("Project", project_id)
        async with info.context.db.read() as session:
            found = await service.list_trash(session, viewer, page, project)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_trash(session, viewer, project)

        return Connection.from_page(found, TrashedVideo.from_row, count)

    @strawberry.field(description="Deleted clips that can be restored, in projects where you may; newest first.")
    async def trashed_clips(
        self, info: Info, project_id: OfProject = None, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[TrashedWork]:
        """A page of deleted clips."""
        return await _trashed_works(info, Clip, project_id, first, after)

    @strawberry.field(description="Deleted reels that can be restored, in projects where you may; newest first.")
    async def trashed_reels(
        self, info: Info, project_id: OfProject = None, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[TrashedWork]:
        """A page of deleted reels."""
        return await _trashed_works(info, Reel, project_id, first, after)


@strawberry.type
class TrashMutation:
    """Mutations that delete videos, and take that back."""

    @strawberry.mutation(
        description="Delete a video and all that was made of it. Its jobs are cancelled; it is invisible at once. "
        "Where the server keeps deleted videos (CUEPOINT_TRASH_DAYS), restoreVideo takes it back for so long."
    )
    @reports_errors(DeleteVideoPayload)
    async def delete_video(
        self, info: Info, input: Annotated[DeleteVideoInput, strawberry.argument(description="Which.")]
    ) -> DeleteVideoPayload:
        viewer, days = info.context.require_viewer(), info.context.settings.trash_days
        video_id = decode_id("Video", input.id, field=("id",))
        video, job = await in_transaction(
            info.context.db, lambda session: deletion.delete_video(session, viewer, video_id, trash_days=days)
        )
        return DeleteVideoPayload(
            id=input.id, job=None if job is None else Job.from_row(job), restorable_until=video.purge_at
        )

    @strawberry.mutation(description="Delete up to 100 videos, each as deleteVideo does.")
    @reports_errors(DeleteVideosPayload)
    async def delete_videos(
        self, info: Info, input: Annotated[DeleteVideosInput, strawberry.argument(description="Which.")]
    ) -> DeleteVideosPayload:
        deletions = await deletion.delete_videos(
            info.context.db,
            info.context.require_viewer(),
            [await found_or_none(_key(one)) for one in input.ids],
            trash_days=info.context.settings.trash_days,
            is_all_or_nothing=input.error_policy is ErrorPolicy.REJECT_EVERYTHING,
        )
        return DeleteVideosPayload(
            items=[
                DeletedVideo(
                    index=index,
                    id=given,
                    job=None if one.job is None else Job.from_row(one.job),
                    restorable_until=None if one.video is None else one.video.purge_at,
                    error=None if one.error is None else UserError.from_error(one.error),
                )
                for index, (given, one) in enumerate(zip(input.ids, deletions, strict=True))
            ]
        )

    @strawberry.mutation(
        description="Take back the deletion of a video whose time in the trash is not over. What its deletion "
        "cancelled stays cancelled: start the pipeline again where a step is missing."
    )
    @reports_errors(RestoreVideoPayload)
    async def restore_video(
        self, info: Info, input: Annotated[RestoreVideoInput, strawberry.argument(description="Which.")]
    ) -> RestoreVideoPayload:
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.id, field=("id",))
        async with info.context.db.write() as session:
            video = await deletion.restore_video(session, viewer, video_id)
            return RestoreVideoPayload(video=Video.from_row(video))

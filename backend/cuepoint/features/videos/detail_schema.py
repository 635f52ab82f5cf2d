"""GraphQL roots that change what people say of videos."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.features.projects.service import version_conflict
from cuepoint.features.videos import changes
from cuepoint.features.videos.details import TagMode, VideoDetails
from cuepoint.features.videos.types import Video
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.scalars import decode_id

describe_enum(
    TagMode,
    {
        TagMode.SET: "The videos bear exactly these tags.",
        TagMode.ADD: "They bear these too.",
        TagMode.REMOVE: "They bear these no more.",
    },
    description="What to do with tags.",
)


@strawberry.input(description="Changes of a video. What is left out, or null, stays.")
class UpdateVideoInput:
    """Input of updateVideo."""

    id: strawberry.ID = strawberry.field(description="The video.")
    version: int = strawberry.field(description="`Video.version` as you saw it.")
    title: str | None = strawberry.field(default=None, description="New title, 1 to 300 characters.")
    tags: list[str] | None = strawberry.field(
        default=None, description="All its tags from now on: at most 50 of 50 characters."
    )
    external_id: str | None = strawberry.field(
        default=None, description="What another system calls it, unique in the project; empty takes it away."
    )
    metadata: JSON | None = strawberry.field(
        default=None, description="All its metadata from now on: an object of at most 16 KB and 5 levels."
    )

    def details(self) -> VideoDetails:
        """As the service takes it."""
        return VideoDetails(title=self.title, tags=self.tags, external_id=self.external_id, metadata=self.metadata)


@strawberry.type(description="Result of updateVideo.")
class UpdateVideoPayload(Payload):
    """Payload of updateVideo."""

    video: Video | None = strawberry.field(
        default=None, description="The video as it is now, also beside VERSION_CONFLICT."
    )


@strawberry.input(description="A change of tags.")
class TagsInput:
    """Tags and what to do with them."""

    mode: TagMode = strawberry.field(description="What to do.")
    values: list[str] = strawberry.field(description="Tags of 1 to 50 characters, at most 50.")


@strawberry.input(description="A change of many videos at once.")
class BulkUpdateVideosInput:
    """Input of bulkUpdateVideos."""

    ids: list[strawberry.ID] = strawberry.field(description="The videos, 1 to 100.")
    tags: TagsInput = strawberry.field(description="The change of their tags.")


@strawberry.type(description="What became of one video of many.")
class BulkUpdatedVideo:
    """One item."""

    index: int = strawberry.field(description="Place in `ids`, from 0.")
    video: Video | None = strawberry.field(description="The video as it is now; null if it was refused.")
    error: UserError | None = strawberry.field(description="Why it was refused; null if it was changed.")

    @classmethod
    def from_row(cls, index: int, item: changes.TaggedVideo) -> BulkUpdatedVideo:
        """Copy the outcome."""
        return cls(
            index=index,
            video=None if item.video is None else Video.from_row(item.video),
            error=None if item.error is None else UserError.from_error(item.error),
        )


@strawberry.type(description="Result of bulkUpdateVideos.")
class BulkUpdateVideosPayload(Payload):
    """Payload of bulkUpdateVideos."""

    items: list[BulkUpdatedVideo] | None = strawberry.field(
        default=None, description="One for each video, in their order."
    )


@strawberry.type
class VideoDetailMutation:
    """Mutations of what is said of videos."""

    @strawberry.mutation(description="Change a video, unless somebody else did since you read it. Editors.")
    @reports_errors(UpdateVideoPayload)
    async def update_video(
        self, info: Info, input: Annotated[UpdateVideoInput, strawberry.argument(description="The changes.")]
    ) -> UpdateVideoPayload:
        """Change a video."""
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.id, field=("id",))
        async with info.context.db.write() as session:
            changed = await changes.update_video(
                session, viewer, video_id, version=input.version, details=input.details()
            )
        video = Video.from_row(changed.video)
        if changed.is_conflict:
            conflict = version_conflict("video", changed.video.version)
            return UpdateVideoPayload(video=video, errors=[UserError.from_error(conflict)])
        return UpdateVideoPayload(video=video)

    @strawberry.mutation(
        description="Change the tags of many videos. Each is changed or refused for itself: see `items`. Editors."
    )
    @reports_errors(BulkUpdateVideosPayload)
    async def bulk_update_videos(
        self, info: Info, input: Annotated[BulkUpdateVideosInput, strawberry.argument(description="What.")]
    ) -> BulkUpdateVideosPayload:
        """Change many videos."""
        viewer = info.context.require_viewer()

        async def key_of(id: str) -> UUID:
            return decode_id("Video", id)

        video_ids = [await found_or_none(key_of(one)) for one in input.ids]
        items = await changes.change_tags(info.context.db, viewer, video_ids, input.tags.mode, input.tags.values)
        return BulkUpdateVideosPayload(items=[BulkUpdatedVideo.from_row(i, item) for i, item in enumerate(items)])

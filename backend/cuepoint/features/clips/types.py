"""GraphQL types of clips."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.adapters.media.base import ClipMode
from cuepoint.features.clips import models
from cuepoint.features.clips.service import filename_of
from cuepoint.features.jobs.loaders import JobById
from cuepoint.features.jobs.types import Job
from cuepoint.features.moments.loaders import MomentById
from cuepoint.features.moments.types import Moment
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import BigInt, encode_id, seconds, seconds_or_none

describe_enum(
    ClipMode,
    {
        ClipMode.FAST: "Nothing is encoded again: the clip begins at the key frame at or before the in point and may "
        "end some frames late; `actualRange` says what it holds.",
        ClipMode.SMART: "Exact to the frame: whole groups of pictures are copied, only those at the borders are "
        "encoded again. Codec, turn and sound stay the source's.",
        ClipMode.RENDER: "Exact to the frame: everything is encoded again, as H.264/AAC, upright.",
    },
    description="How a clip is cut. What cannot be cut by copying is rendered.",
)


@strawberry.type(description="A stretch of media time, half-open: [start, end).")
class MediaRange:
    """A range."""

    start_seconds: float = strawberry.field(description="In point.")
    end_seconds: float = strawberry.field(description="Out point, exclusive.")


@strawberry.type(description="A file cut from a video.")
class Clip:
    """A clip as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Clip]
    id: strawberry.ID = strawberry.field(description="Global id.")
    title: str = strawberry.field(description="Shown name.")
    requested_range: MediaRange = strawberry.field(description="In and out as asked for.")
    mode: ClipMode = strawberry.field(
        description="How it is cut: as asked for; once rendered, as it was done (RENDER where copying was impossible)."
    )
    actual_range: MediaRange | None = strawberry.field(description="In and out of the frames that the file holds.")
    duration_seconds: float | None = strawberry.field(description="Length of the file; null until rendered.")
    content_type: str | None = strawberry.field(description="MIME type; null until rendered.")
    size_bytes: BigInt | None = strawberry.field(description="Size; null until rendered.")
    width: int | None = strawberry.field(description="Pixels; null until rendered, and for sound alone.")
    height: int | None = strawberry.field(description="Pixels; null until rendered, and for sound alone.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    rendered_at: datetime | None = strawberry.field(description="When the file was checked and offered.")

    @strawberry.field(description="Signed URL of the file, with byte ranges; null until it was rendered and checked.")
    def url(self, info: Info) -> str | None:
        """Where to play it."""
        if self.row.storage_key is None:
            return None
        return info.context.media_url("clips", self.key, filename_of(self.row))

    @strawberry.field(description="The video it is cut from.")
    async def video(self, info: Info) -> Video | None:
        """Its video."""
        return await load_video(info, self.row.video_id)

    @strawberry.field(description="The moment it shows, if one was named and still exists.")
    async def moment(self, info: Info) -> Moment | None:
        """Its moment."""
        if self.row.moment_id is None:
            return None
        row = await info.context.loader(MomentById).load(self.row.moment_id)
        return None if row is None else Moment.from_row(row)

    @strawberry.field(description="The job that cuts it; its status and error are the clip's.")
    async def job(self, info: Info) -> Job | None:
        """Its job."""
        if self.row.job_id is None:
            return None
        row = await info.context.loader(JobById).load(self.row.job_id)
        return None if row is None else Job.from_row(row)

    @classmethod
    def from_row(cls, row: models.Clip) -> Clip:
        """Copy the columns."""
        actual = None
        if row.actual_start_ms is not None and row.actual_end_ms is not None:
            actual = MediaRange(start_seconds=seconds(row.actual_start_ms), end_seconds=seconds(row.actual_end_ms))
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Clip", row.id),
            title=row.title,
            requested_range=MediaRange(
                start_seconds=seconds(row.requested_start_ms), end_seconds=seconds(row.requested_end_ms)
            ),
            mode=row.mode,
            actual_range=actual,
            duration_seconds=seconds_or_none(row.duration_ms),
            content_type=row.content_type,
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            width=row.width,
            height=row.height,
            created_at=row.created_at,
            rendered_at=row.rendered_at,
        )

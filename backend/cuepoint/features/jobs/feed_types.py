"""GraphQL types of feeds: what a subscriber of many jobs learns, and where to go on."""

from __future__ import annotations

from uuid import UUID

import strawberry

from cuepoint.features.jobs.feeds import FeedUpdate, VideoResult
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.types import JobProgress
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id

describe_enum(
    VideoResult,
    {
        VideoResult.MEDIA: "What the file holds is known, and there is a poster: `Video.media`.",
        VideoResult.AUDIO: "The sound was extracted.",
        VideoResult.TRANSCRIPT: "A transcript was activated: `Video.transcript`.",
        VideoResult.PASSAGES: "The transcript was cut into passages.",
        VideoResult.SEARCH: "The video is found by `semanticSearch`.",
        VideoResult.MOMENTS: "The moments were replaced: `Video.moments`.",
        VideoResult.CLIP: "A clip was rendered: `Video.clips`.",
        VideoResult.STORYBOARD: "The pictures were looked through: `Video.storyboard`, if there are pictures.",
        VideoResult.WAVEFORM: "The sound was drawn: `Video.waveform`, if there is sound.",
        VideoResult.PROXY: "A copy for browsers was made, if it was needed: `Video.playback`.",
        VideoResult.POSTER: "The poster was replaced: `Video.poster`.",
        VideoResult.AUDIO_FILE: "A sound track was written: `Video.audioFiles`.",
    },
    description="What a job that succeeded has brought a video.",
)


@strawberry.type(description="What a subscriber of many jobs learns.")
class JobFeedUpdate:
    """An update of a feed as clients see it."""

    cursor: str = strawberry.field(
        description="Pass the newest as `after` to go on behind this update; opaque, at most some 5,000 characters."
    )
    job_id: strawberry.ID | None = strawberry.field(
        description="The job; null where there is nothing to tell but the cursor: once when the feed has caught up "
        "with the present, then about once a minute while it is quiet."
    )
    kind: JobKind | None = strawberry.field(description="What the job does.")
    video_id: strawberry.ID | None = strawberry.field(description="The video it works on.")
    update: JobProgress | None = strawberry.field(
        description="Its state, a change of it, or progress. A SNAPSHOT may be ahead of the events that follow."
    )
    result: VideoResult | None = strawberry.field(description="What there is now because of this event.")

    @classmethod
    def from_update(cls, update: FeedUpdate) -> JobFeedUpdate:
        """Copy an update."""
        job = update.job
        return cls(
            cursor=update.cursor,
            job_id=_id("Job", job.id if job is not None else None),
            kind=job.kind if job is not None else None,
            video_id=_id("Video", job.video_id if job is not None else None),
            update=JobProgress.from_update(update.update) if update.update is not None else None,
            result=update.result,
        )


def _id(type_name: str, key: UUID | None) -> strawberry.ID | None:
    return None if key is None else encode_id(type_name, key)

"""GraphQL types of moments."""

from __future__ import annotations

from uuid import UUID

import strawberry

from cuepoint.features.moments import models
from cuepoint.features.moments.loaders import MomentById
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.context import Info
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id, seconds


@strawberry.type(description="One of the signals that a moment's score is made of.")
class MomentSignal:
    """A signal as clients see it."""

    name: str = strawberry.field(
        description="topic, emphasis, density, question or pause for the method transcript-signals-1."
    )
    value: float = strawberry.field(description="Its strength, 0 to 1.")


@strawberry.type(description="A span of a video that is worth watching, and why.")
class Moment(Node):
    """A moment as clients see it."""

    id: strawberry.ID = strawberry.field(
        description="Opaque id; stays the same when the same span of the video is found again."
    )
    title: str = strawberry.field(description="A few of its own words.")
    reason: str = strawberry.field(description="What speaks for it, as a sentence.")
    score: float = strawberry.field(description="0 to 1; comparable within one video.")
    signals: list[MomentSignal] = strawberry.field(description="What the score is made of, strongest first.")
    priority: int = strawberry.field(description="1 = the best of the video, then 2, 3 and so on.")
    start_seconds: float = strawberry.field(description="Start: of a word that begins a sentence, in seconds.")
    end_seconds: float = strawberry.field(description="End: of a word that ends a sentence, in seconds, exclusive.")
    duration_seconds: float = strawberry.field(description="Length in seconds.")
    method: str = strawberry.field(description="How it was found, with its version.")
    video_key: strawberry.Private[UUID]

    @strawberry.field(description="The video; null if it was deleted a moment ago.")
    async def video(self, info: Info) -> Video | None:
        """The video, for all moments in one statement."""
        return await load_video(info, self.video_key)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Moment | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(MomentById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Moment) -> Moment:
        """Copy the columns."""
        signals = sorted(row.signals.items(), key=lambda item: (-item[1], item[0]))
        return cls(
            id=encode_id("Moment", row.id),
            title=row.title,
            reason=row.reason,
            score=row.score,
            signals=[MomentSignal(name=name, value=value) for name, value in signals],
            priority=row.priority,
            start_seconds=seconds(row.start_ms),
            end_seconds=seconds(row.end_ms),
            duration_seconds=seconds(row.end_ms - row.start_ms),
            method=row.method,
            video_key=row.video_id,
        )

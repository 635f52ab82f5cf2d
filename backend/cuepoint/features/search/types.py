"""GraphQL types of search."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

import strawberry

from cuepoint.adapters.embedding.base import SpaceInfo
from cuepoint.errors import BadInputError
from cuepoint.features.search.hits import Hit, VideoHits
from cuepoint.features.search.service import MAX_FIRST, SearchOutcome
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.context import Info
from cuepoint.graphql.scalars import encode_id, seconds

GroupFirst = Annotated[int, strawberry.argument(description=f"How many hits of the video at most, 1 to {MAX_FIRST}.")]


@strawberry.type(description="The embedding model that a search used. Vectors of two models are never compared.")
class EmbeddingSpace:
    """A space as clients see it."""

    provider: str = strawberry.field(description="static (bundled), openai, or the host of a compatible server.")
    model: str = strawberry.field(description="Name of the model.")
    min_score: float = strawberry.field(
        description="Least score of a hit unless `minScore` says otherwise: below it, hits of this model are noise."
    )

    @classmethod
    def from_info(cls, info: SpaceInfo) -> EmbeddingSpace:
        """Copy the members."""
        return cls(provider=info.provider, model=info.model, min_score=info.min_score)


@strawberry.type(description="A passage of a video that is near the query in meaning.")
class SearchHit:
    """A hit as clients see it."""

    id: strawberry.ID = strawberry.field(
        description="Opaque; of this passage for this query, so that a cache keeps the scores of two queries apart."
    )
    chunk_id: strawberry.ID = strawberry.field(description="The passage itself: what createClip takes as `chunkId`.")
    score: float = strawberry.field(
        description="Cosine of passage and query, -1 to 1, higher is nearer. Comparable within one model only."
    )
    start_seconds: float = strawberry.field(description="Start of the passage's first word, in seconds.")
    end_seconds: float = strawberry.field(description="End of the passage's last word, in seconds, exclusive.")
    text: str = strawberry.field(description="The passage, whole sentences where the speech has some.")
    video_key: strawberry.Private[UUID]

    @strawberry.field(description="The video it was said in; null if it was deleted a moment ago.")
    async def video(self, info: Info) -> Video | None:
        """The video, for all hits in one statement."""
        return await load_video(info, self.video_key)

    @classmethod
    def from_row(cls, row: Hit, query: str) -> SearchHit:
        """Copy the members."""
        return cls(
            id=encode_id("SearchHit", uuid5(row.text_id, query)),
            chunk_id=encode_id("Chunk", row.text_id),
            score=round(row.score, 4),
            start_seconds=seconds(row.start_ms),
            end_seconds=seconds(row.end_ms),
            text=row.text,
            video_key=row.video_id,
        )


@strawberry.type(description="The hits of one video.")
class SearchGroup:
    """A group as clients see it."""

    score: float = strawberry.field(
        description="Best hit plus a tenth of each further place in the video (hits within 5 s are one place); "
        "can exceed 1."
    )
    hit_count: int = strawberry.field(description="How many passages of the video were found.")
    video_key: strawberry.Private[UUID]
    found: strawberry.Private[list[SearchHit]]

    @strawberry.field(description="The video; null if it was deleted a moment ago.")
    async def video(self, info: Info) -> Video | None:
        """The video, for all groups in one statement."""
        return await load_video(info, self.video_key)

    @strawberry.field(description="Its hits, best first.")
    def hits(self, first: GroupFirst = 10) -> list[SearchHit]:
        """The best of them."""
        if not 1 <= first <= MAX_FIRST:
            raise BadInputError(f"`first` must be between 1 and {MAX_FIRST}, not {first}.", field=("first",))
        return self.found[:first]

    @classmethod
    def from_row(cls, row: VideoHits, query: str) -> SearchGroup:
        """Copy the members."""
        return cls(
            score=round(row.score, 4),
            hit_count=len(row.hits),
            video_key=row.video_id,
            found=[SearchHit.from_row(hit, query) for hit in row.hits],
        )


@strawberry.type(description="What a search found: whole answers without cursors; a larger `first` shows more.")
class SearchResult:
    """A result as clients see it."""

    hits: list[SearchHit] = strawberry.field(description="The nearest passages, best first, ties by id.")
    groups: list[SearchGroup] = strawberry.field(
        description="The videos of the 200 nearest passages, best first; empty unless `groupBy` is VIDEO."
    )
    space: EmbeddingSpace = strawberry.field(description="The model that query and passages were embedded with.")
    notice: str | None = strawberry.field(description="Why nothing was found and what to do; null when something was.")

    @classmethod
    def from_row(cls, row: SearchOutcome, query: str) -> SearchResult:
        """Copy the members."""
        return cls(
            hits=[SearchHit.from_row(hit, query) for hit in row.hits],
            groups=[SearchGroup.from_row(group, query) for group in row.groups],
            space=EmbeddingSpace.from_info(row.space),
            notice=row.notice,
        )

"""GraphQL root of search."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.features.search import service
from cuepoint.features.search.service import SearchRequest
from cuepoint.features.search.types import SearchResult
from cuepoint.features.videos.schema import MetadataCondition, values_by_key
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import decode_id


class SearchGrouping(Enum):
    """How the hits of a search are put together."""

    NONE = "NONE"
    VIDEO = "VIDEO"


describe_enum(
    SearchGrouping,
    {
        SearchGrouping.NONE: "Hits alone.",
        SearchGrouping.VIDEO: "Also one group for each video, the best video first.",
    },
    description="How hits are put together.",
)


@strawberry.input(description="What to look for, and where.")
class SemanticSearchInput:
    """Input of semanticSearch."""

    query: str = strawberry.field(description="What you look for, in your own words; 1 to 500 characters.")
    project_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Only in these projects, at most 100; null = all that you may see."
    )
    video_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Only in these videos, at most 100; null = all that you may see."
    )
    metadata: list[MetadataCondition] | None = strawberry.field(
        default=None, description="Only in videos whose metadata hold all of these, at most 10."
    )
    group_by: SearchGrouping = strawberry.field(default=SearchGrouping.NONE, description="How hits are put together.")
    first: int = strawberry.field(default=10, description="How many hits, and how many groups, at most; 1 to 100.")
    min_score: float | None = strawberry.field(
        default=None, description="Least score of a hit, -1 to 1; null = `space.minScore` of the model."
    )


@strawberry.type
class SearchQuery:
    """Queries of search."""

    @strawberry.field(
        description="Passages by meaning, in everything that you may see or a part of it. Changes nothing. PROVIDER_* "
        "errors mean that the query could not be embedded."
    )
    async def semantic_search(
        self, info: Info, input: Annotated[SemanticSearchInput, strawberry.argument(description="What and where.")]
    ) -> SearchResult:
        """One search."""
        viewer = info.context.require_viewer()
        request = SearchRequest(
            query=input.query,
            project_ids=_keys("Project", input.project_ids, "projectIds"),
            video_ids=_keys("Video", input.video_ids, "videoIds"),
            metadata=values_by_key(input.metadata, field=("metadata",)),
            first=input.first,
            min_score=input.min_score,
            by_video=input.group_by is SearchGrouping.VIDEO,
        )
        outcome = await service.search(info.context.db, viewer, info.context.adapters.embedder, request)
        return SearchResult.from_row(outcome, input.query.strip())


def _keys(type_name: str, ids: Sequence[strawberry.ID] | None, field: str) -> list[UUID] | None:
    return None if ids is None else [decode_id(type_name, given, field=(field,)) for given in ids]

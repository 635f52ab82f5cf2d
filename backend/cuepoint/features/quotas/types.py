"""GraphQL types of quotas."""

from __future__ import annotations

from datetime import datetime

import strawberry

from cuepoint.errors import QuotaScope
from cuepoint.features.quotas import service
from cuepoint.features.quotas.figures import Figure
from cuepoint.features.quotas.metering import MICROS
from cuepoint.graphql.scalars import encode_id

MS_PER_MINUTE = 60_000


@strawberry.type(description="How much of one limit is taken.")
class QuotaFigure:
    """Figures of a limit."""

    used: float = strawberry.field(description="What is used up: stored, processed this month, or running.")
    reserved: float = strawberry.field(
        description="What is promised: open uploads, transcriptions that wait or run, or jobs that wait."
    )
    limit: float | None = strawberry.field(description="What both together may be; null = anything.")
    resets_at: datetime | None = strawberry.field(description="When `used` begins at 0 again; null = never by itself.")

    @classmethod
    def from_figure(cls, figure: Figure, unit: int = 1, digits: int = 3) -> QuotaFigure:
        """The figures in another unit, to so many decimals."""
        return cls(
            used=round(figure.used / unit, digits),
            reserved=round(figure.reserved / unit, digits),
            limit=None if figure.limit is None else round(figure.limit / unit, digits),
            resets_at=figure.resets_at,
        )


@strawberry.type(description="Limits of a project, a user or the instance. Of several in the way each must be kept.")
class Quota:
    """A quota as clients see it."""

    scope: QuotaScope = strawberry.field(description="For whom it holds.")
    node_id: strawberry.ID | None = strawberry.field(description="The project or the user; null for the instance.")
    storage_bytes: QuotaFigure = strawberry.field(description="Bytes in storage.")
    media_minutes_per_month: QuotaFigure = strawberry.field(
        description="Minutes of media transcribed in the month, UTC."
    )
    concurrent_jobs: QuotaFigure = strawberry.field(description="Jobs that wait or run; deletions do not count.")
    tokens_per_month: QuotaFigure = strawberry.field(
        description="Tokens that paid models took in the month, UTC; reserved by the length of the media of jobs that "
        "wait or run."
    )
    cost_per_month: QuotaFigure = strawberry.field(
        description="What these tokens cost by CUEPOINT_MODEL_PRICES, in its currency."
    )

    @classmethod
    def from_row(cls, row: service.State) -> Quota:
        """Copy the figures."""
        scope = row.scope
        node = None if scope.project_id is None else encode_id("Project", scope.project_id)
        return cls(
            scope=scope.kind,
            node_id=node if scope.user_id is None else encode_id("User", scope.user_id),
            storage_bytes=QuotaFigure.from_figure(row.storage),
            media_minutes_per_month=QuotaFigure.from_figure(row.media, MS_PER_MINUTE),
            concurrent_jobs=QuotaFigure.from_figure(row.jobs),
            tokens_per_month=QuotaFigure.from_figure(row.tokens),
            cost_per_month=QuotaFigure.from_figure(row.cost, MICROS, digits=6),
        )

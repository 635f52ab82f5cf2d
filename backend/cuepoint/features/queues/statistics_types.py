"""GraphQL types of statistics of jobs."""

from __future__ import annotations

from uuid import UUID

import strawberry

from cuepoint.features.jobs.models import JobStatus
from cuepoint.features.jobs.statistics import JobGrouping
from cuepoint.features.jobs.statistics import JobStatistics as Figures
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id

describe_enum(
    JobGrouping,
    {
        JobGrouping.ALL: "One row.",
        JobGrouping.KIND: "One row for each kind of job.",
        JobGrouping.LANE: "One row for each queue.",
        JobGrouping.PROJECT: "One row for each project; its id is the key, empty for the system's own jobs.",
        JobGrouping.ERROR_CODE: "One row for each code of the newest error; empty for jobs without one.",
        JobGrouping.DAY: "One row for each day, in UTC.",
        JobGrouping.HOUR: "One row for each hour, in UTC; the range may have 31 days.",
    },
    description="What a row of statistics stands for.",
)


@strawberry.type(description="How many jobs have a status.")
class JobCount:
    status: JobStatus = strawberry.field(description="The status, as it is now.")
    count: int = strawberry.field(description="Jobs of that status.")


@strawberry.type(
    description="Figures of a group of jobs. Seconds are null where nothing was measured yet; of more than 20,000 jobs "
    "they are those of a sample, counts are of all."
)
class JobStatistics:
    """Statistics as clients see them."""

    key: str = strawberry.field(description="The group: a kind, queue, project id, error code, day or hour; or ALL.")
    total: int = strawberry.field(description="Jobs created in the range.")
    counts: list[JobCount] = strawberry.field(description="The same by status; statuses without a job are left out.")
    success_rate: float | None = strawberry.field(
        description="Of the jobs that succeeded or failed, the share that succeeded; null before one did."
    )
    retries: int = strawberry.field(description="Attempts beyond the first of each job.")
    wait_seconds_p50: float | None = strawberry.field(
        name="waitSecondsP50", description="Median time in the queue, over all attempts."
    )
    wait_seconds_p95: float | None = strawberry.field(
        name="waitSecondsP95", description="95 % of all attempts waited no longer than this."
    )
    run_seconds_p50: float | None = strawberry.field(
        name="runSecondsP50", description="Median run time of the attempts that succeeded."
    )
    run_seconds_p95: float | None = strawberry.field(
        name="runSecondsP95", description="95 % of the attempts that succeeded ran no longer than this."
    )
    media_seconds_per_second: float | None = strawberry.field(
        description="Media time worked through in a second of run time, over the attempts that succeeded."
    )

    @classmethod
    def from_row(cls, row: Figures, grouping: JobGrouping) -> JobStatistics:
        """Copy the figures of a group."""
        is_project = grouping is JobGrouping.PROJECT and row.key != ""
        return cls(
            key=encode_id("Project", UUID(row.key)) if is_project else row.key,
            total=row.total,
            counts=[JobCount(status=status, count=count) for status, count in row.counts.items() if count],
            success_rate=row.success_rate,
            retries=row.retries,
            wait_seconds_p50=row.wait_seconds[0],
            wait_seconds_p95=row.wait_seconds[1],
            run_seconds_p50=row.run_seconds[0],
            run_seconds_p95=row.run_seconds[1],
            media_seconds_per_second=row.media_per_second,
        )

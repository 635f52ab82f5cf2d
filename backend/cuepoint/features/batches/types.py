"""GraphQL types of batches."""

from __future__ import annotations

from uuid import UUID

import strawberry

from cuepoint.features.batches.loaders import BatchById
from cuepoint.features.batches.service import BatchState, Item
from cuepoint.features.jobs.models import JobStatus
from cuepoint.features.jobs.types import Job
from cuepoint.features.queues.statistics_types import JobCount
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import UserError
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id


@strawberry.type(description="Jobs that were created by one request. List them with `jobs(filter: {batchId})`.")
class Batch(Node):
    """A batch as clients see it."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    total: int = strawberry.field(description="Its jobs, as far as you may see them.")
    done: int = strawberry.field(description="Of those, the jobs that are over.")
    failed: int = strawberry.field(description="Of those, the jobs that failed or were cancelled.")
    counts: list[JobCount] = strawberry.field(description="The same by status; statuses without a job are left out.")
    progress: float = strawberry.field(description="0 to 1: the mean over its jobs.")

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Batch | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(BatchById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: BatchState) -> Batch:
        """Copy the state of a batch."""
        bad = (JobStatus.FAILED, JobStatus.CANCELLED)
        return cls(
            id=encode_id("Batch", row.id),
            total=sum(row.counts.values()),
            done=sum(count for status, count in row.counts.items() if status.is_final),
            failed=sum(row.counts.get(status, 0) for status in bad),
            counts=[JobCount(status=status, count=row.counts[status]) for status in JobStatus if status in row.counts],
            progress=row.progress,
        )


@strawberry.type(description="What became of one video of a batch.")
class BatchItem:
    """An item as clients see it."""

    index: int = strawberry.field(description="Its place in `videoIds`, from 0.")
    jobs: list[Job] = strawberry.field(
        description="Its jobs in order; a step that was under way is joined and keeps the batch that it had."
    )
    error: UserError | None = strawberry.field(description="Why it was refused; null = it was started.")

    @classmethod
    def from_row(cls, index: int, row: Item) -> BatchItem:
        """Copy an item."""
        error = None if row.error is None else UserError.from_error(row.error)
        return cls(index=index, jobs=[Job.from_row(job) for job in row.jobs], error=error)

"""GraphQL roots of batches: start many, see how far they are, cancel, retry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.db.base import uuid7
from cuepoint.features.batches import service
from cuepoint.features.batches.types import Batch, BatchItem
from cuepoint.features.jobs import bulk
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.service import in_transaction
from cuepoint.features.jobs.types import Job
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id


async def _video_key(id: str) -> UUID:
    return decode_id("Video", id)


async def _batch(info: Info, batch_id: UUID) -> Batch:
    async with info.context.db.read() as session:
        return Batch.from_row(await service.batch_state(session, info.context.require_viewer(), batch_id))


@strawberry.type
class BatchQuery:
    """Queries of batches."""

    @strawberry.field(description="How far a batch is; null if you see none of its jobs.")
    async def batch(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The batch.")]
    ) -> Batch | None:
        """One batch."""

        async def find() -> Batch:
            info.context.require_viewer()
            return await _batch(info, decode_id("Batch", id))

        return await found_or_none(find())


@strawberry.input(description="Videos whose pipelines shall run.")
class StartPipelinesInput(IdempotentInput):
    """Input of startPipelines."""

    video_ids: list[strawberry.ID] = strawberry.field(description="The videos, 1 to 100.")
    steps: list[JobKind] | None = strawberry.field(
        default=None, description="Which steps; null = those of the preset or of each project's settings, else all."
    )
    priority: int | None = strawberry.field(
        default=None, description="0 to 10; 10 goes first. Null = as the preset or the project's settings say, else 5."
    )
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Options of the jobs that are started, before those of each video's project."
    )
    force: bool = strawberry.field(
        default=False,
        description="Whether to run steps whose result is fresh - made of the same input, options and engine - too.",
    )


@strawberry.type(description="Result of startPipelines.")
class StartPipelinesPayload(Payload):
    """Payload of startPipelines."""

    batch: Batch | None = strawberry.field(
        default=None, description="The batch; null if nothing new was created: all refused, or under way already."
    )
    items: list[BatchItem] | None = strawberry.field(default=None, description="One for each video, in their order.")


@strawberry.input(description="A batch to cancel.")
class CancelBatchInput:
    """Input of cancelBatch."""

    id: strawberry.ID = strawberry.field(description="The batch.")


@strawberry.type(description="Result of cancelBatch.")
class CancelBatchPayload(Payload):
    """Payload of cancelBatch."""

    batch: Batch | None = strawberry.field(default=None, description="The batch as it is now.")
    changed_count: int | None = strawberry.field(
        default=None, description="Jobs that this cancelled or asked to stop, with those that required one of them."
    )


@strawberry.input(description="A batch to run again.")
class RetryBatchInput(IdempotentInput):
    """Input of retryBatch."""

    id: strawberry.ID = strawberry.field(description="The batch.")
    only_failed: bool = strawberry.field(default=True, description="False: also what was cancelled.")


@strawberry.type(description="Result of retryBatch.")
class RetryBatchPayload(Payload):
    """Payload of retryBatch."""

    batch: Batch | None = strawberry.field(default=None, description="The batch as it is now.")
    jobs: list[Job] | None = strawberry.field(
        default=None, description="The jobs that run again; what was cancelled because of them comes back too."
    )
    skipped_count: int | None = strawberry.field(
        default=None, description="Jobs that stay: unfinished ones do the same, or what they require failed."
    )


@strawberry.type
class BatchMutation:
    """Mutations of batches."""

    @strawberry.mutation(
        description="Run steps of the pipeline for many videos. Each is started or refused for itself: see `items`."
    )
    @reports_errors(StartPipelinesPayload)
    async def start_pipelines(
        self, info: Info, input: Annotated[StartPipelinesInput, strawberry.argument(description="What to run.")]
    ) -> StartPipelinesPayload:
        """Start a batch."""
        viewer = info.context.require_viewer()
        preset_id = None if input.preset_id is None else decode_id("Preset", input.preset_id, field=("presetId",))
        plan = service.Plan(uuid7(), input.steps, input.priority, input.force, preset_id=preset_id)
        video_ids = [await found_or_none(_video_key(one)) for one in input.video_ids]
        items = await service.start_pipelines(info.context.db, viewer, plan, video_ids)
        is_new = any(job.batch_id == plan.batch_id for item in items for job in item.jobs)
        return StartPipelinesPayload(
            batch=await _batch(info, plan.batch_id) if is_new else None,
            items=[BatchItem.from_row(index, item) for index, item in enumerate(items)],
        )

    @strawberry.mutation(
        description="Cancel what is unfinished of a batch, in the projects in which you are an editor."
    )
    @reports_errors(CancelBatchPayload)
    async def cancel_batch(
        self, info: Info, input: Annotated[CancelBatchInput, strawberry.argument(description="Which batch.")]
    ) -> CancelBatchPayload:
        viewer = info.context.require_viewer()
        batch_id = decode_id("Batch", input.id, field=("id",))
        changed = await in_transaction(info.context.db, lambda session: bulk.cancel_batch(session, viewer, batch_id))
        return CancelBatchPayload(batch=await _batch(info, batch_id), changed_count=changed)

    @strawberry.mutation(description="Run again what failed of a batch, in the projects in which you are an editor.")
    @reports_errors(RetryBatchPayload)
    async def retry_batch(
        self, info: Info, input: Annotated[RetryBatchInput, strawberry.argument(description="Which batch.")]
    ) -> RetryBatchPayload:
        viewer = info.context.require_viewer()
        batch_id = decode_id("Batch", input.id, field=("id",))
        done = await in_transaction(
            info.context.db,
            lambda session: bulk.retry_batch(session, viewer, batch_id, only_failed=input.only_failed),
        )
        return RetryBatchPayload(
            batch=await _batch(info, batch_id),
            jobs=[Job.from_row(row) for row in done.jobs],
            skipped_count=done.skipped,
        )

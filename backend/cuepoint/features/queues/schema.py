"""GraphQL roots of queues: what waits, who works, statistics, bulk operations; pause, resume, drain for admins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import strawberry

from cuepoint.errors import BadInputError
from cuepoint.features.jobs import bulk
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import WorkerState
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.schema import JobFilterInput
from cuepoint.features.jobs.statistics import JobGrouping, job_statistics
from cuepoint.features.jobs.types import Job
from cuepoint.features.queues import service
from cuepoint.features.queues.statistics_types import JobStatistics
from cuepoint.features.queues.types import Queue, Worker
from cuepoint.features.users.rights import require_account
from cuepoint.graphql.arguments import First
from cuepoint.graphql.connections import DEFAULT_FIRST, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id

States = Annotated[
    list[WorkerState] | None, strawberry.argument(description="In one of these states; null = those that are alive.")
]


@strawberry.input(description="A range of time.")
class JobRangeInput:
    """Range of jobStatistics."""

    start: datetime | None = strawberry.field(default=None, description="From here on; null = a day before the end.")
    end: datetime | None = strawberry.field(default=None, description="Up to here, exclusive; null = now.")


@strawberry.input(description="Failed jobs to run again.")
class RetryFailedInput(IdempotentInput):
    """Input of retryFailed."""

    filter: JobFilterInput = strawberry.field(description="Which failed jobs; leave `status` out.")


@strawberry.type(description="Result of retryFailed.")
class RetryFailedPayload(Payload):
    """Payload of retryFailed."""

    jobs: list[Job] | None = strawberry.field(default=None, description="The jobs that run again; a hundred at most.")
    skipped_count: int | None = strawberry.field(
        default=None, description="Failed jobs that stay: unfinished ones do the same, or what they require failed."
    )
    has_more: bool | None = strawberry.field(
        default=None, description="Whether more failed jobs match: send the mutation again."
    )


@strawberry.input(description="Waiting jobs to cancel.")
class ClearQueueInput:
    """Input of clearQueue."""

    filter: JobFilterInput = strawberry.field(
        description="Which of the jobs that wait; `lane` is the queue. An empty filter means all you may change."
    )
    dry_run: bool = strawberry.field(default=False, description="Whether to change nothing and tell what would be.")


@strawberry.type(description="Result of clearQueue.")
class ClearQueuePayload(Payload):
    """Payload of clearQueue."""

    jobs: list[Job] | None = strawberry.field(
        default=None, description="The waiting jobs that matched and are cancelled, or would be; a hundred at most."
    )
    count: int | None = strawberry.field(default=None, description="How many those are in all.")
    dependants: list[Job] | None = strawberry.field(
        default=None,
        description="Jobs that did not match but require one that did, and go with it; a hundred at most.",
    )
    dependant_count: int | None = strawberry.field(default=None, description="How many those are in all.")
    has_more: bool | None = strawberry.field(
        default=None, description="Whether more match: 10,000 are cancelled at once."
    )


@strawberry.type
class QueueQuery:
    """Queries of queues."""

    @strawberry.field(description="The queues with what waits in each: there are four, and every user sees the counts.")
    async def queues(self, info: Info) -> list[Queue]:
        """All lanes."""
        require_account(info.context.require_viewer())
        async with info.context.db.read() as session:
            return [Queue.from_row(row) for row in await service.list_queues(session)]

    @strawberry.field(description="Worker processes, newest first. Administrators only.")
    async def workers(self, info: Info, states: States = None, first: First = DEFAULT_FIRST) -> list[Worker]:
        viewer = info.context.require_viewer()
        page = page_request(first, None)
        async with info.context.db.read() as session:
            found = await service.list_workers(session, viewer, states or (), page.first)
        return [Worker.from_row(row) for row in found]

    @strawberry.field(
        description="Figures of the jobs that you may see and that were created in a range of time, a row a group."
    )
    async def job_statistics(
        self,
        info: Info,
        range: Annotated[
            JobRangeInput | None, strawberry.argument(description="When; null = the last 24 hours.")
        ] = None,
        group_by: Annotated[JobGrouping, strawberry.argument(description="What a row stands for.")] = JobGrouping.KIND,
        project_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this project alone.")] = None,
    ) -> list[JobStatistics]:
        viewer = info.context.require_viewer()
        end = (range and range.end) or datetime.now(UTC)
        start = (range and range.start) or _a_day_before(end)
        wanted = JobFilter(
            project_id=None if project_id is None else decode_id("Project", project_id, field=("projectId",)),
            created_from=start,
            created_before=end,
        )
        async with info.context.db.read() as session:
            rows = await job_statistics(session, viewer, wanted, group_by)
        return [JobStatistics.from_row(row, group_by) for row in rows]


def _a_day_before(end: datetime) -> datetime:
    if end - datetime.min.replace(tzinfo=UTC) < timedelta(days=1):
        raise BadInputError("A day before `end` there is no time: say `start`.", field=("range", "end"))
    return end - timedelta(days=1)


@strawberry.input(description="A queue to pause.")
class PauseQueueInput:
    """Input of pauseQueue."""

    name: str = strawberry.field(description="The queue: cpu, gpu, io or llm.")


@strawberry.type(description="Result of pauseQueue.")
class PauseQueuePayload(Payload):
    """Payload of pauseQueue."""

    queue: Queue | None = strawberry.field(default=None, description="The queue as it is now.")
    changed: bool | None = strawberry.field(default=None, description="False if it was paused already.")


@strawberry.input(description="A queue to go on with.")
class ResumeQueueInput:
    """Input of resumeQueue."""

    name: str = strawberry.field(description="The queue: cpu, gpu, io or llm.")


@strawberry.type(description="Result of resumeQueue.")
class ResumeQueuePayload(Payload):
    """Payload of resumeQueue."""

    queue: Queue | None = strawberry.field(default=None, description="The queue as it is now.")
    changed: bool | None = strawberry.field(default=None, description="False if it was not paused.")


@strawberry.input(description="A worker to drain.")
class DrainWorkerInput:
    """Input of drainWorker."""

    id: strawberry.ID = strawberry.field(description="The worker.")


@strawberry.type(description="Result of drainWorker.")
class DrainWorkerPayload(Payload):
    """Payload of drainWorker."""

    worker: Worker | None = strawberry.field(default=None, description="The worker as it is now.")
    changed: bool | None = strawberry.field(default=None, description="False if it was draining or over already.")


@strawberry.type
class QueueMutation:
    @strawberry.mutation(
        description="Start nothing more of a queue until it is resumed; what runs goes on. Administrators only."
    )
    @reports_errors(PauseQueuePayload)
    async def pause_queue(
        self, info: Info, input: Annotated[PauseQueueInput, strawberry.argument(description="Which queue.")]
    ) -> PauseQueuePayload:
        """Pause a lane."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            lane, changed = await service.set_paused(session, viewer, input.name, is_paused=True)
        return PauseQueuePayload(queue=Queue.from_row(lane), changed=changed)

    @strawberry.mutation(description="Go on with a paused queue. Administrators only.")
    @reports_errors(ResumeQueuePayload)
    async def resume_queue(
        self, info: Info, input: Annotated[ResumeQueueInput, strawberry.argument(description="Which queue.")]
    ) -> ResumeQueuePayload:
        """Resume a lane."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            lane, changed = await service.set_paused(session, viewer, input.name, is_paused=False)
        return ResumeQueuePayload(queue=Queue.from_row(lane), changed=changed)

    @strawberry.mutation(
        description="Let a worker finish what it runs, take nothing more, and end. Whatever supervises its process may "
        "start a new one: to take a machine out, stop that. Administrators only."
    )
    @reports_errors(DrainWorkerPayload)
    async def drain_worker(
        self, info: Info, input: Annotated[DrainWorkerInput, strawberry.argument(description="Which worker.")]
    ) -> DrainWorkerPayload:
        viewer = info.context.require_viewer()
        worker_id = decode_id("Worker", input.id, field=("id",))
        async with info.context.db.write() as session:
            row, changed = await service.drain_worker(session, viewer, worker_id)
        return DrainWorkerPayload(worker=Worker.from_row(row), changed=changed)

    @strawberry.mutation(
        description="Run the failed jobs that match again, oldest first, in the projects in which you are an editor."
    )
    @reports_errors(RetryFailedPayload)
    async def retry_failed(
        self, info: Info, input: Annotated[RetryFailedInput, strawberry.argument(description="Which jobs.")]
    ) -> RetryFailedPayload:
        """Retry many."""
        viewer = info.context.require_viewer()
        wanted = input.filter.to_filter()
        done = await jobs.in_transaction(info.context.db, lambda session: bulk.retry_failed(session, viewer, wanted))
        return RetryFailedPayload(
            jobs=[Job.from_row(row) for row in done.jobs], skipped_count=done.skipped, has_more=done.has_more
        )

    @strawberry.mutation(
        description="Cancel the jobs that match and have not started, and what requires them, in the projects in which "
        "you are an editor. What runs goes on."
    )
    @reports_errors(ClearQueuePayload)
    async def clear_queue(
        self, info: Info, input: Annotated[ClearQueueInput, strawberry.argument(description="Which jobs.")]
    ) -> ClearQueuePayload:
        """Cancel what waits."""
        viewer = info.context.require_viewer()
        wanted = input.filter.to_filter()
        done = await jobs.in_transaction(
            info.context.db, lambda session: bulk.clear_queue(session, viewer, wanted, dry_run=input.dry_run)
        )
        return ClearQueuePayload(
            jobs=[Job.from_row(row) for row in done.jobs],
            count=done.count,
            dependants=[Job.from_row(row) for row in done.dependants],
            dependant_count=done.dependant_count,
            has_more=done.has_more,
        )

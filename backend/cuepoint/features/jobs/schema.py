"""GraphQL roots of jobs: look-ups, cancel and retry, and live progress."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import strawberry

from cuepoint.features.jobs import service
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.types import Job, JobProgress
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.scalars import decode_id

JobId = Annotated[strawberry.ID, strawberry.argument(description="The job.")]


@strawberry.input(description="Which jobs to list; what is left out does not narrow.")
class JobFilterInput:
    """Filter of jobs."""

    status: list[JobStatus] | None = strawberry.field(default=None, description="In one of these states.")
    kind: list[JobKind] | None = strawberry.field(default=None, description="Of one of these kinds.")
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of this project.")
    video_id: strawberry.ID | None = strawberry.field(default=None, description="On this video.")

    def to_filter(self) -> JobFilter:
        """As the service takes it. Raises NotFoundError for a malformed id."""
        return JobFilter(
            status=tuple(self.status or ()),
            kind=tuple(self.kind or ()),
            project_id=decode_id("Project", self.project_id, field=("filter", "projectId"))
            if self.project_id
            else None,
            video_id=decode_id("Video", self.video_id, field=("filter", "videoId")) if self.video_id else None,
        )


@strawberry.type
class JobQuery:
    """Queries of jobs."""

    @strawberry.field(description="A job that you may see; null otherwise.")
    async def job(self, info: Info, id: JobId) -> Job | None:
        """One job."""

        async def find() -> Job:
            viewer = info.context.require_viewer()
            async with info.context.db.read() as session:
                return Job.from_row(await service.get_job(session, viewer, decode_id("Job", id)))

        return await found_or_none(find())

    @strawberry.field(description="Jobs that you may see, newest first.")
    async def jobs(
        self,
        info: Info,
        filter: Annotated[JobFilterInput | None, strawberry.argument(description="Which; null = all.")] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Job]:
        """A page of jobs."""
        viewer = info.context.require_viewer()
        wanted = filter.to_filter() if filter is not None else JobFilter()
        page = page_request(first, after)
        async with info.context.db.read() as session:
            found = await service.list_jobs(session, viewer, wanted, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_jobs(session, viewer, wanted)

        return Connection.from_page(found, Job.from_row, count)


@strawberry.input(description="A job to cancel.")
class CancelJobInput:
    """Input of cancelJob."""

    job_id: strawberry.ID = strawberry.field(description="The job.")


@strawberry.type(description="Result of cancelJob.")
class CancelJobPayload(Payload):
    """Payload of cancelJob."""

    job: Job | None = strawberry.field(
        default=None, description="The job; RUNNING until its worker has stopped, which takes seconds at most."
    )
    changed: bool | None = strawberry.field(
        default=None, description="False if it was over, or was being cancelled already."
    )


@strawberry.input(description="A job to run again.")
class RetryJobInput:
    """Input of retryJob."""

    job_id: strawberry.ID = strawberry.field(description="The job.")


@strawberry.type(description="Result of retryJob.")
class RetryJobPayload(Payload):
    """Payload of retryJob."""

    job: Job | None = strawberry.field(default=None, description="The job, queued again.")


@strawberry.type
class JobMutation:
    """Mutations of jobs."""

    @strawberry.mutation(description="Cancel a job and whatever requires it. A job that is over stays as it is.")
    @reports_errors(CancelJobPayload)
    async def cancel_job(
        self, info: Info, input: Annotated[CancelJobInput, strawberry.argument(description="Which job.")]
    ) -> CancelJobPayload:
        """Cancel a job."""
        viewer = info.context.require_viewer()
        job_id = decode_id("Job", input.job_id, field=("jobId",))
        job, changed = await service.in_transaction(
            info.context.db, lambda session: service.cancel_job(session, viewer, job_id)
        )
        return CancelJobPayload(job=Job.from_row(job), changed=changed)

    @strawberry.mutation(
        description="Run a failed or cancelled job again, together with what was cancelled because of it."
    )
    @reports_errors(RetryJobPayload)
    async def retry_job(
        self, info: Info, input: Annotated[RetryJobInput, strawberry.argument(description="Which job.")]
    ) -> RetryJobPayload:
        """Retry a job."""
        viewer = info.context.require_viewer()
        job_id = decode_id("Job", input.job_id, field=("jobId",))
        job = await service.in_transaction(info.context.db, lambda session: service.retry_job(session, viewer, job_id))
        return RetryJobPayload(job=Job.from_row(job))


@strawberry.type
class JobSubscription:
    """Subscriptions of jobs."""

    @strawberry.subscription(
        description="Watch a job: first a snapshot, then every change of state in order and exactly once, progress "
        "between. Ends after the final state. To go on after a broken connection pass the last `seq` as `after`."
    )
    async def job_progress(
        self,
        info: Info,
        job_id: JobId,
        after: Annotated[
            int | None,
            strawberry.argument(description="Number of the last event seen; 0 = from the first, null = from now on."),
        ] = None,
    ) -> AsyncIterator[JobProgress]:
        """Updates of one job."""
        viewer = info.context.require_viewer()
        key = decode_id("Job", job_id)
        async with info.context.db.read() as session:
            await service.get_job(session, viewer, key)
        async for update in info.context.service(JobHub).watch_job(key, after):
            info.context.forget_loaded()
            yield JobProgress.from_update(update)

"""GraphQL roots of jobs: look-ups, cancel and retry, and live progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.errors import BadInputError, ErrorCode
from cuepoint.features.jobs import bulk, service
from cuepoint.features.jobs.effective import NO_OPTIONS
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.feed_types import JobFeedUpdate
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.kinds import LANES
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.jobs.option_types import JobOptionsInput
from cuepoint.features.jobs.progress import UpdateType
from cuepoint.features.jobs.repository import JobFilter, JobOrder
from cuepoint.features.jobs.retrying import Changes, retry_job
from cuepoint.features.jobs.types import Job, JobProgress
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id, encode_id

describe_enum(
    JobOrder,
    {JobOrder.CREATED_DESC: "The newest first.", JobOrder.CREATED_ASC: "The oldest first."},
    description="Order of a list of jobs.",
)

JobId = Annotated[strawberry.ID, strawberry.argument(description="The job.")]
AfterCursor = Annotated[
    str | None,
    strawberry.argument(description="`cursor` of the last update seen, of the same feed; null = from now on."),
]
FEED = (
    "First the jobs that are not final as SNAPSHOTs - with `after` also those that became so since -, then every "
    "change of state, exactly once and in order for each job, with the newest progress between. Never ends by "
    "itself; NOT_FOUND ends it when you may not see it any more. To go on after a broken connection pass the last "
    "`cursor` as `after`, to whichever server; server-sent events carry it as their id, and `Last-Event-ID` takes the "
    "place of `after`."
)


@strawberry.input(description="Which jobs to list; what is left out, and an empty list, does not narrow.")
class JobFilterInput:
    status: list[JobStatus] | None = strawberry.field(default=None, description="In one of these states.")
    kind: list[JobKind] | None = strawberry.field(default=None, description="Of one of these kinds.")
    lane: list[str] | None = strawberry.field(default=None, description="In one of these queues: cpu, gpu, io, llm.")
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of this project.")
    video_id: strawberry.ID | None = strawberry.field(default=None, description="On this video.")
    batch_id: strawberry.ID | None = strawberry.field(default=None, description="Created in this batch.")
    created_by_id: strawberry.ID | None = strawberry.field(default=None, description="Asked for by this user.")
    error_code: list[ErrorCode] | None = strawberry.field(
        default=None, description="Whose newest error has one of these codes."
    )
    created_from: datetime | None = strawberry.field(default=None, description="Created at this time or later.")
    created_before: datetime | None = strawberry.field(default=None, description="Created before this time.")

    and_: list[JobFilterInput] | None = strawberry.field(
        default=None, name="and", description="Which all of these let through too; 3 levels deep at most. Lists only."
    )
    or_: list[JobFilterInput] | None = strawberry.field(
        default=None, name="or", description="Which one of these lets through. Lists only."
    )
    not_: JobFilterInput | None = strawberry.field(
        default=None, name="not", description="Which this one does not let through. Lists only."
    )

    def to_filter(self) -> JobFilter:
        """As the service takes it. Raises NotFoundError for a malformed id, BadInputError for a queue that is none."""
        if unknown := set(self.lane or ()) - set(LANES):
            message = f"There is no queue {min(unknown)!r}; the query `queues` lists them: {', '.join(LANES)}."
            raise BadInputError(message, field=("filter", "lane"))
        return JobFilter(
            status=tuple(self.status or ()),
            kind=tuple(self.kind or ()),
            lane=tuple(self.lane or ()),
            project_id=_key("Project", self.project_id, "projectId"),
            video_id=_key("Video", self.video_id, "videoId"),
            batch_id=_key("Batch", self.batch_id, "batchId"),
            created_by_id=_key("User", self.created_by_id, "createdById"),
            error_code=tuple(code.value for code in self.error_code or ()),
            created_from=self.created_from,
            created_before=self.created_before,
            all_of=tuple(one.to_filter() for one in self.and_ or ()),
            any_of=tuple(one.to_filter() for one in self.or_ or ()),
            none_of=None if self.not_ is None else self.not_.to_filter(),
        )


def _key(type_name: str, id: strawberry.ID | None, name: str) -> UUID | None:
    return None if id is None else decode_id(type_name, id, field=("filter", name))


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

    @strawberry.field(description="Jobs that you may see, newest first unless you say otherwise.")
    async def jobs(
        self,
        info: Info,
        filter: Annotated[JobFilterInput | None, strawberry.argument(description="Which; null = all.")] = None,
        order_by: Annotated[JobOrder, strawberry.argument(description="Order.")] = JobOrder.CREATED_DESC,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Job]:
        """A page of jobs."""
        viewer = info.context.require_viewer()
        wanted = filter.to_filter() if filter is not None else JobFilter()
        page = page_request(first, after, info)
        async with info.context.db.read() as session:
            found = await service.list_jobs(session, viewer, wanted, page, order_by)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_jobs(session, viewer, wanted)

        return Connection.from_page(found, Job.from_row, count)


@strawberry.input(description="A job to cancel.")
class CancelJobInput:
    """Input of cancelJob."""

    id: strawberry.ID = strawberry.field(description="The job.")


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
class RetryJobInput(IdempotentInput):
    """Input of retryJob."""

    id: strawberry.ID = strawberry.field(description="The job.")
    options: JobOptionsInput | None = strawberry.field(
        default=None, description="Options that its kind has, and its priority; what is left out stays as it was."
    )
    timeout_seconds: int | None = strawberry.field(
        default=None, description="How long an attempt may take from now on, for a job that ran out of time."
    )

    def changes(self) -> Changes:
        """As the service takes them."""
        return Changes(NO_OPTIONS if self.options is None else self.options.to_service(), self.timeout_seconds)


@strawberry.type(description="Result of retryJob.")
class RetryJobPayload(Payload):
    """Payload of retryJob."""

    job: Job | None = strawberry.field(default=None, description="The job as it is now.")
    changed: bool | None = strawberry.field(
        default=None, description="False if it waits, runs or has succeeded already: it stays as it is."
    )


@strawberry.input(description="A new priority of a job that waits.")
class UpdateJobPriorityInput:
    """Input of updateJobPriority."""

    id: strawberry.ID = strawberry.field(description="The job.")
    priority: int = strawberry.field(description="0 to 10; 10 goes first. A step is worth five minutes of work.")


@strawberry.type(description="Result of updateJobPriority.")
class UpdateJobPriorityPayload(Payload):
    """Payload of updateJobPriority."""

    job: Job | None = strawberry.field(default=None, description="The job as it is now.")
    changed: bool | None = strawberry.field(
        default=None, description="False if it had that priority, runs already, or is over."
    )


@strawberry.input(description="A job to delete.")
class DeleteJobInput:
    """Input of deleteJob."""

    id: strawberry.ID = strawberry.field(description="The job; it must be over.")
    include_dependants: bool = strawberry.field(
        default=False, description="Whether to delete along what was cancelled because of it; else that is refused."
    )


@strawberry.type(description="Result of deleteJob.")
class DeleteJobPayload(Payload):
    """Payload of deleteJob."""

    deleted_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The jobs that are gone: this one first, then what went along."
    )


@strawberry.type
class JobMutation:
    @strawberry.mutation(description="Cancel a job and whatever requires it. A job that is over stays as it is.")
    @reports_errors(CancelJobPayload)
    async def cancel_job(
        self, info: Info, input: Annotated[CancelJobInput, strawberry.argument(description="Which job.")]
    ) -> CancelJobPayload:
        viewer = info.context.require_viewer()
        job_id = decode_id("Job", input.id, field=("id",))
        job, changed = await service.in_transaction(
            info.context.db, lambda session: service.cancel_job(session, viewer, job_id)
        )
        return CancelJobPayload(job=Job.from_row(job), changed=changed)

    @strawberry.mutation(
        description="Run a failed or cancelled job again, together with what was cancelled because of it. What is "
        "changed of it stands in its RETRIED event."
    )
    @reports_errors(RetryJobPayload)
    async def retry_job(
        self, info: Info, input: Annotated[RetryJobInput, strawberry.argument(description="Which job.")]
    ) -> RetryJobPayload:
        viewer = info.context.require_viewer()
        job_id = decode_id("Job", input.id, field=("id",))
        changes = input.changes()
        job, changed = await service.in_transaction(
            info.context.db, lambda session: retry_job(session, viewer, job_id, changes)
        )
        return RetryJobPayload(job=Job.from_row(job), changed=changed)

    @strawberry.mutation(description="Move a job that waits forwards or backwards in its queue.")
    @reports_errors(UpdateJobPriorityPayload)
    async def update_job_priority(
        self, info: Info, input: Annotated[UpdateJobPriorityInput, strawberry.argument(description="Which, whereto.")]
    ) -> UpdateJobPriorityPayload:
        """Change a priority."""
        viewer = info.context.require_viewer()
        job_id = decode_id("Job", input.id, field=("id",))
        job, changed = await service.in_transaction(
            info.context.db, lambda session: service.update_priority(session, viewer, job_id, input.priority)
        )
        return UpdateJobPriorityPayload(job=Job.from_row(job), changed=changed)

    @strawberry.mutation(description="Delete a job that is over, with its events. What it has made stays.")
    @reports_errors(DeleteJobPayload)
    async def delete_job(
        self, info: Info, input: Annotated[DeleteJobInput, strawberry.argument(description="Which job.")]
    ) -> DeleteJobPayload:
        viewer = info.context.require_viewer()
        job_id = decode_id("Job", input.id, field=("id",))
        gone = await service.in_transaction(
            info.context.db,
            lambda session: bulk.delete_job(session, viewer, job_id, include_dependants=input.include_dependants),
        )
        return DeleteJobPayload(deleted_ids=[encode_id("Job", one) for one in gone])


@strawberry.type
class JobSubscription:
    @strawberry.subscription(
        description="Watch a job: first a snapshot, then every change of state in order and exactly once, progress "
        "between. Ends after the final state. To go on after a broken connection pass the last `seq` as `after`; "
        "server-sent events carry it as their id, and `Last-Event-ID` takes the place of `after`."
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
        context, after = info.context, info.context.resumed_after(after)
        watching = context.service(JobHub).watch_job(key, after, viewer=viewer, introduce=context.introduce)
        async with aclosing(watching) as updates:
            async for update in updates:
                if update.type is UpdateType.SNAPSHOT and context.goes_on:
                    continue
                context.forget_loaded()
                if after is None or update.type is not UpdateType.SNAPSHOT:  # a snapshot may be ahead of what follows
                    context.event = update.seq
                context.replaces = key if update.type is UpdateType.PROGRESS else None
                yield JobProgress.from_update(update)

    @strawberry.subscription(description=f"Watch all jobs that you may see. {FEED}")
    async def jobs_updated(
        self,
        info: Info,
        filter: Annotated[
            JobFilterInput | None,
            strawberry.argument(description="Which; null = all. `status` is that after the change."),
        ] = None,
        after: AfterCursor = None,
    ) -> AsyncIterator[JobFeedUpdate]:
        """Updates of many jobs."""
        async with aclosing(_feed(info, filter.to_filter() if filter is not None else JobFilter(), after)) as updates:
            async for update in updates:
                yield update

    @strawberry.subscription(description=f"Watch the jobs of a video, and what they bring: `result`. {FEED}")
    async def video_events(
        self,
        info: Info,
        video_id: Annotated[strawberry.ID, strawberry.argument(description="The video.")],
        after: AfterCursor = None,
    ) -> AsyncIterator[JobFeedUpdate]:
        """Updates of one video."""
        async with aclosing(_feed(info, JobFilter(video_id=decode_id("Video", video_id)), after)) as updates:
            async for update in updates:
                yield update

    @strawberry.subscription(description=f"Watch the jobs of a project. {FEED}")
    async def project_events(
        self,
        info: Info,
        project_id: Annotated[strawberry.ID, strawberry.argument(description="The project.")],
        after: AfterCursor = None,
    ) -> AsyncIterator[JobFeedUpdate]:
        """Updates of one project."""
        async with aclosing(_feed(info, JobFilter(project_id=decode_id("Project", project_id)), after)) as updates:
            async for update in updates:
                yield update


async def _feed(info: Info, wanted: JobFilter, after: str | None) -> AsyncGenerator[JobFeedUpdate, None]:
    if wanted.is_combined:
        raise BadInputError("The filter of a feed takes no `and`, `or` and `not`; lists do.", field=("filter",))
    context = info.context
    request = FeedRequest(context.require_viewer(), wanted)
    after = context.resumed_behind(after)
    async with aclosing(context.service(JobHub).watch_feed(request, after, introduce=context.introduce)) as updates:
        async for update in updates:
            kind = None if update.update is None else update.update.type
            if kind is UpdateType.SNAPSHOT and context.goes_on:
                continue
            context.forget_loaded()
            context.event = update.cursor
            context.replaces = update.job.id if update.job is not None and kind is UpdateType.PROGRESS else None
            yield JobFeedUpdate.from_update(update)

"""GraphQL roots of schedules: what is made by the clock, and one of it now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cuepoint.features.jobs import models
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.types import Job
from cuepoint.features.queues import schedules as service
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import encode_id


@strawberry.type(description="A job that is made again and again, at the times of a cron expression.")
class Schedule:
    """A schedule as administrators see it."""

    name: str = strawberry.field(description="Its name.")
    cron: str = strawberry.field(description="When: a cron expression of five fields, UTC.")
    kind: JobKind = strawberry.field(description="Kind of the jobs it makes.")
    next_at: datetime = strawberry.field(
        description="Its next slot. Of the slots that were missed while nothing ran only the newest is made up for."
    )
    is_enabled: bool = strawberry.field(description="Whether it makes any.")
    project_id: strawberry.ID | None = strawberry.field(
        description="The project whose import source it looks through; null = the system's own."
    )

    @classmethod
    def from_row(cls, row: models.Schedule) -> Schedule:
        """Copy a schedule."""
        return cls(
            name=row.name,
            cron=row.cron,
            kind=row.kind,
            next_at=row.next_at,
            is_enabled=row.is_enabled,
            project_id=None if row.project_id is None else encode_id("Project", row.project_id),
        )


@strawberry.input(description="A schedule to run.")
class RunScheduleNowInput(IdempotentInput):
    """Input of runScheduleNow."""

    name: str = strawberry.field(description="Which, as `schedules` names it.")


@strawberry.type(description="Result of runScheduleNow.")
class RunScheduleNowPayload(Payload):
    """Payload of runScheduleNow."""

    job: Job | None = strawberry.field(default=None, description="The job, new or under way.")
    changed: bool | None = strawberry.field(
        default=None, description="False if one that was asked for is still under way: `job` is that one."
    )


@strawberry.type
class ScheduleQuery:
    """Queries of schedules."""

    @strawberry.field(
        description="What is made by the clock, by name: the system's housekeeping, and import sources. "
        "Administrators only."
    )
    async def schedules(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[Schedule]:
        viewer = info.context.require_viewer()
        async with info.context.db.read() as session:
            found = await service.list_schedules(session, viewer, page_request(first, after, info))

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_schedules(session)

        return Connection.from_page(found, Schedule.from_row, count)


@strawberry.type
class ScheduleMutation:
    @strawberry.mutation(
        description="Make the job of a schedule now; its next slot stays as it is. Administrators only."
    )
    @reports_errors(RunScheduleNowPayload)
    async def run_schedule_now(
        self, info: Info, input: Annotated[RunScheduleNowInput, strawberry.argument(description="Which schedule.")]
    ) -> RunScheduleNowPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            job, is_new = await service.run_now(session, viewer, input.name)
            return RunScheduleNowPayload(job=Job.from_row(job), changed=is_new)

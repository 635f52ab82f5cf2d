"""GraphQL types of queues and workers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import strawberry

from cuepoint import __version__
from cuepoint.features.jobs.models import WorkerState
from cuepoint.features.jobs.types import Job
from cuepoint.features.queues.loaders import JobsOfWorker, WorkerById
from cuepoint.features.queues.repository import LaneState, WorkerRow
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id

describe_enum(
    WorkerState,
    {
        WorkerState.LIVE: "It renews its lease and takes jobs.",
        WorkerState.DRAINING: "It takes no more jobs and ends when those it runs have.",
        WorkerState.GONE: "It ended in order.",
        WorkerState.LOST: "It fell silent; its jobs went to others.",
    },
    description="Life of a worker process.",
)

DEFAULT_LEASE_SECONDS = 15.0  # of workers that have not said theirs
SILENT_SHARE = 0.5  # renewals come three times a lease: with half of it left, one has been missed


@strawberry.type(description="A queue: the jobs that wait for one kind of resource.")
class Queue:
    """A lane as clients see it."""

    name: str = strawberry.field(description="The lane: cpu, gpu, io or llm.")
    queued: int = strawberry.field(description="Jobs that could start if a slot were free.")
    running: int = strawberry.field(description="Jobs that workers run now.")
    scheduled: int = strawberry.field(description="Jobs that wait for their time: delayed, or between two attempts.")
    oldest_age_seconds: float | None = strawberry.field(
        description="How long the queued job that has waited longest has been queued; null if none is."
    )
    is_paused: bool = strawberry.field(description="Whether nothing is started until somebody resumes it.")
    worker_count: int = strawberry.field(description="Live workers that serve it; 0 = nothing will start.")
    slots: int = strawberry.field(description="Jobs that those workers run at a time.")

    @classmethod
    def from_row(cls, row: LaneState) -> Queue:
        """Copy a lane."""
        return cls(
            name=row.name,
            queued=row.queued,
            running=row.running,
            scheduled=row.scheduled,
            oldest_age_seconds=row.oldest_seconds,
            is_paused=row.is_paused,
            worker_count=row.workers,
            slots=row.slots,
        )


@strawberry.type(description="A worker process.")
class Worker(Node):
    """A worker as administrators see it."""

    key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id; a process has a new one at every start.")
    host: str | None = strawberry.field(description="Name of its machine or container.")
    pid: int | None = strawberry.field(description="Its process id there.")
    version: str | None = strawberry.field(description="Version of Cuepoint that it runs.")
    state: WorkerState = strawberry.field(description="State.")
    lanes: list[str] = strawberry.field(description="Queues that it serves.")
    slots: int | None = strawberry.field(description="Jobs that it runs at a time.")
    started_at: datetime = strawberry.field(description="When it registered.")
    last_heartbeat_at: datetime = strawberry.field(description="When it last renewed its lease.")
    lease_until: datetime = strawberry.field(description="Silent beyond this it is declared lost.")
    warnings: list[str] = strawberry.field(description="What an operator should look at, in English; empty is good.")

    @strawberry.field(description="The jobs that it runs now, longest first.")
    async def current_jobs(self, info: Info) -> list[Job]:
        return [Job.from_row(row) for row in await info.context.loader(JobsOfWorker).load(self.key)]

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Worker | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(WorkerById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: WorkerRow) -> Worker:
        """Copy a worker."""
        slots = row.info.get("slots")
        return cls(
            key=row.id,
            id=encode_id("Worker", row.id),
            host=row.info.get("host"),
            pid=row.info.get("pid"),
            version=row.info.get("version"),
            state=row.state,
            lanes=sorted(row.lanes),
            slots=sum(slots.values()) if isinstance(slots, dict) else None,
            started_at=row.started_at,
            last_heartbeat_at=row.lease_until - timedelta(seconds=_lease(row.info)),
            lease_until=row.lease_until,
            warnings=warnings_of(row),
        )


def _lease(info: dict[str, Any]) -> float:
    return float(info.get("lease_seconds", DEFAULT_LEASE_SECONDS))


def warnings_of(row: WorkerRow) -> list[str]:
    """What an operator should look at: silence, another version than this process's, and what it says itself."""
    found = [str(text) for text in row.info.get("warnings", [])]
    if row.state in (WorkerState.LIVE, WorkerState.DRAINING):
        lease = _lease(row.info)
        if row.seconds_left < lease * SILENT_SHARE:
            found.append(f"Silent for {max(0.0, lease - row.seconds_left):.0f} s; lost after {lease:.0f} s.")
        version = row.info.get("version")
        if version is not None and version != __version__:
            found.append(f"Runs version {version}, the API {__version__}.")
    return found

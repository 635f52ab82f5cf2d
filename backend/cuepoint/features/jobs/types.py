"""GraphQL types of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.errors import ErrorCode
from cuepoint.features.jobs import models
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.loaders import DependenciesOfJob, EventsOfJob, JobById
from cuepoint.features.jobs.models import CancelReason, JobEventType, JobKind, JobStatus
from cuepoint.features.jobs.progress import JobUpdate, LoggedEvent, UpdateType, eta_seconds
from cuepoint.features.projects.types import Project, load_project
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id, seconds_or_none

describe_enum(
    JobKind,
    {
        JobKind.PROBE: "Reads what the file holds, and takes a poster.",
        JobKind.AUDIO_EXTRACTION: "Extracts the sound for speech recognition.",
        JobKind.TRANSCRIPTION: "Recognises what is said.",
        JobKind.SEGMENTATION: "Cuts the transcript into passages.",
        JobKind.EMBEDDING: "Makes the passages findable by meaning.",
        JobKind.MOMENT_GENERATION: "Finds the moments worth watching.",
        JobKind.CLIP_EXTRACTION: "Cuts a clip out of the original.",
        JobKind.VIDEO_DELETION: "Removes a deleted video's files and rows.",
        JobKind.MAINTENANCE: "Tidies up; made by the system on a schedule.",
    },
    description="What a job does.",
)
describe_enum(
    JobStatus,
    {
        JobStatus.BLOCKED: "Waits for other jobs.",
        JobStatus.SCHEDULED: "Waits for its time: a delay, or the pause before the next attempt.",
        JobStatus.QUEUED: "Waits for a worker.",
        JobStatus.RUNNING: "A worker runs it.",
        JobStatus.SUCCEEDED: "Over: its results are stored.",
        JobStatus.FAILED: "Over: see `error`. It can be retried.",
        JobStatus.CANCELLED: "Over: see `cancelReason`. It can be retried.",
    },
    description="State of a job. The last three are final.",
)
describe_enum(
    CancelReason,
    {
        CancelReason.USER: "Someone asked for it.",
        CancelReason.DEPENDENCY: "A job that it required failed or was cancelled; a retry of that one revives it.",
    },
    description="Why a job was cancelled.",
)
describe_enum(
    JobEventType,
    {
        JobEventType.CREATED: "It was accepted.",
        JobEventType.SCHEDULED: "What it waited for is over; it now waits for its time.",
        JobEventType.QUEUED: "It waits for a worker.",
        JobEventType.STARTED: "A worker began an attempt.",
        JobEventType.SUCCEEDED: "It ended well.",
        JobEventType.FAILED: "It ended badly.",
        JobEventType.ERROR: "An attempt ended in an error; another one follows.",
        JobEventType.SNOOZED: "A provider asked to come back later; no failure is counted.",
        JobEventType.RELEASED: "The worker gave it back, for instance because it stops; no failure is counted.",
        JobEventType.LOST: "The worker fell silent; the job is queued again.",
        JobEventType.CANCEL_REQUESTED: "The worker was told to stop.",
        JobEventType.CANCELLED: "It was cancelled.",
        JobEventType.BLOCKED: "It came back because what it requires was retried.",
        JobEventType.RETRIED: "Someone ran it again.",
    },
    description="What happened to a job.",
)
describe_enum(
    UpdateType,
    {
        UpdateType.SNAPSHOT: "The state at the moment of subscribing; always first.",
        UpdateType.EVENT: "A change of state; each comes exactly once and in order.",
        UpdateType.PROGRESS: "The newest progress; earlier ones may be left out.",
    },
    name="JobUpdateType",
    description="What an update of a job is.",
)


@strawberry.type(description="Why a job failed, or why its newest attempt did.")
class JobError:
    """An error of a job."""

    code: ErrorCode = strawberry.field(description="Machine-readable reason.")
    message: str = strawberry.field(description="What happened.")
    hint: str | None = strawberry.field(description="What to do about it.")
    retryable: bool = strawberry.field(description="Whether another attempt can help.")
    detail: str | None = strawberry.field(description="What a program or provider said, shortened.")

    @classmethod
    def from_json(cls, error: dict[str, Any] | None) -> JobError | None:
        """Copy a stored error."""
        if error is None:
            return None
        return cls(
            code=ErrorCode(error["code"]),
            message=error["message"],
            hint=error.get("hint"),
            retryable=error.get("retryable", False),
            detail=error.get("detail"),
        )


@strawberry.type(description="One change of a job's state.")
class JobEvent:
    """An event as clients see it."""

    seq: int = strawberry.field(description="Its number within the job: 1, 2, 3 ... without gaps.")
    at: datetime = strawberry.field(description="When it happened, by the database's clock.")
    type: JobEventType = strawberry.field(description="What happened.")
    status: JobStatus = strawberry.field(description="Status of the job from then on.")
    attempt: int = strawberry.field(description="Attempt it belongs to; 0 before the first.")
    reason: str | None = strawberry.field(description="Why, for instance USER, DEPENDENCY, UNBLOCKED, LEASE.")
    run_at: datetime | None = strawberry.field(description="When the next attempt begins at the earliest.")
    worker_id: str | None = strawberry.field(description="The worker it concerns.")
    error: JobError | None = strawberry.field(description="What went wrong.")

    @classmethod
    def from_row(cls, row: models.JobEvent | LoggedEvent) -> JobEvent:
        """Copy an event."""
        run_at = row.data.get("run_at")
        return cls(
            seq=row.seq,
            at=row.at,
            type=row.type,
            status=JobStatus(row.data["status"]),
            attempt=row.attempt,
            reason=row.data.get("reason"),
            run_at=datetime.fromisoformat(run_at) if run_at else None,
            worker_id=row.data.get("worker_id"),
            error=JobError.from_json(row.data.get("error")),
        )


@strawberry.type(description="A job that another one waits for.")
class JobDependency:
    """A dependency."""

    job: Job = strawberry.field(description="What must be over first.")
    is_required: bool = strawberry.field(description="Whether it must succeed; otherwise it must only be over.")


@strawberry.type(description="A piece of background work.")
class Job:
    """A job as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Job]
    id: strawberry.ID = strawberry.field(description="Global id.")
    kind: JobKind = strawberry.field(description="What it does.")
    title: str = strawberry.field(description="What it does, in a few words for people.")
    status: JobStatus = strawberry.field(description="State.")
    lane: str = strawberry.field(description="Resource it queues for: cpu, gpu, io or llm.")
    priority: int = strawberry.field(description="0 to 10; 10 goes first.")
    attempt: int = strawberry.field(description="Attempts so far.")
    max_attempts: int = strawberry.field(description="Errors after which it is FAILED.")
    seq: int = strawberry.field(description="Number of its newest event: pass it as `after` to jobProgress.")
    progress: float = strawberry.field(description="0 to 1; grows within an attempt.")
    stage: str | None = strawberry.field(description="What it is doing, for people.")
    processed_seconds: float | None = strawberry.field(description="Media time done.")
    total_seconds: float | None = strawberry.field(description="Media time to do.")
    eta_seconds: float | None = strawberry.field(description="Time left at its own speed; null rather than a guess.")
    cancel_reason: CancelReason | None = strawberry.field(description="Why it was cancelled, or is being cancelled.")
    error: JobError | None = strawberry.field(description="Newest error; null once it has succeeded.")
    result: JSON | None = strawberry.field(description="A few facts of the outcome, such as counts.")
    video_id: strawberry.ID | None = strawberry.field(description="The video it works on.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    run_at: datetime | None = strawberry.field(description="When it begins at the earliest; null = at once.")
    started_at: datetime | None = strawberry.field(description="Start of the newest attempt.")
    finished_at: datetime | None = strawberry.field(description="When it became final.")
    cancel_requested_at: datetime | None = strawberry.field(description="When a cancel was accepted.")

    @strawberry.field(description="What happened to it so far, oldest first.")
    async def events(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[JobEvent]:
        """A page of its log."""
        page = await info.context.loader(EventsOfJob).load((self.key, page_request(first, after)))

        async def count() -> int:
            return self.row.seq  # numbers have no gaps

        return Connection.from_page(page, JobEvent.from_row, count)

    @strawberry.field(description="The jobs that it waits for, or waited for.")
    async def dependencies(self, info: Info) -> list[JobDependency]:
        """Its dependencies."""
        edges = await info.context.loader(DependenciesOfJob).load(self.key)
        rows = await info.context.loader(JobById).load_many([edge.dependency_id for edge in edges])
        return [
            JobDependency(job=Job.from_row(row), is_required=edge.is_required)
            for edge, row in zip(edges, rows, strict=True)
            if row is not None
        ]

    @strawberry.field(description="The job to retry when this one was cancelled because of a dependency.")
    async def cancelled_by(self, info: Info) -> Job | None:
        """The dependency to blame."""
        if self.row.cancelled_by_id is None:
            return None
        row = await info.context.loader(JobById).load(self.row.cancelled_by_id)
        return None if row is None else Job.from_row(row)

    @strawberry.field(description="The project it belongs to; null for the system's own jobs.")
    async def project(self, info: Info) -> Project | None:
        """Its project."""
        return None if self.row.project_id is None else await load_project(info, self.row.project_id)

    @classmethod
    def from_row(cls, row: models.Job) -> Job:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Job", row.id),
            kind=row.kind,
            title=SPECS[row.kind].title,
            status=row.status,
            lane=row.lane,
            priority=row.priority,
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            seq=row.seq,
            progress=row.progress,
            stage=row.stage,
            processed_seconds=seconds_or_none(row.processed_ms),
            total_seconds=seconds_or_none(row.total_ms),
            eta_seconds=_eta(row),
            cancel_reason=row.cancel_reason,
            error=JobError.from_json(row.error),
            result=None if row.result is None else JSON(row.result),
            video_id=None if row.video_id is None else encode_id("Video", row.video_id),
            created_at=row.created_at,
            run_at=row.run_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            cancel_requested_at=row.cancel_requested_at,
        )


def _eta(row: models.Job) -> float | None:
    """Time left, for a first attempt: a later one may have resumed in the middle."""
    if row.status is not JobStatus.RUNNING or row.attempt != 1 or row.started_at is None:
        return None
    return eta_seconds(row.progress, (datetime.now(UTC) - row.started_at).total_seconds())


@strawberry.type(description="What a subscriber of a job learns: its state after event `seq`.")
class JobProgress:
    """An update as clients see it."""

    key: strawberry.Private[UUID]
    type: UpdateType = strawberry.field(description="Whether this is the snapshot, a change of state, or progress.")
    seq: int = strawberry.field(description="Number of the newest event: pass it as `after` to go on from here.")
    at: datetime = strawberry.field(description="When this was so.")
    status: JobStatus = strawberry.field(description="State of the job.")
    attempt: int = strawberry.field(description="Attempts so far.")
    progress: float = strawberry.field(description="0 to 1; grows within an attempt.")
    stage: str | None = strawberry.field(description="What it is doing, for people.")
    processed_seconds: float | None = strawberry.field(description="Media time done.")
    total_seconds: float | None = strawberry.field(description="Media time to do.")
    eta_seconds: float | None = strawberry.field(description="Time left at its own speed; null rather than a guess.")
    event: JobEvent | None = strawberry.field(description="The change of state; null on snapshots and progress.")

    @strawberry.field(description="The whole job as it is now.")
    async def job(self, info: Info) -> Job | None:
        """The job."""
        row = await info.context.loader(JobById).load(self.key)
        return None if row is None else Job.from_row(row)

    @classmethod
    def from_update(cls, update: JobUpdate) -> JobProgress:
        """Copy an update."""
        return cls(
            key=update.job_id,
            type=update.type,
            seq=update.seq,
            at=update.at,
            status=update.status,
            attempt=update.attempt,
            progress=update.progress,
            stage=update.stage,
            processed_seconds=seconds_or_none(update.processed_ms),
            total_seconds=seconds_or_none(update.total_ms),
            eta_seconds=update.eta_seconds,
            event=None if update.event is None else JobEvent.from_row(update.event),
        )

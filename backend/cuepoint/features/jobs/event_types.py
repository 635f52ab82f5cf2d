"""GraphQL types of what happened to a job: its errors, events and attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.errors import ErrorCode
from cuepoint.features.jobs import models
from cuepoint.features.jobs.attempts import Attempt, AttemptOutcome
from cuepoint.features.jobs.models import JobEventType, JobStatus
from cuepoint.features.jobs.progress import LoggedEvent
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id

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
        JobEventType.BLOCKED: "It waits again: what it requires was retried, or is made anew.",
        JobEventType.RETRIED: "Someone ran it again.",
    },
    description="What happened to a job.",
)
describe_enum(
    AttemptOutcome,
    {
        AttemptOutcome.RUNNING: "It goes on.",
        AttemptOutcome.SUCCEEDED: "It ended well, and the job with it.",
        AttemptOutcome.ERROR: "It ended in an error; another attempt follows.",
        AttemptOutcome.FAILED: "It ended in an error, and the job with it.",
        AttemptOutcome.SNOOZED: "A provider asked to come back later.",
        AttemptOutcome.RELEASED: "Its worker gave the job back, for instance because it stops.",
        AttemptOutcome.LOST: "Its worker fell silent.",
        AttemptOutcome.CANCELLED: "It was cancelled, and the job with it.",
    },
    name="JobAttemptOutcome",
    description="How an attempt ended.",
)


@strawberry.type(description="Why a job failed, or why its newest attempt did.")
class JobError:
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


def _worker_id(key: str | None) -> strawberry.ID | None:
    return None if key is None else encode_id("Worker", UUID(key))


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
    worker_id: str | None = strawberry.field(description="The worker it concerns, as in JobAttempt; see `workers`.")
    error: JobError | None = strawberry.field(description="What went wrong.")
    changes: JSON | None = strawberry.field(
        description="What a retry changed: options by their names, times in milliseconds, and `timeoutSeconds`."
    )

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
            worker_id=_worker_id(row.data.get("worker_id")),
            error=JobError.from_json(row.data.get("error")),
            changes=JSON(row.data["changes"]) if "changes" in row.data else None,
        )


@strawberry.type(description="One attempt at a job: from the moment a worker took it to its end.")
class JobAttempt:
    """An attempt as clients see it."""

    number: int = strawberry.field(description="Its number; numbers only grow, also through a retry by hand.")
    worker_id: strawberry.ID | None = strawberry.field(description="The worker that ran it; see `workers`.")
    started_at: datetime = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while it runs.")
    outcome: AttemptOutcome = strawberry.field(description="How it ended.")
    reason: str | None = strawberry.field(description="Why, for instance LEASE, TIMEOUT, USER.")
    error: JobError | None = strawberry.field(description="What went wrong.")

    @classmethod
    def from_row(cls, row: Attempt) -> JobAttempt:
        """Copy an attempt."""
        return cls(
            number=row.number,
            worker_id=_worker_id(row.worker_id),
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            reason=row.reason,
            error=JobError.from_json(row.error),
        )


@strawberry.type(description="What was said during one attempt at a job.")
class JobLog:
    """A log as clients see it."""

    attempt: int = strawberry.field(description="Number of the attempt.")
    text: str = strawberry.field(
        description="Its newest lines, each with its time (UTC): what programs wrote to stderr and providers answered. "
        "Secrets are masked."
    )
    is_cut: bool = strawberry.field(description="Whether earlier lines had no room.")
    updated_at: datetime = strawberry.field(description="When the newest line was stored.")

    @classmethod
    def from_row(cls, row: models.JobLog) -> JobLog:
        """Copy a log."""
        return cls(attempt=row.attempt, text=row.text, is_cut=row.is_cut, updated_at=row.updated_at)

"""The attempts of a job, read from its events: there is no second record of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from cuepoint.features.jobs.models import JobEvent, JobEventType


class AttemptOutcome(Enum):
    """How an attempt ended, so far."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    ERROR = "ERROR"
    FAILED = "FAILED"
    SNOOZED = "SNOOZED"
    RELEASED = "RELEASED"
    LOST = "LOST"
    CANCELLED = "CANCELLED"


# The events that end an attempt; each has the outcome of its name.
ENDINGS = frozenset(JobEventType(outcome.value) for outcome in AttemptOutcome if outcome is not AttemptOutcome.RUNNING)


@dataclass(frozen=True)
class Attempt:
    """One claim of a job and its end."""

    number: int
    worker_id: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: AttemptOutcome
    reason: str | None
    error: dict[str, Any] | None


def attempts_of(events: Iterable[JobEvent]) -> list[Attempt]:
    """The attempts in events of one job, which come in order.

    The first event after STARTED that ends an attempt is its end: a job that waits again can still be cancelled under
    the number of the attempt before.
    """
    attempts: list[Attempt] = []
    for event in events:
        if event.type is JobEventType.STARTED:
            worker = event.data.get("worker_id")
            attempts.append(Attempt(event.attempt, worker, event.at, None, AttemptOutcome.RUNNING, None, None))
        elif event.type in ENDINGS and attempts and attempts[-1].outcome is AttemptOutcome.RUNNING:
            attempts[-1] = replace(
                attempts[-1],
                ended_at=event.at,
                outcome=AttemptOutcome(event.type.value),
                reason=event.data.get("reason"),
                error=event.data.get("error"),
            )
    return attempts

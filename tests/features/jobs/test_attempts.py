"""Attempts of a job, read from its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.attempts import AttemptOutcome, attempts_of
from cuepoint.features.jobs.models import JobEvent, JobEventType

JOB = uuid7()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def log(*events: tuple[str, int, dict[str, Any]]) -> list[JobEvent]:
    return [
        JobEvent(job_id=JOB, seq=n, at=NOON + timedelta(seconds=n), type=JobEventType(kind), attempt=attempt, data=data)
        for n, (kind, attempt, data) in enumerate(events, 1)
    ]


class TestAttemptsOf:
    def test_each_start_has_its_end(self) -> None:
        worker = str(uuid7())
        events = log(
            ("CREATED", 0, {}),
            ("STARTED", 1, {"worker_id": worker}),
            ("ERROR", 1, {"error": {"code": "CHILD_CRASHED"}}),
            ("QUEUED", 1, {}),
            ("STARTED", 2, {"worker_id": worker}),
            ("LOST", 2, {"reason": "LEASE"}),
            ("STARTED", 3, {"worker_id": worker}),
        )

        first, second, third = attempts_of(events)

        assert (first.number, first.outcome, first.error) == (1, AttemptOutcome.ERROR, {"code": "CHILD_CRASHED"})
        assert (first.started_at, first.ended_at) == (NOON + timedelta(seconds=2), NOON + timedelta(seconds=3))
        assert (second.number, second.outcome, second.reason) == (2, AttemptOutcome.LOST, "LEASE")
        assert (third.number, third.outcome, third.ended_at, third.worker_id) == (
            3,
            AttemptOutcome.RUNNING,
            None,
            worker,
        )

    def test_a_cancel_while_it_waits_again_is_not_the_end_of_the_attempt_before(self) -> None:
        events = log(("STARTED", 1, {}), ("SNOOZED", 1, {}), ("CANCELLED", 1, {"reason": "USER"}))

        [only] = attempts_of(events)

        assert (only.outcome, only.reason) == (AttemptOutcome.SNOOZED, None)

    def test_one_that_never_started_has_none(self) -> None:
        assert attempts_of(log(("CREATED", 0, {}), ("CANCELLED", 0, {}))) == []

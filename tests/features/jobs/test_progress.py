"""The estimate of the time left, and how an update follows another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.models import JobEventType, JobStatus
from cuepoint.features.jobs.progress import (
    JobUpdate,
    LoggedEvent,
    ProgressMessage,
    UpdateType,
    decode_message,
    eta_seconds,
)

AT = datetime(2026, 5, 1, tzinfo=UTC)


class TestEtaSeconds:
    @pytest.mark.parametrize(
        ("progress", "elapsed", "base", "expected"),
        [
            (0.5, 10.0, 0.0, 10.0),
            (0.25, 10.0, 0.0, 30.0),
            (1.0, 10.0, 0.0, 0.0),
            (0.75, 10.0, 0.5, 10.0),
            (0.019, 10.0, 0.0, None),
            (0.5, 0.9, 0.0, None),
            (0.51, 10.0, 0.5, None),
        ],
    )
    def test_follows_its_own_speed(self, progress: float, elapsed: float, base: float, expected: float | None) -> None:
        assert eta_seconds(progress, elapsed, base=base) == expected


class TestJobUpdate:
    RUNNING = JobUpdate(
        UpdateType.SNAPSHOT, uuid7(), 2, AT, JobStatus.RUNNING, 1, 0.5, "Half", processed_ms=5, total_ms=10
    )

    def test_a_new_attempt_begins_at_zero(self) -> None:
        event = LoggedEvent(3, AT, JobEventType.STARTED, 2, {"status": "RUNNING"})

        update = self.RUNNING.after_event(event)

        assert (update.seq, update.attempt, update.progress, update.stage, update.event) == (3, 2, 0.0, None, event)

    def test_progress_of_a_job_that_is_over_is_dropped(self) -> None:
        over = self.RUNNING.after_event(LoggedEvent(3, AT, JobEventType.CANCELLED, 1, {"status": "CANCELLED"}))

        assert over.after_progress(ProgressMessage(1, AT, 0.9, None, None, None, None)) is None


class TestDecodeMessage:
    def test_progress_survives_the_way(self) -> None:
        message = ProgressMessage(1, AT, 0.5, "Half", 5, 10, 3.5)

        assert decode_message(message.encode(uuid7())) == message

    @pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"type":"X","at":"now"}'])
    def test_what_is_not_ours_is_refused(self, payload: bytes) -> None:
        with pytest.raises((ValueError, KeyError, TypeError)):
            decode_message(payload)

"""The estimate of the time left, and how an update follows another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.models import JobEventType, JobStatus
from cuepoint.features.jobs.progress import (
    JobUpdate,
    LoggedEvent,
    Pace,
    ProgressMessage,
    UpdateType,
    decode_item,
    eta_from_start,
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
            (0.5, 0.9, 0.0, 0.9),
            (0.05, 2.0, 0.0, 38.0),
            (0.09, 1.9, 0.0, None),
            (0.55, 1.9, 0.5, None),
            (0.5, 10.0, 0.5, None),
        ],
    )
    def test_needs_a_tenth_of_the_work_or_two_seconds(
        self, progress: float, elapsed: float, base: float, expected: float | None
    ) -> None:
        assert eta_seconds(progress, elapsed, base=base) == expected


class TestEtaFromStart:
    @pytest.mark.parametrize(("progress", "elapsed", "expected"), [(0.02, 1.2, None), (0.02, 9.0, None), (0.1, 1, 9)])
    def test_needs_a_tenth_of_the_work(self, progress: float, elapsed: float, expected: float | None) -> None:
        assert eta_from_start(progress, elapsed) == expected


class TestPace:
    def test_counts_media_time_from_the_first_that_was_processed(self) -> None:
        pace = Pace()
        pace.note(0.0, 0.0, 0, 100_000)  # the model loads for a minute
        pace.note(60.0, 0.02, 2_000, 100_000)
        first = pace.eta_seconds(60.5)
        pace.note(62.0, 0.22, 22_000, 100_000)

        assert first is None
        assert pace.eta_seconds(62.0) == 7.8

    def test_a_start_from_the_middle_is_not_its_own_speed(self) -> None:
        pace = Pace()
        pace.note(0.0, 0.5, 50_000, 100_000)
        pace.note(10.0, 0.6, 60_000, 100_000)

        assert pace.eta_seconds(10.0) == 40.0

    def test_a_short_job_says_nothing_after_its_first_moment(self) -> None:
        pace = Pace()
        pace.note(0.0, 0.0, 0, 60_000)
        pace.note(1.2, 0.02, 1_200, 60_000)

        assert pace.eta_seconds(1.3) is None

    def test_without_media_time_the_fraction_counts(self) -> None:
        pace = Pace()
        pace.note(0.0, 0.1, None, None)
        pace.note(4.0, 0.5, None, None)

        assert pace.eta_seconds(4.0) == 5.0

    def test_nothing_was_reported(self) -> None:
        assert Pace().eta_seconds(10.0) is None


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


class TestDecodeItem:
    def test_progress_survives_the_way(self) -> None:
        message = ProgressMessage(1, AT, 0.5, "Half", 5, 10, 3.5)

        assert decode_item(orjson.loads(orjson.dumps(message.item(uuid7())))) == message

    @pytest.mark.parametrize("item", [None, {}, [], {"type": "X", "at": "now"}], ids=str)
    def test_what_is_not_ours_is_refused(self, item: Any) -> None:
        with pytest.raises((ValueError, KeyError, TypeError)):
            decode_item(item)

"""How many jobs are claimed ahead of their slots, and when they are given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.claims import Claimed, Fence
from cuepoint.worker.attempt import Attempt
from cuepoint.worker.lane_slots import LaneSlots

SLOTS = 4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Monotonic time, to be set."""
    now = [100.0]
    monkeypatch.setattr("cuepoint.worker.lane_slots.time.monotonic", lambda: now[0])
    return now


def attempt() -> Attempt:
    """A claimed job."""
    change: Any = Change(uuid7(), None, "io", 2, None, "STARTED", 1, {})  # type: ignore[arg-type]
    fence = Fence(change.job_id, 1, UUID(int=1))
    return Attempt(Claimed(fence, "PROBE", "io", {}, None, None, 60, 0, change), Path("/nowhere"))


def after_short_jobs() -> LaneSlots:
    """A lane whose last fifty jobs did nothing."""
    lane = LaneSlots(SLOTS)
    for _ in range(50):
        lane.take(attempt())
        lane.ended(0.0)
    return lane


class TestLaneSlots:
    def test_claims_no_more_than_there_are_slots_while_jobs_take_long(self) -> None:
        lane = LaneSlots(SLOTS)

        rooms = [lane.room]
        for _ in range(SLOTS):
            assert lane.take(attempt())
            rooms.append(lane.room)

        assert rooms == [4, 3, 2, 1, 0]

    def test_claims_ahead_of_its_slots_where_jobs_are_short(self) -> None:
        lane = after_short_jobs()

        first = lane.room
        begun = [lane.take(attempt()) for _ in range(first)]

        assert first == 5 * SLOTS
        assert begun == [True] * SLOTS + [False] * 4 * SLOTS
        assert lane.room == 0
        assert lane.has_waiting

    def test_what_waits_takes_the_slots_in_order(self) -> None:
        lane = after_short_jobs()
        claimed = [attempt() for _ in range(6)]
        for job in claimed:
            lane.take(job)

        following = [lane.ended(0.0) for _ in range(6)]

        assert following == [claimed[4], claimed[5], None, None, None, None]
        assert lane.room == 5 * SLOTS

    def test_claims_again_when_fewer_wait_than_there_are_slots(self) -> None:
        lane = after_short_jobs()
        for _ in range(lane.room):
            lane.take(attempt())

        rooms = []
        for _ in range(3 * SLOTS + 1):
            lane.ended(0.0)
            rooms.append(lane.room)

        assert rooms == [0] * 3 * SLOTS + [3 * SLOTS + 1]

    def test_what_waited_too_long_is_given_up_and_nothing_more_is_claimed_ahead(self, clock: list[float]) -> None:
        lane = after_short_jobs()
        early, late = attempt(), attempt()
        for job in [attempt() for _ in range(SLOTS)]:
            lane.take(job)
        lane.take(early)
        clock[0] += 0.06
        lane.take(late)
        clock[0] += 0.06

        given_up = lane.give_up(older_than_seconds=0.1)

        assert given_up == [early]
        assert lane.room == 0
        assert lane.ended(3.0) is late
        assert lane.ended(3.0) is None
        assert lane.room == 1

    def test_a_worker_that_stops_begins_nothing_and_gives_up_all(self) -> None:
        lane = LaneSlots(SLOTS)
        job = attempt()

        begun = lane.take(job, may_begin=False)

        assert not begun
        assert lane.ended(0.0, may_begin=False) is None
        assert lane.give_up() == [job]
        assert not lane.has_waiting

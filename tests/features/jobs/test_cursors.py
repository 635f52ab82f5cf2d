"""The position of a feed: what it covers, how it shrinks, and its text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.cursors import MAX_FORGOTTEN, MAX_POSITIONS, Cursor, MalformedCursorError, Position, Round

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
JOB, OTHER = sorted((uuid7(), uuid7()))


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


class TestHasSeen:
    def test_everything_up_to_the_watermark(self) -> None:
        cursor = Cursor(AT)

        assert cursor.has_seen(JOB, 7, AT)
        assert not cursor.has_seen(JOB, 7, later(0.000001))

    def test_above_it_what_the_vector_says(self) -> None:
        cursor = Cursor(AT, {JOB: Position(3, later(1))})

        assert cursor.has_seen(JOB, 3, later(1))
        assert not cursor.has_seen(JOB, 4, later(1))
        assert not cursor.has_seen(OTHER, 1, later(1))

    def test_in_a_round_what_lies_before_its_key(self) -> None:
        cursor = Cursor(AT, round=Round(later(5), JOB, 3))

        assert cursor.has_seen(JOB, 3, later(5))
        assert not cursor.has_seen(JOB, 4, later(5))
        assert not cursor.has_seen(OTHER, 1, later(5))
        assert not cursor.has_seen(JOB, 2, later(6))

    def test_a_claim_that_is_made_anew_but_nothing_else_under_its_number(self) -> None:
        cursor = Cursor(AT, {JOB: Position(3, later(1))})

        assert cursor.has_seen(JOB, 3, later(2), is_claim=True)
        assert not cursor.has_seen(JOB, 3, later(2))
        assert cursor.has_seen(JOB, 2, later(2))


class TestAdvance:
    def test_forgotten_claims_stay_in_the_vector_until_they_are_made_anew(self) -> None:
        cursor = Cursor(AT, {JOB: Position(3, later(1)), OTHER: Position(5, later(1))})

        cursor.advance(later(2), [JOB, uuid7()])
        cursor = Cursor.decode(cursor.encode("a"), "a")
        cursor.advance(later(9))

        assert cursor.forgotten == list(cursor.positions) == [JOB]
        assert cursor.has_seen(JOB, 3, later(10), is_claim=True)
        cursor.see(JOB, 3, later(10))
        cursor.advance(later(11))
        assert cursor.positions == {}

    def test_of_forgotten_claims_the_newest_are_kept_and_take_no_room(self) -> None:
        jobs = [uuid7() for _ in range(MAX_POSITIONS)]
        cursor = Cursor(AT, {job: Position(2, later(1)) for job in jobs})

        cursor.advance(later(2), jobs)
        for _ in range(MAX_POSITIONS - 1):
            cursor.see(uuid7(), 2, later(3))

        assert cursor.forgotten == jobs[-MAX_FORGOTTEN:]
        assert cursor.has_room_for(uuid7())
        cursor.see(uuid7(), 2, later(3))
        assert not cursor.has_room_for(uuid7())

    def test_jobs_that_it_has_passed_leave_the_vector(self) -> None:
        cursor = Cursor(AT)
        cursor.see(JOB, 1, later(1))
        cursor.see(OTHER, 5, later(3))

        cursor.advance(later(2))

        assert (cursor.base, cursor.positions) == (later(2), {OTHER: Position(5, later(3))})

    def test_a_time_noted_out_of_order_keeps_the_job(self) -> None:
        cursor = Cursor(AT)
        cursor.see(JOB, 1, later(3))
        cursor.see(JOB, 2, later(1))

        cursor.advance(later(2))

        assert cursor.has_seen(JOB, 1, later(3))

    def test_never_goes_back(self) -> None:
        cursor = Cursor(AT)

        cursor.advance(later(-1))

        assert cursor.base == AT


class TestEncode:
    @pytest.mark.parametrize("round", [None, Round(later(60), OTHER, 300)])
    def test_is_read_again_as_it_was(self, round: Round | None) -> None:
        cursor = Cursor(later(0.123456), {JOB: Position(1, later(0.5)), OTHER: Position(70_000, later(299))}, round)

        read = Cursor.decode(cursor.encode("a"), "a")

        assert (read.base, read.round) == (cursor.base, cursor.round)
        assert {job: seen.seq for job, seen in read.positions.items()} == {JOB: 1, OTHER: 70_000}
        late = [read.positions[job].at - seen.at for job, seen in cursor.positions.items()]
        assert all(timedelta(0) <= lateness < timedelta(milliseconds=1) for lateness in late)

    def test_is_short(self) -> None:
        full = Cursor(AT, {uuid7(): Position(5, later(1)) for _ in range(MAX_POSITIONS)})

        assert len(Cursor(AT).encode("a")) == 19
        assert len(full.encode("a")) < 3300
        assert not full.has_room_for(uuid7())

    @pytest.mark.parametrize("text", ["", "x", "é", "====", "A" * 19, "A" * 100_000])
    def test_nonsense_is_refused(self, text: str) -> None:
        with pytest.raises(MalformedCursorError):
            Cursor.decode(text, "a")

    def test_that_of_another_feed_is_refused(self) -> None:
        with pytest.raises(MalformedCursorError):
            Cursor.decode(Cursor(AT).encode("a"), "b")

    def test_every_cut_is_refused_or_a_shorter_vector(self) -> None:
        text = Cursor(AT, {JOB: Position(1, later(1))}).encode("a")

        for length in range(len(text)):
            try:
                assert Cursor.decode(text[:length], "a").positions == {}
            except MalformedCursorError:
                continue

    def test_a_number_without_an_end_is_refused(self) -> None:
        text = Cursor(AT, {UUID(int=1): Position(2**35, later(1))}).encode("a")

        with pytest.raises(MalformedCursorError):
            Cursor.decode(text, "a")

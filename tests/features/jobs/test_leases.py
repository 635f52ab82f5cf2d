"""Promote, lost, leases and slots: what tickers do without a fence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cuepoint.features.jobs.leases import (
    advance_schedule,
    due_schedules,
    forget_workers,
    lost,
    promote,
    remove_worker,
    renew,
)
from cuepoint.features.jobs.transitions import cancel
from tests.support.jobs import LEASE, event_types, make, make_worker, move_clock, row, status, take

ERROR = {"code": "WORKER_LOST", "message": "gone", "hint": None, "retryable": True, "detail": None}
STOP = 10.0


async def reap(sql: Any) -> list[tuple[UUID, str]]:
    changes = await lost(sql, stop_seconds=STOP, lease_seconds=LEASE, error=ERROR)
    return [(change.job_id, change.type) for change in changes]


class TestPromote:
    async def test_queues_what_is_due_and_nothing_else(self, sql: Any) -> None:
        soon = await make(sql, run_at=datetime.now(UTC) + timedelta(minutes=1))
        later = await make(sql, run_at=datetime.now(UTC) + timedelta(hours=1))
        await move_clock(sql, 61)

        changes = await promote(sql)

        assert [(c.job_id, c.type, c.lane) for c in changes] == [(soon, "QUEUED", "io")]
        assert await status(sql, soon, later) == ["QUEUED", "SCHEDULED"]
        assert (await row(sql, soon))["due"] is not None


class TestLost:
    async def test_a_job_of_a_silent_worker_is_queued_again(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)
        assert await reap(sql) == []
        await move_clock(sql, LEASE + 1)

        changes = await reap(sql)

        after = await row(sql, job)
        assert changes == [(job, "LOST")]
        assert (after["status"], after["losses"], after["failures"]) == ("QUEUED", 1, 0)
        assert await sql.fetchval("select state from workers where id = $1", worker) == "LOST"

    async def test_a_claim_that_committed_after_its_worker_was_declared_lost_is_found(
        self, sql: Any, worker: UUID
    ) -> None:
        job = await make(sql)
        await take(sql, worker)
        await sql.execute("update workers set state = 'LOST' where id = $1", worker)

        assert await reap(sql) == [(job, "LOST")]

    async def test_a_job_of_a_worker_without_a_row_is_found(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)
        await sql.execute("delete from workers")

        assert await reap(sql) == [(job, "LOST")]

    async def test_a_poison_job_fails_with_its_history(self, sql: Any) -> None:
        job = await make(sql)
        child = await make(sql, needs=[job])
        changes = []
        for _ in range(3):
            worker = await make_worker(sql)
            await take(sql, worker)
            await remove_worker(sql, worker)
            changes += await reap(sql)

        after = await row(sql, job)
        assert changes == [(job, "LOST"), (job, "LOST"), (job, "FAILED"), (child, "CANCELLED")]
        assert (after["status"], after["error_code"], after["losses"]) == ("FAILED", "WORKER_LOST", 3)
        errors = await sql.fetch("select data -> 'error' as error from job_events where job_id = $1 order by seq", job)
        assert [r["error"]["code"] for r in errors if r["error"]] == ["WORKER_LOST"] * 3

    async def test_a_cancelled_job_of_a_lost_worker_is_cancelled(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)
        await cancel(sql, [job])
        await remove_worker(sql, worker)

        assert await reap(sql) == [(job, "CANCELLED")]

    async def test_a_cancel_that_its_worker_ignores_ends_it(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)
        await cancel(sql, [job])
        assert await reap(sql) == []
        await move_clock(sql, STOP + 1)
        await renew(sql, worker, lease_seconds=LEASE, held=[])

        assert await reap(sql) == [(job, "CANCELLED")]

    async def test_a_job_far_beyond_its_timeout_is_taken_back_from_a_live_worker(self, sql: Any, worker: UUID) -> None:
        job = await make(sql, timeout_seconds=100)
        await take(sql, worker)
        await move_clock(sql, 100 + LEASE - 1)
        await renew(sql, worker, lease_seconds=LEASE, held=[])
        assert await reap(sql) == []
        await move_clock(sql, 100 + LEASE + 1)

        assert await reap(sql) == [(job, "LOST")]
        assert await event_types(sql, job) == ["CREATED", "STARTED", "LOST"]

    async def test_twelve_dead_jobs_come_back_together(self, sql: Any, worker: UUID) -> None:
        jobs = [await make(sql) for _ in range(12)]
        await take(sql, worker, limit=12)
        await move_clock(sql, LEASE + 1)

        assert set(await reap(sql)) == {(job, "LOST") for job in jobs}


class TestRenew:
    async def test_prolongs_the_lease_and_finds_nothing_wrong(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)
        await move_clock(sql, LEASE - 1)

        renewal = await renew(sql, worker, lease_seconds=LEASE, held=[(job, 1)])
        await move_clock(sql, LEASE + 1)

        assert (renewal.is_alive, renewal.gone, renewal.cancelled) == (True, (), ())
        assert await reap(sql) == []

    async def test_tells_what_is_gone_and_what_is_cancelled(self, sql: Any, worker: UUID) -> None:
        cancelled, finished = await make(sql), await make(sql)
        await take(sql, worker, limit=2)
        await cancel(sql, [cancelled])

        renewal = await renew(sql, worker, lease_seconds=LEASE, held=[(cancelled, 1), (finished, 7)])

        assert (renewal.is_alive, renewal.gone, renewal.cancelled) == (True, (finished,), (cancelled,))

    async def test_tells_a_lost_worker_that_it_is_lost(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)
        await move_clock(sql, LEASE + 1)
        await reap(sql)

        renewal = await renew(sql, worker, lease_seconds=LEASE, held=[(job, 1)])

        assert (renewal.is_alive, renewal.gone) == (False, (job,))


class TestForgetWorkers:
    async def test_keeps_the_living_and_the_lately_gone(self, sql: Any, worker: UUID) -> None:
        gone = await make_worker(sql)
        await remove_worker(sql, gone)
        await forget_workers(sql)
        kept = await sql.fetchval("select count(*) from workers")
        await move_clock(sql, 8 * 86_400)

        await forget_workers(sql)

        assert kept == 2
        assert [r["id"] for r in await sql.fetch("select id from workers")] == [worker]


class TestSchedules:
    async def test_a_slot_is_due_once(self, sql: Any) -> None:
        await sql.execute(
            "insert into schedules (name, cron, kind, next_at) values ('s', '0 * * * *', 'MAINTENANCE', now()), "
            "('off', '0 * * * *', 'MAINTENANCE', now()), ('ahead', '0 * * * *', 'MAINTENANCE', now() + '1 hour')"
        )
        await sql.execute("update schedules set is_enabled = false where name = 'off'")

        first = await due_schedules(sql)
        await advance_schedule(sql, "s", datetime.now(UTC) + timedelta(hours=1))

        assert [(slot.name, slot.kind) for slot in first] == [("s", "MAINTENANCE")]
        assert await due_schedules(sql) == []

"""Create, cancel and retry as single transitions, with what they do to dependents."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.claims import Outcome, succeed
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.transitions import NewJob, Running, UnknownDependencyError, cancel, create, retry
from tests.support.jobs import connect, event_types, make, row, run, status, take, until
from tests.support.waiting import is_someone_waiting


def new_job(**values: Any) -> NewJob:
    return NewJob(kind=JobKind.PROBE, lane="io", timeout_seconds=10, max_attempts=3, cost=1.0, **values)


class TestCreate:
    async def test_without_dependencies_it_is_queued(self, sql: Any) -> None:
        created = await create(sql, new_job())

        job = await row(sql, created.job_id)
        assert (job["status"], job["seq"], job["attempt"], job["dependencies_left"]) == ("QUEUED", 1, 0, 0)
        assert job["due"] is not None
        assert [(c.type, c.seq, c.status, c.lane) for c in created.changes] == [("CREATED", 1, "QUEUED", "io")]

    async def test_waits_for_each_dependency_once(self, sql: Any) -> None:
        first, second = await make(sql), await make(sql)

        job = await make(sql, depends_on=[(first, True), (first, False), (second, False)])

        assert (await row(sql, job))["dependencies_left"] == 2
        assert await status(sql, job) == ["BLOCKED"]
        edges = await sql.fetch("select dependency_id, is_required from job_dependencies where job_id = $1", job)
        assert {(r["dependency_id"], r["is_required"]) for r in edges} == {(first, True), (second, False)}

    async def test_with_a_time_ahead_it_is_scheduled_without_a_place(self, sql: Any) -> None:
        job = await make(sql, run_at=datetime.now(UTC) + timedelta(hours=1))

        assert await status(sql, job) == ["SCHEDULED"]
        assert (await row(sql, job))["due"] is None

    async def test_on_a_dead_required_dependency_it_is_cancelled_and_says_why(self, sql: Any, worker: UUID) -> None:
        dead = await make(sql)
        await run(sql, worker, dead, Outcome.PERMANENT)

        job = await row(sql, await make(sql, needs=[dead]))

        assert (job["status"], job["cancel_reason"], job["cancelled_by_id"]) == ("CANCELLED", "DEPENDENCY", dead)
        assert (job["dependencies_left"], job["finished_at"] is None) == (1, False)

    async def test_on_a_dead_optional_dependency_it_is_queued(self, sql: Any, worker: UUID) -> None:
        dead = await make(sql)
        await run(sql, worker, dead, Outcome.PERMANENT)

        job = await make(sql, wants=[dead])

        assert await status(sql, job) == ["QUEUED"]

    async def test_on_a_dependency_that_succeeded_it_is_queued(self, sql: Any, worker: UUID) -> None:
        done = await make(sql)
        await run(sql, worker, done)

        job = await make(sql, needs=[done])

        assert await status(sql, job) == ["QUEUED"]

    async def test_on_an_unknown_dependency_it_is_refused(self, sql: Any) -> None:
        with pytest.raises(UnknownDependencyError):
            await make(sql, needs=[uuid7()])

        assert await sql.fetchval("select count(*) from jobs") == 0

    async def test_a_live_job_with_the_dedupe_key_is_returned(self, sql: Any, worker: UUID) -> None:
        first = await create(sql, new_job(dedupe_key="k"))

        second = await create(sql, new_job(dedupe_key="k"))
        await run(sql, worker, first.job_id)
        third = await create(sql, new_job(dedupe_key="k"))

        assert (second.job_id, second.changes) == (first.job_id, ())
        assert third.job_id != first.job_id

    async def test_a_system_key_is_used_once_for_ever(self, sql: Any, worker: UUID) -> None:
        first = await create(sql, new_job(system_key="cron:x:1"))
        await run(sql, worker, first.job_id)

        second = await create(sql, new_job(system_key="cron:x:1"))

        assert (second.job_id, second.changes) == (first.job_id, ())

    async def test_a_dependency_that_settles_meanwhile_is_not_missed(
        self, sql: Any, worker: UUID, database_url: str
    ) -> None:
        """The race that a plain statement loses: its snapshot is older than the lock it waited for."""
        parent = await make(sql)
        [claimed] = await take(sql, worker)
        async with connect(database_url) as creator, connect(database_url) as finisher:
            transaction = creator.transaction()
            await transaction.start()
            child = await make(creator, needs=[parent])  # holds the parent FOR SHARE
            finishing = asyncio.create_task(succeed(finisher, [(claimed.fence, None)]))
            await until(lambda: is_someone_waiting(sql))

            await transaction.commit()
            changes = await finishing

        assert [(c.job_id, c.type) for c in changes] == [(parent, "SUCCEEDED"), (child, "QUEUED")]
        assert await status(sql, child) == ["QUEUED"]

    async def test_whoever_creates_while_the_dependency_ends_waits_and_sees_it_over(
        self, sql: Any, worker: UUID, database_url: str
    ) -> None:
        parent = await make(sql)
        [claimed] = await take(sql, worker)
        async with connect(database_url) as creator, connect(database_url) as finisher:
            transaction = finisher.transaction()
            await transaction.start()
            await succeed(finisher, [(claimed.fence, None)])
            creating = asyncio.create_task(make(creator, needs=[parent]))
            await until(lambda: is_someone_waiting(sql))

            await transaction.commit()
            child = await creating

        assert await status(sql, child) == ["QUEUED"]


class TestUnblock:
    async def test_only_the_last_dependency_frees_it(self, sql: Any, worker: UUID) -> None:
        first, second = await make(sql), await make(sql, lane="cpu")
        child = await make(sql, needs=[first], wants=[second])

        await run(sql, worker, first)
        between = await row(sql, child)
        await run(sql, worker, second, lane="cpu")

        assert (between["status"], between["dependencies_left"]) == ("BLOCKED", 1)
        assert await status(sql, child) == ["QUEUED"]
        assert await event_types(sql, child) == ["CREATED", "QUEUED"]

    async def test_two_dependencies_that_succeed_in_one_batch_count_as_two(self, sql: Any, worker: UUID) -> None:
        first, second = await make(sql), await make(sql)
        child = await make(sql, needs=[first, second])

        await succeed(sql, [(c.fence, None) for c in await take(sql, worker, limit=2)])

        assert (await row(sql, child))["dependencies_left"] == 0
        assert await status(sql, child) == ["QUEUED"]

    async def test_a_delayed_dependent_becomes_scheduled(self, sql: Any, worker: UUID) -> None:
        parent = await make(sql)
        child = await make(sql, needs=[parent], run_at=datetime.now(UTC) + timedelta(hours=1))

        await run(sql, worker, parent)

        assert await status(sql, child) == ["SCHEDULED"]
        assert await event_types(sql, child) == ["CREATED", "SCHEDULED"]


class TestCancel:
    async def test_a_waiting_job_ends_at_once(self, sql: Any) -> None:
        job = await make(sql)

        cancelled = await cancel(sql, [job])

        assert [(c.type, c.data["reason"]) for c in cancelled.changes] == [("CANCELLED", "USER")]
        assert cancelled.running == ()
        assert await status(sql, job) == ["CANCELLED"]

    async def test_a_running_job_is_asked_once(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await take(sql, worker)

        first = await cancel(sql, [job])
        second = await cancel(sql, [job])

        assert [c.type for c in first.changes] == ["CANCEL_REQUESTED"]
        assert first.running == (Running(job, worker, 1),)
        assert second.changes == ()
        assert await status(sql, job) == ["RUNNING"]

    async def test_a_job_that_is_over_stays_as_it_is(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await run(sql, worker, job)

        cancelled = await cancel(sql, [job])

        assert cancelled.changes == ()
        assert await status(sql, job) == ["SUCCEEDED"]

    async def test_what_requires_it_goes_too_and_what_wants_it_is_freed(self, sql: Any) -> None:
        root = await make(sql)
        child = await make(sql, needs=[root])
        grandchild = await make(sql, needs=[child])
        optional = await make(sql, wants=[child])

        cancelled = await cancel(sql, [root])

        assert await status(sql, root, child, grandchild, optional) == ["CANCELLED"] * 3 + ["QUEUED"]
        assert (await row(sql, grandchild))["cancelled_by_id"] == child
        assert len(cancelled.changes) == 4

    async def test_a_job_cancelled_by_its_dependency_becomes_the_users(self, sql: Any, worker: UUID) -> None:
        root = await make(sql)
        child = await make(sql, needs=[root])
        optional = await make(sql, wants=[child])
        await run(sql, worker, root, Outcome.PERMANENT)

        cancelled = await cancel(sql, [child])
        await retry(sql, root)

        assert [(c.type, c.data["reason"]) for c in cancelled.changes] == [("CANCELLED", "USER")]
        assert await status(sql, root, child, optional) == ["QUEUED", "CANCELLED", "QUEUED"]
        assert (await row(sql, optional))["dependencies_left"] == 0


class TestRetry:
    async def test_a_failed_job_is_queued_again_with_its_attempt_kept(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)
        await run(sql, worker, job, Outcome.PERMANENT)

        changes = await retry(sql, job)

        after = await row(sql, job)
        assert [c.type for c in changes] == ["RETRIED"]
        assert (after["status"], after["attempt"], after["failures"], after["error"]) == ("QUEUED", 1, 0, None)

    async def test_brings_back_what_was_cancelled_because_of_it(self, sql: Any, worker: UUID) -> None:
        root = await make(sql)
        child = await make(sql, needs=[root])
        grandchild = await make(sql, needs=[child])
        await run(sql, worker, root, Outcome.PERMANENT)

        changes = await retry(sql, root)

        assert [(c.job_id, c.type) for c in changes] == [(root, "RETRIED"), (child, "BLOCKED"), (grandchild, "BLOCKED")]
        await run(sql, worker, root)
        await run(sql, worker, child)
        assert await status(sql, root, child, grandchild) == ["SUCCEEDED", "SUCCEEDED", "QUEUED"]

    async def test_of_two_dead_dependencies_the_second_retry_revives(self, sql: Any, worker: UUID) -> None:
        first, second = await make(sql), await make(sql, lane="cpu")
        child = await make(sql, needs=[first, second])
        await run(sql, worker, first, Outcome.PERMANENT)
        await run(sql, worker, second, Outcome.PERMANENT, lane="cpu")

        await retry(sql, first)
        between = await status(sql, child)
        await retry(sql, second)

        assert between == ["CANCELLED"]
        assert await status(sql, child) == ["BLOCKED"]

    async def test_is_refused_while_a_required_dependency_is_dead(self, sql: Any, worker: UUID) -> None:
        root = await make(sql)
        child = await make(sql, needs=[root])
        await run(sql, worker, root, Outcome.PERMANENT)

        assert await retry(sql, child) == ()
        assert await status(sql, child) == ["CANCELLED"]

    async def test_is_refused_while_a_live_job_has_its_key(self, sql: Any) -> None:
        job = await make(sql, dedupe_key="k")
        await cancel(sql, [job])
        await make(sql, dedupe_key="k")

        assert await retry(sql, job) == ()

    async def test_is_refused_for_a_job_that_is_not_over_or_succeeded(self, sql: Any, worker: UUID) -> None:
        job = await make(sql)

        assert await retry(sql, job) == ()
        await run(sql, worker, job)
        assert await retry(sql, job) == ()

    async def test_of_revived_twins_with_one_key_only_the_newest_comes_back(self, sql: Any, worker: UUID) -> None:
        root = await make(sql)
        older = await make(sql, needs=[root], dedupe_key="k")
        await cancel(sql, [root])
        newer = await make(sql, needs=[root], dedupe_key="k")

        await retry(sql, root)

        assert await status(sql, older, newer) == ["CANCELLED", "BLOCKED"]

    async def test_an_optional_dependent_that_still_waits_waits_for_it_again(self, sql: Any) -> None:
        first, second = await make(sql), await make(sql)
        waiting = await make(sql, wants=[first, second])
        gone_on = await make(sql, wants=[first])
        await cancel(sql, [first])

        await retry(sql, first)

        assert await status(sql, waiting, gone_on) == ["BLOCKED", "QUEUED"]
        assert [(await row(sql, j))["dependencies_left"] for j in (waiting, gone_on)] == [2, 1]

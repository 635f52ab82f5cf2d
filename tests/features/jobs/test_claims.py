"""Claim, progress, succeed and the ends of attempts: order, fence, and what each outcome makes of a job."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

import orjson
import pytest

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.claims import (
    _CLAIM,
    Fence,
    Held,
    Outcome,
    Progress,
    attempt_state,
    claim,
    end_attempt,
    hold,
    save_progress,
    succeed,
)
from cuepoint.features.jobs.leases import drain_worker
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.transitions import cancel
from tests.support.jobs import connect, event_types, make, make_worker, move_clock, row, status, take

ERROR = {"code": "INTERNAL", "message": "broken", "hint": None, "retryable": True, "detail": None}


async def make_project(sql: Any) -> UUID:
    project_id = uuid7()
    await sql.execute("insert into projects (id, name, description) values ($1, 'p', '')", project_id)
    return project_id


_TEN_THOUSAND = """
with j as (
  insert into jobs (id, kind, lane, status, timeout_seconds, project_id, due, seq)
  select gen_random_uuid(), 'PROBE', 'io', 'QUEUED', 100, $1, now() + n * interval '30 seconds', 1
  from generate_series(1, 10000) n
  returning id
)
insert into job_events (job_id, seq, type, attempt, data)
select id, 1, 'CREATED', 0, '{"status": "QUEUED"}' from j
"""


def rows_of(plan: dict[str, Any]) -> list[float]:
    """Rows that each node of a plan brought or threw away."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return [own, *(count for child in plan.get("Plans", ()) for count in rows_of(child))]


class TestClaim:
    async def test_gives_the_attempt_its_fence(self, sql: Any, worker: UUID) -> None:
        job = await make(sql, args={"a": 1}, timeout_seconds=7)

        [claimed] = await take(sql, worker)

        assert claimed.fence == Fence(job, 1, worker)
        assert (claimed.kind, claimed.args, claimed.timeout_seconds, claimed.failures) == ("PROBE", {"a": 1}, 7, 0)
        assert (claimed.change.type, claimed.change.seq, claimed.change.status) == ("STARTED", 2, "RUNNING")
        after = await row(sql, job)
        assert (after["status"], after["worker_id"], after["attempt"]) == ("RUNNING", worker, 1)

    async def test_takes_no_more_than_asked_for_and_nothing_twice(self, sql: Any, worker: UUID) -> None:
        jobs = [await make(sql) for _ in range(3)]

        first = await take(sql, worker, limit=2)
        second = await take(sql, worker, limit=2)

        assert [c.fence.job_id for c in first + second] == jobs
        assert await take(sql, worker) == []

    async def test_ten_thousand_queued_jobs_of_one_project_hold_up_neither_the_claim_nor_another_project(
        self, sql: Any, worker: UUID
    ) -> None:
        many, other = await make_project(sql), await make_project(sql)
        await sql.execute(_TEN_THOUSAND, many)
        await sql.execute("analyze jobs")
        late = await make(sql, project_id=other)

        first, second = await take(sql, worker), await take(sql, worker)
        explain = "explain (analyze, format json, timing off) " + _CLAIM
        [explained] = orjson.loads(await sql.fetchval(explain, "io", worker, 10, ["PROBE"]))

        assert late in (first[0].fence.job_id, second[0].fence.job_id)
        assert max(rows_of(explained["Plan"])) == 10  # it reads those that it takes, from the front of their index

    async def test_only_kinds_that_the_worker_knows(self, sql: Any, worker: UUID) -> None:
        first, known = await make(sql, JobKind.MAINTENANCE), await make(sql, JobKind.PROBE)

        taken = await claim(sql, lane="io", worker_id=worker, limit=2, kinds=["PROBE"])

        assert [c.fence.job_id for c in taken] == [known]
        assert await status(sql, first) == ["QUEUED"]
        assert [c.fence.job_id for c in await claim(sql, lane="io", worker_id=worker, limit=2)] == [first]

    async def test_a_second_fetcher_skips_what_the_first_has_locked(
        self, sql: Any, worker: UUID, database_url: str
    ) -> None:
        first, second = await make(sql), await make(sql)
        async with connect(database_url) as other, other.transaction():
            await other.execute("select 1 from jobs where id = $1 for update", first)

            [mine] = await take(sql, worker)

        assert mine.fence.job_id == second
        assert await status(sql, first) == ["QUEUED"]

    async def test_a_paused_lane_gives_nothing(self, sql: Any, worker: UUID) -> None:
        await make(sql)
        await sql.execute("update lanes set is_paused = true where name = 'io'")

        assert await take(sql, worker) == []

    async def test_a_worker_that_is_not_live_gets_nothing(self, sql: Any, worker: UUID) -> None:
        await make(sql)
        await drain_worker(sql, worker)

        assert await take(sql, worker) == []
        assert await take(sql, uuid7()) == []

    async def test_another_projects_late_job_comes_second_behind_500(self, sql: Any, worker: UUID) -> None:
        busy, late = await make_project(sql), await make_project(sql)
        for _ in range(500):
            await make(sql, project_id=busy)
        await take(sql, worker)
        newcomer = await make(sql, project_id=late)

        claimed = await take(sql, worker, limit=2)

        assert newcomer in [c.fence.job_id for c in claimed]

    async def test_priority_ten_goes_before_500_of_its_own_project(self, sql: Any, worker: UUID) -> None:
        project = await make_project(sql)
        for _ in range(500):
            await make(sql, project_id=project)
        urgent = await make(sql, project_id=project, priority=10)

        [claimed] = await take(sql, worker)

        assert claimed.fence.job_id == urgent

    async def test_priority_zero_does_not_starve_under_a_stream_of_tens(self, sql: Any, worker: UUID) -> None:
        lowest = await make(sql, priority=0)
        order = []
        for _ in range(105):
            await make(sql, priority=10)
            order += [c.fence.job_id for c in await take(sql, worker)]

        assert order.index(lowest) == 100

    async def test_projects_take_turns(self, sql: Any, worker: UUID) -> None:
        first, second = await make_project(sql), await make_project(sql)
        for project in (first, second):
            for _ in range(3):
                await make(sql, project_id=project)

        claimed = [(await take(sql, worker))[0].project_id for _ in range(6)]

        assert [set(claimed[i : i + 2]) for i in (0, 2, 4)] == [{first, second}] * 3


@pytest.fixture
async def fence(sql: Any, worker: UUID) -> Fence:
    """A running job."""
    await make(sql)
    [claimed] = await take(sql, worker)
    return claimed.fence


def forged(fence: Fence) -> list[Fence]:
    """Tokens that are each wrong in one part."""
    return [
        dataclasses.replace(fence, attempt=fence.attempt - 1),
        dataclasses.replace(fence, attempt=fence.attempt + 1),
        dataclasses.replace(fence, worker_id=uuid7()),
        dataclasses.replace(fence, job_id=uuid7()),
    ]


class TestFence:
    async def test_a_wrong_token_changes_nothing(self, sql: Any, fence: Fence) -> None:
        before = dict(await row(sql, fence.job_id))

        for wrong in forged(fence):
            assert await save_progress(sql, [Progress(wrong, 0.5, "x", 1, 2)]) == []
            assert await succeed(sql, [(wrong, {"stolen": True})]) == []
            for outcome in Outcome:
                assert await end_attempt(sql, wrong, outcome, error=ERROR) == []
            assert await hold(sql, wrong) is Held.LOST

        assert dict(await row(sql, fence.job_id)) == before

    async def test_a_token_is_dead_after_its_attempt(self, sql: Any, fence: Fence, worker: UUID) -> None:
        await end_attempt(sql, fence, Outcome.RELEASE)
        [again] = await take(sql, worker)

        assert await succeed(sql, [(fence, None)]) == []
        assert again.fence.attempt == 2
        assert [c.type for c in await succeed(sql, [(again.fence, None)])] == ["SUCCEEDED"]
        assert await succeed(sql, [(again.fence, None)]) == []

    async def test_after_an_unknown_commit_the_row_says_who_ended_it(self, sql: Any, fence: Fence) -> None:
        running = await attempt_state(sql, fence)
        await succeed(sql, [(fence, None)])

        done = await attempt_state(sql, fence)
        foreign = await attempt_state(sql, dataclasses.replace(fence, worker_id=uuid7()))

        assert (running.is_mine, running.has_succeeded) == (True, False)
        assert (done.is_mine, done.has_succeeded) == (False, True)
        assert (foreign.is_mine, foreign.has_succeeded) == (False, False)


class TestSaveProgress:
    async def test_only_grows_within_an_attempt(self, sql: Any, fence: Fence) -> None:
        await save_progress(sql, [Progress(fence, 0.6, "Decoding", 6000, 10_000)])
        await save_progress(sql, [Progress(fence, 0.4, None, 7000, None)])

        job = await row(sql, fence.job_id)
        assert (job["progress"], job["stage"], job["processed_ms"], job["total_ms"]) == (0.6, "Decoding", 7000, 10_000)
        assert job["seq"] == 2

    async def test_tells_which_jobs_were_cancelled(self, sql: Any, fence: Fence) -> None:
        await cancel(sql, [fence.job_id])

        assert await save_progress(sql, [Progress(fence, 0.1, None, None, None)]) == [fence.job_id]

    async def test_does_not_wait_for_a_transaction_that_holds_the_job(
        self, sql: Any, fence: Fence, database_url: str
    ) -> None:
        async with connect(database_url) as other, other.transaction():
            assert await hold(other, fence) is Held.MINE

            await save_progress(sql, [Progress(fence, 0.5, None, None, None)])

        assert (await row(sql, fence.job_id))["progress"] == 0


class TestSucceed:
    async def test_stores_the_result_and_clears_the_error(self, sql: Any, worker: UUID, fence: Fence) -> None:
        await end_attempt(sql, fence, Outcome.ERROR, error=ERROR)
        [again] = await take(sql, worker)

        await succeed(sql, [(again.fence, {"n": 1})])

        job = await row(sql, fence.job_id)
        assert (job["status"], job["result"], job["progress"], job["error"]) == ("SUCCEEDED", {"n": 1}, 1.0, None)
        assert (job["ended_by"], job["worker_id"]) == (worker, None)

    async def test_is_refused_once_a_cancel_was_accepted(self, sql: Any, fence: Fence) -> None:
        await cancel(sql, [fence.job_id])

        assert await succeed(sql, [(fence, None)]) == []
        assert await hold(sql, fence) is Held.CANCELLED
        assert await status(sql, fence.job_id) == ["RUNNING"]


class TestEndAttempt:
    async def test_an_error_is_tried_again_after_its_delay_then_fails(self, sql: Any, fence: Fence) -> None:
        await end_attempt(sql, fence, Outcome.ERROR, delay_seconds=60, error=ERROR)

        job = await row(sql, fence.job_id)
        assert (job["status"], job["failures"], job["error_code"]) == ("SCHEDULED", 1, "INTERNAL")
        assert 59 < (job["run_at"] - job["started_at"]).total_seconds() < 70
        assert await event_types(sql, fence.job_id) == ["CREATED", "STARTED", "ERROR"]

    async def test_the_last_allowed_error_fails_it(self, sql: Any, worker: UUID) -> None:
        job = await make(sql, max_attempts=2)
        for _ in range(2):
            [claimed] = await take(sql, worker)
            await end_attempt(sql, claimed.fence, Outcome.ERROR, error=ERROR)

        assert await status(sql, job) == ["FAILED"]
        assert await event_types(sql, job) == ["CREATED", "STARTED", "ERROR", "STARTED", "FAILED"]

    async def test_a_permanent_error_fails_it_and_cancels_what_requires_it(self, sql: Any, fence: Fence) -> None:
        child = await make(sql, needs=[fence.job_id])

        changes = await end_attempt(sql, fence, Outcome.PERMANENT, error=ERROR)

        assert [(c.job_id, c.type) for c in changes] == [(fence.job_id, "FAILED"), (child, "CANCELLED")]
        assert (await row(sql, child))["cancelled_by_id"] == fence.job_id

    async def test_a_snooze_and_a_release_burn_no_failure(self, sql: Any, worker: UUID, fence: Fence) -> None:
        await end_attempt(sql, fence, Outcome.RELEASE)
        released = await status(sql, fence.job_id)
        [again] = await take(sql, worker)
        await end_attempt(sql, again.fence, Outcome.SNOOZE, delay_seconds=5)

        job = await row(sql, fence.job_id)
        assert (released, job["status"], job["failures"]) == (["QUEUED"], "SCHEDULED", 0)
        assert (await event_types(sql, fence.job_id))[2:] == ["RELEASED", "STARTED", "SNOOZED"]

    async def test_keeps_its_place_in_the_lane(self, sql: Any, fence: Fence) -> None:
        due = (await row(sql, fence.job_id))["due"]
        await make(sql)

        await end_attempt(sql, fence, Outcome.RELEASE)

        assert (await row(sql, fence.job_id))["due"] == due

    @pytest.mark.parametrize("outcome", list(Outcome))
    async def test_whatever_the_end_a_cancelled_job_is_cancelled(
        self, sql: Any, fence: Fence, outcome: Outcome
    ) -> None:
        await cancel(sql, [fence.job_id])

        await end_attempt(sql, fence, outcome, delay_seconds=5)

        job = await row(sql, fence.job_id)
        assert (job["status"], job["cancel_reason"]) == ("CANCELLED", "USER")

    async def test_the_databases_clock_sets_the_time(self, sql: Any, fence: Fence) -> None:
        await move_clock(sql, 3600)

        await end_attempt(sql, fence, Outcome.SNOOZE, delay_seconds=10)

        job = await row(sql, fence.job_id)
        assert 3609 < (job["run_at"] - job["started_at"]).total_seconds() < 3640


class TestOrderAfterRestart:
    async def test_a_claim_of_another_worker_with_the_same_number_is_not_mine(self, sql: Any, fence: Fence) -> None:
        """A crash of Postgres may forget a claim: the attempt number is then given out again."""
        other = await make_worker(sql)
        await sql.execute("update jobs set worker_id = $2 where id = $1", fence.job_id, other)

        assert await succeed(sql, [(fence, None)]) == []
        changes = await succeed(sql, [(dataclasses.replace(fence, worker_id=other), None)])
        assert [c.type for c in changes] == ["SUCCEEDED"]

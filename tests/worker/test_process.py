"""A whole worker in this process: jobs run, end, are cancelled, drained and taken over, with Redis and without."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database, create_engine
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs import service
from cuepoint.features.jobs.announce import dispatcher
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.leases import drain_worker
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.viewer import Viewer
from tests.support.jobs import ended, event_types, make, row, status, until
from tests.support.workers import worker_for_tests

KINDS = ", ".join(f"'{kind.value}'" for kind in JobKind)
ADMIN = Viewer(uuid7(), is_admin=True)


class TestRun:
    async def test_a_returned_result_ends_the_job(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> dict[str, Any]:
            return {"seen": dict(ctx.args), "attempt": ctx.attempt}

        job = await make(sql, args={"a": 1})

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert (await row(sql, job))["result"] == {"seen": {"a": 1}, "attempt": 1}
        assert await event_types(sql, job) == ["CREATED", "STARTED", "SUCCEEDED"]
        assert await sql.fetchval("select array_agg(state) from workers") == ["GONE"]

    async def test_results_and_the_end_commit_together(self, sql: Any, settings: Settings) -> None:
        project = uuid7()

        async def probe(ctx: TaskContext) -> None:
            async with ctx.finish(result={"ok": True}) as session:
                session.add(Project(id=project, name="made", description=""))

        job = await make(sql)
        child = await make(sql, JobKind.MAINTENANCE, needs=[job])

        async def maintenance(ctx: TaskContext) -> None:
            return None

        async with worker_for_tests(settings, {JobKind.PROBE: probe, JobKind.MAINTENANCE: maintenance}):
            assert await ended(sql, job, child) == ["SUCCEEDED", "SUCCEEDED"]

        assert await sql.fetchval("select name from projects where id = $1", project) == "made"

    async def test_an_exception_in_the_results_writes_nothing_and_is_tried_again(
        self, sql: Any, settings: Settings
    ) -> None:
        async def probe(ctx: TaskContext) -> None:
            async with ctx.finish() as session:
                session.add(Project(id=uuid7(), name=f"attempt {ctx.attempt}", description=""))
                await session.flush()
                if ctx.attempt == 1:
                    raise KeyError("a bug")

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        names = [r["name"] for r in await sql.fetch("select name from projects")]
        assert names == ["attempt 2"]
        error = await sql.fetchval("select data -> 'error' from job_events where job_id = $1 and type = 'ERROR'", job)
        assert (error["code"], "a bug" in str(error)) == ("INTERNAL", False)

    @pytest.mark.parametrize(
        ("raised", "states", "code"),
        [
            (CuepointError(ErrorCode.UNSUPPORTED_MEDIA, "no"), ["CREATED", "STARTED", "FAILED"], "UNSUPPORTED_MEDIA"),
            (
                AdapterError(ErrorCode.PROVIDER_REJECTED, "no", retryable=False),
                ["CREATED", "STARTED", "FAILED"],
                "PROVIDER_REJECTED",
            ),
            (
                AdapterError(ErrorCode.PROVIDER_UNAVAILABLE, "no", retryable=True),
                ["CREATED", "STARTED", "ERROR", "QUEUED", "STARTED", "FAILED"],
                "PROVIDER_UNAVAILABLE",
            ),
        ],
    )
    async def test_errors_end_as_their_class_says(
        self, sql: Any, settings: Settings, raised: Exception, states: list[str], code: str
    ) -> None:
        async def probe(ctx: TaskContext) -> None:
            raise raised

        job = await make(sql, max_attempts=2)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["FAILED"]

        assert await event_types(sql, job) == states
        assert (await row(sql, job))["error_code"] == code

    async def test_a_429_is_snoozed_without_a_failure(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            if ctx.attempt == 1:
                raise AdapterError(
                    ErrorCode.PROVIDER_RATE_LIMITED, "slow down", retryable=True, retry_after_seconds=0.05
                )

        job = await make(sql, max_attempts=1)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert (await event_types(sql, job))[2] == "SNOOZED"
        assert (await row(sql, job))["failures"] == 0

    async def test_a_job_that_needs_room_waits_while_the_disk_is_almost_full(
        self, sql: Any, settings: Settings
    ) -> None:
        async def probe(ctx: TaskContext) -> None:
            _ = ctx.temp_dir

        async def is_waiting() -> bool:
            return (await row(sql, job))["status"] == "SCHEDULED"

        job = await make(sql, max_attempts=1)
        full = settings.model_copy(update={"min_free_bytes": 1 << 60})

        async with worker_for_tests(full, {JobKind.PROBE: probe}):
            await until(is_waiting)

        found = await row(sql, job)
        assert (found["error_code"], found["failures"]) == ("INSUFFICIENT_STORAGE", 0)
        assert list((settings.home / "tmp").rglob("*")) == []

    async def test_a_timeout_is_an_error_that_says_so(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            await asyncio.sleep(60)

        job = await make(sql, timeout_seconds=0, max_attempts=1)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["FAILED"]

        assert (await row(sql, job))["error_code"] == "JOB_TIMEOUT"

    async def test_a_hook_that_raises_ends_the_attempt_and_frees_the_slot(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            return None

        raised = 0

        async def before(context: Any) -> None:
            nonlocal raised
            raised += 1
            if raised <= 4:
                raise KeyError("hook")

        jobs = [await make(sql) for _ in range(5)]

        async with worker_for_tests(settings, {JobKind.PROBE: probe}, before_process=before):
            assert await ended(sql, *jobs) == ["SUCCEEDED"] * 5

    async def test_the_directory_of_an_attempt_goes_with_it(self, sql: Any, settings: Settings) -> None:
        seen: list[Any] = []

        async def probe(ctx: TaskContext) -> None:
            (ctx.temp_dir / "half.mp4").write_bytes(b"x")
            seen.append(ctx.temp_dir)
            raise CuepointError(ErrorCode.MEDIA_TRUNCATED, "half")

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            await ended(sql, job)

        assert seen == [settings.home / "tmp" / str(job) / "1"]
        assert list((settings.home / "tmp").iterdir()) == []

    async def test_progress_reaches_the_row(self, sql: Any, settings: Settings) -> None:
        go_on = asyncio.Event()

        async def probe(ctx: TaskContext) -> None:
            ctx.report(0.25, "Reading", processed_ms=250, total_ms=1000)
            await go_on.wait()

        job = await make(sql)

        async def is_stored() -> bool:
            return bool((await row(sql, job))["progress"])

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            await until(is_stored)
            at = await row(sql, job)
            go_on.set()
            await ended(sql, job)

        assert (at["progress"], at["stage"], at["processed_ms"], at["total_ms"]) == (0.25, "Reading", 250, 1000)


class Waits:
    """A task that waits, and tells when it began and how it was stopped."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.stopped = asyncio.Event()
        self.attempts: list[int] = []

    async def __call__(self, ctx: TaskContext) -> None:
        self.attempts.append(ctx.attempt)
        self.began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.stopped.set()
            raise


class TestCancel:
    async def test_a_running_job_is_told_at_once(self, sql: Any, settings: Settings, database_url: str) -> None:
        waits = Waits()
        job = await make(sql)

        live = RedisLive(settings.redis_url.get_secret_value())
        patient = settings.model_copy(update={"lease_seconds": 60.0})
        async with worker_for_tests(patient, {JobKind.PROBE: waits}):
            db = Database(create_engine(database_url), dispatcher(live))
            await waits.began.wait()
            async with asyncio.timeout(10):  # half of a third of the lease: the word came, not the heartbeat
                _, changed = await service.in_transaction(db, lambda s: service.cancel_job(s, ADMIN, job))
                await waits.stopped.wait()
            assert await ended(sql, job) == ["CANCELLED"]
            await db.close()
        await live.close()

        assert changed is True
        assert await event_types(sql, job) == ["CREATED", "STARTED", "CANCEL_REQUESTED", "CANCELLED"]

    async def test_without_redis_the_lease_brings_it(self, sql: Any, settings: Settings, db: Database) -> None:
        waits = Waits()
        job = await make(sql)
        deaf = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})

        async with worker_for_tests(deaf, {JobKind.PROBE: waits}):
            await waits.began.wait()
            await service.in_transaction(db, lambda s: service.cancel_job(s, ADMIN, job))
            assert await ended(sql, job) == ["CANCELLED"]

        assert waits.stopped.is_set()

    async def test_report_raises_in_a_loop_that_never_awaits(self, sql: Any, settings: Settings, db: Database) -> None:
        began = asyncio.Event()

        async def probe(ctx: TaskContext) -> None:
            loop = asyncio.get_running_loop()

            def work() -> None:
                while True:
                    ctx.report(0.5)
                    loop.call_soon_threadsafe(began.set)

            await asyncio.to_thread(work)

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            await began.wait()
            await service.in_transaction(db, lambda s: service.cancel_job(s, ADMIN, job))
            assert await ended(sql, job) == ["CANCELLED"]


class TestDrain:
    async def test_running_jobs_get_their_grace(self, sql: Any, settings: Settings) -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def probe(ctx: TaskContext) -> None:
            began.set()
            await go_on.wait()

        running = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}) as worker:
            await began.wait()
            worker.drain()

            async def is_draining() -> bool:
                return bool(await sql.fetchval("select state = 'DRAINING' from workers"))

            await until(is_draining)
            later = await make(sql)
            go_on.set()
            assert await ended(sql, running) == ["SUCCEEDED"]

        assert await status(sql, later) == ["QUEUED"]

    async def test_after_the_grace_they_are_given_back(self, sql: Any, settings: Settings) -> None:
        waits = Waits()
        job = await make(sql)

        async with worker_for_tests(settings.model_copy(update={"drain_seconds": 0.1}), {JobKind.PROBE: waits}):
            await waits.began.wait()

        after = await row(sql, job)
        assert (after["status"], after["failures"], after["losses"]) == ("QUEUED", 0, 0)
        assert await event_types(sql, job) == ["CREATED", "STARTED", "RELEASED"]

    async def test_an_administrator_drains_it_through_its_lease(self, sql: Any, settings: Settings) -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def probe(ctx: TaskContext) -> None:
            began.set()
            await go_on.wait()

        async def is_gone() -> bool:
            return bool(await sql.fetchval("select state = 'GONE' from workers"))

        running = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}) as worker:
            await began.wait()
            assert await drain_worker(sql, worker.worker_id)
            later = await make(sql)
            go_on.set()
            await until(is_gone)

        assert await status(sql, running, later) == ["SUCCEEDED", "QUEUED"]

    async def test_a_second_word_cuts_the_grace_short(self, sql: Any, settings: Settings) -> None:
        waits = Waits()
        job = await make(sql)

        patient = settings.model_copy(update={"drain_seconds": 60.0})
        async with asyncio.timeout(20), worker_for_tests(patient, {JobKind.PROBE: waits}) as worker:
            await waits.began.wait()
            worker.drain()
            await asyncio.sleep(0)
            worker.drain()

        assert await status(sql, job) == ["QUEUED"]


class TestLost:
    async def test_a_worker_declared_lost_stops_and_starts_over_under_a_new_id(
        self, sql: Any, settings: Settings
    ) -> None:
        waits = Waits()
        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: waits}) as worker:
            await waits.began.wait()
            first_id = worker.worker_id
            await sql.execute("update workers set state = 'LOST' where id = $1", first_id)
            await waits.stopped.wait()
            waits.stopped.clear()

            async def is_taken_again() -> bool:
                return waits.attempts == [1, 2]

            await until(is_taken_again)
            assert worker.worker_id != first_id
            assert (await row(sql, job))["losses"] == 1
            await sql.execute("update jobs set cancel_requested_at = now(), cancel_reason = 'USER' where id = $1", job)
            assert await ended(sql, job) == ["CANCELLED"]


class TestOlderWorker:
    async def test_leaves_a_newer_kind_alone_and_works_on(self, sql: Any, settings: Settings) -> None:
        """A job that only the next release knows, before one that everybody knows."""

        async def probe(ctx: TaskContext) -> None:
            return None

        newer = await make(sql, JobKind.PROBE, priority=10)
        await sql.execute("alter table jobs drop constraint ck_jobs_kind")
        await sql.execute("update jobs set kind = 'OF_THE_NEXT_RELEASE' where id = $1", newer)
        known = await make(sql, JobKind.PROBE)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, known) == ["SUCCEEDED"]

        found = await row(sql, newer)
        assert (found["status"], found["attempt"], found["failures"], found["seq"]) == ("QUEUED", 0, 0, 1)
        await sql.execute("delete from jobs where id = $1", newer)
        await sql.execute(f"alter table jobs add constraint ck_jobs_kind check (kind in ({KINDS}))")

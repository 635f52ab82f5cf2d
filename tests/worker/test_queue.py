"""What SAQ's own tools see of our jobs: its web page, its look-ups, its enqueue and abort."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from saq.job import Status

from cuepoint.config import Settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from tests.support.jobs import make, row, status, until
from tests.support.workers import worker_for_tests


async def probe(ctx: TaskContext) -> dict[str, Any]:
    """Answer with the arguments."""
    return {"got": dict(ctx.args)}


class TestDurableQueue:
    async def test_enqueue_makes_a_durable_job_that_runs(self, sql: Any, settings: Settings) -> None:
        async with worker_for_tests(settings, {JobKind.PROBE: probe}) as worker:
            job = await worker.queue.enqueue("PROBE", a=1)
            assert job is not None

            async def is_complete() -> bool:
                found = await worker.queue.job(job.key)
                return found is not None and found.status is Status.COMPLETE

            await until(is_complete)
            found = await worker.queue.job(job.key)

        assert found is not None
        assert (found.function, found.result, found.attempts) == ("PROBE", {"got": {"a": 1}}, 1)
        assert await status(sql, UUID(job.key)) == ["SUCCEEDED"]

    async def test_counts_and_lists(self, sql: Any, settings: Settings) -> None:
        parent = await make(sql, lane="gpu")
        child = await make(sql, JobKind.SEGMENTATION, needs=[parent])
        only_io = settings.model_copy(update={"worker_lanes": ("io",)})

        async with worker_for_tests(only_io, {JobKind.PROBE: probe}) as worker:
            queue = worker.queue
            counts = [await queue.count(kind) for kind in ("queued", "active", "incomplete")]
            listed = [job.key async for job in queue.iter_jobs([Status.QUEUED, Status.NEW], batch_size=1)]
            info = await queue.info(jobs=True)
            missing = await queue.jobs(["00000000-0000-7000-8000-000000000000"])

        assert counts == [1, 0, 2]
        assert set(listed) == {str(parent), str(child)}
        assert {job["key"] for job in info["jobs"]} == {str(parent), str(child)}
        assert (info["queued"], info["active"], info["scheduled"]) == (1, 0, 1)
        assert missing == [None]

    async def test_abort_cancels(self, sql: Any, settings: Settings) -> None:
        job = await make(sql, lane="gpu")
        only_io = settings.model_copy(update={"worker_lanes": ("io",)})

        async with worker_for_tests(only_io, {JobKind.PROBE: probe}) as worker:
            found = await worker.queue.job(str(job))
            assert found is not None
            await found.abort("no longer wanted")

        assert ((await row(sql, job))["status"], (await row(sql, job))["cancel_reason"]) == ("CANCELLED", "USER")

    async def test_saqs_sweeper_and_scheduler_do_nothing(self, sql: Any, settings: Settings) -> None:
        async with worker_for_tests(settings, {JobKind.PROBE: probe}) as worker:
            assert await worker.queue.sweep() == []
            assert await worker.queue.schedule() == []

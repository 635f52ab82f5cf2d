"""Stops that come in odd moments: before the body begins, as it ends, from outside, and from the body itself."""

from __future__ import annotations

import asyncio
from typing import Any

from cuepoint.config import Settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.attempt import Attempt, StopReason
from tests.support.jobs import ended, event_types, make, row
from tests.support.workers import worker_for_tests


def attempt_of(ctx: TaskContext) -> Attempt:
    assert isinstance(ctx.control, Attempt)
    return ctx.control


class TestStop:
    async def test_before_the_body_begins_it_does_not_begin(self, sql: Any, settings: Settings) -> None:
        begun: list[int] = []

        async def probe(ctx: TaskContext) -> None:
            begun.append(ctx.attempt)

        async def stop(context: dict[str, Any]) -> None:
            job = context["job"]
            job.queue.attempt_of(job).stop(StopReason.CANCELLED)

        job = await make(sql)
        async with worker_for_tests(settings, {JobKind.PROBE: probe}, before_process=stop):
            assert await ended(sql, job) == ["CANCELLED"]

        assert begun == []

    async def test_as_the_body_ends_it_changes_nothing_of_that_job_or_the_next(
        self, sql: Any, settings: Settings
    ) -> None:
        async def probe(ctx: TaskContext) -> dict[str, Any]:
            assert ctx.temp_dir.is_dir()  # its removal is waited for
            asyncio.get_running_loop().call_soon(attempt_of(ctx).stop, StopReason.CANCELLED)
            return {"ok": True}

        jobs = [await make(sql, lane="io") for _ in range(3)]
        one_slot = settings.model_copy(update={"worker_slots_io": 1})
        async with worker_for_tests(one_slot, {JobKind.PROBE: probe}):
            assert await ended(sql, *jobs) == ["SUCCEEDED"] * 3

    async def test_of_a_body_that_goes_on_to_its_end_is_no_stop(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> dict[str, Any]:
            attempt_of(ctx).stop(StopReason.RELEASED)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return {"ok": True}
            return {}

        job = await make(sql)
        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert (await row(sql, job))["result"] == {"ok": True}

    async def test_from_outside_gives_the_job_back(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            task = asyncio.current_task()
            assert task is not None
            if ctx.attempt == 1:
                asyncio.get_running_loop().call_soon(task.cancel)
                try:
                    await asyncio.sleep(60)
                finally:
                    raise KeyError("on its way out")

        job = await make(sql)
        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert await event_types(sql, job) == ["CREATED", "STARTED", "RELEASED", "STARTED", "SUCCEEDED"]

    async def test_a_body_that_cancels_itself_has_failed(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            raise asyncio.CancelledError

        job = await make(sql, max_attempts=1)
        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["FAILED"]

        assert (await row(sql, job))["error_code"] == "INTERNAL"

"""What an attempt takes of paid models is written down, whatever becomes of it."""

from __future__ import annotations

from typing import Any

from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.processes.metering import Use, note_use
from tests.support.jobs import ended, make
from tests.support.workers import worker_for_tests


class TestMetering:
    async def test_tokens_of_every_attempt_count_however_it_ends(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            note_use(Use("embedder-3", ctx.attempt))
            if ctx.attempt == 1:
                raise AdapterError(ErrorCode.PROVIDER_UNAVAILABLE, "Gone.", retryable=True)
            async with ctx.save():
                note_use(Use("embedder-3", 10))
            note_use(Use("embedder-3", 100))
            raise CuepointError(ErrorCode.MODEL_FAILED, "No.")

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["FAILED"]

        query = "select tokens_in from model_usage where job_id = $1 order by tokens_in"
        assert [found["tokens_in"] for found in await sql.fetch(query, job)] == [1, 2, 10, 100]

    async def test_tokens_that_cannot_be_counted_change_nothing_of_the_job(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> dict[str, Any]:
            note_use(Use("embedder-3", 2**80))  # no column holds it
            return {"ok": True}

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert await sql.fetchval("select count(*) from model_usage where job_id = $1", job) == 0

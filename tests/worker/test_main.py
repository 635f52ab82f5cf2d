"""The worker as it is started in production: every feature's tasks, signals, exit code."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from cuepoint.config import Settings
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.main import run_worker
from tests.support.jobs import make, status, until
from tests.support.workers import own_worker

PROGRAM = (
    "-c",
    (
        "import asyncio; from cuepoint.config import load_settings; from cuepoint.worker.main import run_worker; "
        "raise SystemExit(asyncio.run(run_worker(load_settings())))"
    ),
)


class TestRunWorker:
    async def test_a_worker_that_could_take_no_job_refuses_to_start(self, settings: Settings) -> None:
        idle = settings.model_copy(update={"worker_lanes": ("io",), "worker_slots_io": 0})

        async with asyncio.timeout(5):
            assert await run_worker(idle) == 2

    async def test_runs_real_tasks_and_ends_cleanly_on_sigterm(self, sql: Any, settings: Settings) -> None:
        job = await make(sql, JobKind.MAINTENANCE)

        async with own_worker(settings, PROGRAM) as worker:

            async def has_succeeded() -> bool:
                return await status(sql, job) == ["SUCCEEDED"]

            await until(has_succeeded, seconds=20)
            worker.signal(signal.SIGTERM)
            assert await worker.wait() == 0

        assert await sql.fetchval("select array_agg(state) from workers") == ["GONE"]

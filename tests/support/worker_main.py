"""A worker process for tests: `python -m tests.support.worker_main`, settings from the environment.

Its one task does what the job's arguments say, and leaves a line in the table `effects` for each success.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import Any

from sqlalchemy import text

from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import load_settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.processes.child import run_child
from cuepoint.worker.process import WorkerProcess


async def probe(ctx: TaskContext) -> None:
    """Wait or block for as many seconds as the arguments say - in the first attempt only, or in each."""
    arguments: dict[str, Any] = dict(ctx.args)
    if ctx.attempt == 1 or arguments.get("always"):
        (ctx.temp_dir / "half").touch()
        if "child" in arguments:
            await run_child(["sleep", str(arguments["child"])], timeout=60)
        if "block" in arguments:
            time.sleep(arguments["block"])  # noqa: ASYNC251 - a task that blocks the loop is the point
        await asyncio.sleep(arguments.get("wait", 0))
    async with ctx.finish(result={"attempt": ctx.attempt}) as session:
        await session.execute(
            text("insert into effects values (:job, :attempt)"), {"job": ctx.job_id, "attempt": ctx.attempt}
        )


async def main() -> None:
    """Work until SIGTERM."""
    settings = load_settings()
    adapters = build_adapters(settings)
    process = WorkerProcess(settings, adapters, {JobKind.PROBE: probe})
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.drain)
    await process.run()
    await adapters.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

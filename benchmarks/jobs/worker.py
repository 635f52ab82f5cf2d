"""The worker of the latency benchmarks: `python -m benchmarks.jobs.worker`. Writes `ready` once it is LIVE."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time

import uvloop

from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import load_settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.processes.child import run_child
from cuepoint.processes.garbage import freeze_garbage
from cuepoint.worker.process import WorkerProcess
from tests.support.jobs import connect, until


async def body(ctx: TaskContext) -> None:
    """What the arguments say."""
    if ctx.args.get("say"):
        _tell(f"{time.time()}")
    if "child" in ctx.args:
        await run_child(["sleep", str(ctx.args["child"])], timeout=600)
    await asyncio.sleep(float(ctx.args.get("seconds", 0.0)))


def _tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def main() -> None:
    """Work until killed, or drained by SIGTERM."""
    logging.getLogger("cuepoint").setLevel(logging.ERROR)  # servers that are away are a part of it
    settings = load_settings()
    assert settings.database_url is not None
    freeze_garbage()  # as a worker does
    process = WorkerProcess(settings, build_adapters(settings), {JobKind.MAINTENANCE: body})
    running = asyncio.create_task(process.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.drain)
    async with connect(settings.database_url.get_secret_value()) as sql:

        async def is_live() -> bool:
            return bool(await sql.fetchval("select count(*) from workers where id = $1", process.worker_id))

        await until(is_live)
    _tell("ready")
    await running


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

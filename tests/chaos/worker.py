"""Workers of the chaos run: `python -m tests.chaos.worker` is one process, `--supervise N` keeps that many.

Every task leaves one row in `effects`, written in the transaction that ends its job. Half of the jobs never look at
their fence by themselves: they go on when they are told to stop, so that only the fence of their end can refuse them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import load_settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.logs import configure_logging
from cuepoint.processes.child import run_child
from cuepoint.processes.supervisor import Program, Supervisor, stop_on_signals
from cuepoint.worker.process import WorkerProcess

KINDS = (JobKind.PROBE, JobKind.SEGMENTATION, JobKind.EMBEDDING)  # three lanes: io, cpu, llm
LOOK_SECONDS = 0.02


async def work(ctx: TaskContext) -> dict[str, Any] | None:
    """What the arguments say, then the effect and the end in one transaction - or the end alone, in a batch."""
    wanted: dict[str, Any] = dict(ctx.args)
    (ctx.temp_dir / "half").write_bytes(b"x" * 4096)
    if wanted.get("fails") == "never again":
        raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, "not this one")
    if wanted.get("fails") == "once" and ctx.attempt == 1:
        raise AdapterError(ErrorCode.CHILD_CRASHED, "again, please", retryable=True)
    if wanted.get("fails") == "disk" and ctx.attempt == 1:
        await asyncio.to_thread(Path("/dev/full").write_bytes, b"x" * 65536)  # the kernel's own ENOSPC
    if wanted.get("child"):
        await run_child(["sleep", str(wanted["seconds"])], timeout=30)
    elif wanted.get("looks"):
        await _looking(ctx, wanted["seconds"])
    else:
        await _deaf(wanted["seconds"])
    if not wanted.get("effect"):
        return {"attempt": ctx.attempt}
    async with ctx.finish(result={"attempt": ctx.attempt}) as session:
        await session.execute(
            text("insert into effects (job_id, attempt) values (:job, :attempt)"),
            {"job": ctx.job_id, "attempt": ctx.attempt},
        )
    return None


async def _looking(ctx: TaskContext, seconds: float) -> None:
    began = time.monotonic()
    while (done := time.monotonic() - began) < seconds:
        ctx.report(done / seconds, "Working")
        await asyncio.sleep(LOOK_SECONDS)


async def _deaf(seconds: float) -> None:
    """Whoever cancels this is not heard: the job goes on to its end."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue


async def _single() -> None:
    settings = load_settings()
    configure_logging(settings, "worker")
    adapters = build_adapters(settings)
    process = WorkerProcess(settings, adapters, dict.fromkeys(KINDS, work))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, process.drain)
    await process.run()
    await adapters.close()


async def _several(count: int) -> int:
    log = Path(os.environ["CHAOS_LOG"])
    argv = [sys.executable, "-m", "tests.chaos.worker"]
    programs = [Program(f"worker-{number}", argv, log=log, grace_seconds=15.0) for number in range(count)]
    async with stop_on_signals() as stop:
        return await Supervisor(programs).run(stop)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--supervise"]:
        sys.exit(asyncio.run(_several(int(sys.argv[2]))))
    asyncio.run(_single())

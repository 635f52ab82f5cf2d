"""Cuepoint's worker with no-op jobs, as a process of its own: `python -m benchmarks.jobs.own work COUNT CONCURRENCY`.

Its settings come from the environment, as in production; all slots serve the lane io.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from benchmarks.jobs.peer import COUNTED
from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import load_settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.processes.garbage import freeze_garbage
from cuepoint.worker.process import WorkerProcess


async def noop(_context: TaskContext) -> None:
    """Count."""
    COUNTED()


async def main() -> None:
    """Work until the last job has been counted."""
    settings = load_settings()
    freeze_garbage()  # as a worker does
    await WorkerProcess(settings, build_adapters(settings), {JobKind.MAINTENANCE: noop}).run()


if __name__ == "__main__":
    COUNTED.wanted = int(sys.argv[2])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

"""Runs a worker with tasks of a test, inside the test's process or as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cuepoint.adapters.bundle import Adapters, build_adapters
from cuepoint.config import Settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.process import WorkerProcess

ROOT = Path(__file__).resolve().parents[2]
Tasks = Mapping[JobKind, Callable[[TaskContext], Awaitable[dict[str, Any] | None]]]


class HopelessError(AssertionError):
    """The worker wanted to end its process."""


@asynccontextmanager
async def worker_for_tests(
    settings: Settings, tasks: Tasks, *, adapters: Adapters | None = None, **hooks: Any
) -> AsyncIterator[WorkerProcess]:
    """A worker that runs until the block ends; it is drained then. A loop of it that died fails the test."""
    hopeless: list[int] = []
    ports = adapters or build_adapters(settings)
    process = WorkerProcess(settings, ports, tasks, on_hopeless=hopeless.append, **hooks)
    running = asyncio.create_task(process.run())
    try:
        yield process
    finally:
        process.drain()
        await running
        if adapters is None:
            await ports.close()
        if hopeless:
            raise HopelessError(hopeless)


@dataclass
class OwnWorker:
    """A worker in a process of its own, with the tasks of `tests.support.worker_main`."""

    process: asyncio.subprocess.Process

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker alone."""
        self.process.send_signal(number)

    async def wait(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def own_worker(
    settings: Settings, argv: Sequence[str] = ("-m", "tests.support.worker_main")
) -> AsyncIterator[OwnWorker]:
    """Start a worker process; it is killed at the end of the block if it still runs."""
    variables = {
        f"CUEPOINT_{name.upper()}": _as_variable(getattr(settings, name)) for name in settings.model_fields_set
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *argv,
        cwd=ROOT,
        env={**os.environ, **variables, "PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT}"},
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        yield OwnWorker(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _as_variable(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

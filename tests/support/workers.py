"""Runs a worker with tasks of a test, inside the test's process or as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import Settings
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.process import WorkerProcess

Tasks = Mapping[JobKind, Callable[[TaskContext], Awaitable[dict[str, Any] | None]]]


class HopelessError(AssertionError):
    """The worker wanted to end its process."""


@asynccontextmanager
async def worker_for_tests(settings: Settings, tasks: Tasks, **hooks: Any) -> AsyncIterator[WorkerProcess]:
    """A worker that runs until the block ends; it is drained then. A loop of it that died fails the test."""
    hopeless: list[int] = []
    adapters = build_adapters(settings)
    process = WorkerProcess(settings, adapters, tasks, on_hopeless=hopeless.append, **hooks)
    running = asyncio.create_task(process.run())
    try:
        yield process
    finally:
        process.drain()
        await running
        await adapters.close()
        if hopeless:
            raise HopelessError(hopeless)


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Returns once the condition holds; fails the test after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)

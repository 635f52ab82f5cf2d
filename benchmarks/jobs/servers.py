"""The servers of a benchmark: a durable Postgres and a Redis without persistence, pinned like what is measured."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from alembic import command

from cuepoint.embedded.stack import Stack
from tests.support.database import alembic_config
from tests.support.redis import OwnRedis


@dataclass(frozen=True)
class Servers:
    """Where they are, and the CPU that they have used."""

    home: Path
    database_url: str
    redis: OwnRedis
    postgres_pid: int

    def environment(self, **settings: str) -> dict[str, str]:
        """Of a Cuepoint process that uses them."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CUEPOINT_")}
        own = {"home": str(self.home), "database_url": self.database_url, "redis_url": self.redis.url, **settings}
        return (
            kept | {f"CUEPOINT_{name.upper()}": value for name, value in own.items()} | {"CUEPOINT_LOG_LEVEL": "ERROR"}
        )

    def cpu_seconds(self) -> float:
        """Of Redis, Postgres and all its backends, those that have ended too."""
        redis = psutil.Process(self.redis.pid).cpu_times()
        postmaster = psutil.Process(self.postgres_pid)
        total = redis.user + redis.system
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        ended = postmaster.cpu_times()
        return total + ended.children_user + ended.children_system


def pin(core: int) -> None:
    """This process and all that it starts run on one core."""
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {core})


@asynccontextmanager
async def running_servers() -> AsyncIterator[Servers]:
    """Both, migrated; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="cp-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101 - the servers' account passes through it
        redis = OwnRedis(Path(name))
        async with Stack(Path(name) / "home", redis=False) as stack:
            assert stack.database_url is not None
            await asyncio.to_thread(command.upgrade, alembic_config(stack.database_url), "head")
            redis.start()
            try:
                pid = stack.publish().pids["postgres"]
                yield Servers(Path(name) / "home", stack.database_url, redis, pid)
            finally:
                redis.stop()

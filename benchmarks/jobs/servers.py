"""The servers of a benchmark: a durable Postgres and a Redis without persistence, pinned like what is measured."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from alembic import command

from cuepoint.embedded.identity import choose_identity
from cuepoint.embedded.postgres import EmbeddedPostgres, postgres_program
from cuepoint.embedded.stack import prepare_home
from tests.support.database import alembic_config
from tests.support.redis import OwnRedis


@dataclass(frozen=True)
class Servers:
    """Where they are, and the CPU that they have used."""

    home: Path
    database_url: str
    redis: OwnRedis
    postgres: EmbeddedPostgres

    def environment(self, **settings: str) -> dict[str, str]:
        """Of a Cuepoint process that uses them."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CUEPOINT_")}
        own = {"home": str(self.home), "database_url": self.database_url, "redis_url": self.redis.url, **settings}
        return (
            kept | {f"CUEPOINT_{name.upper()}": value for name, value in own.items()} | {"CUEPOINT_LOG_LEVEL": "ERROR"}
        )

    async def versions(self) -> dict[str, str]:
        """Of both."""
        connection = await asyncpg.connect(self.database_url)
        postgres = str(await connection.fetchval("show server_version"))
        await connection.close()
        [redis] = [line for line in self.ask_redis("INFO server").splitlines() if line.startswith("redis_version:")]
        return {"Postgres": postgres.split(maxsplit=1)[0], "Redis": redis.partition(":")[2]}

    def ask_redis(self, command: str) -> str:
        """The answer to a command without arguments that need quotes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.redis.socket_path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65_536).decode()

    async def crash_postgres(self, *, seconds: float) -> None:
        """kill -9 of the postmaster and all its backends; it is started again after so long."""
        postmaster = psutil.Process(self._postgres_pid)
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.Error):
                process.kill()
        await self.postgres.server.wait()
        await asyncio.sleep(seconds)
        await self.postgres.start()

    def cpu_seconds(self) -> float:
        """Of Redis, Postgres and all its backends, those that have ended too."""
        redis = psutil.Process(self.redis.pid).cpu_times()
        postmaster = psutil.Process(self._postgres_pid)
        total = redis.user + redis.system
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        ended = postmaster.cpu_times()
        return total + ended.children_user + ended.children_system

    @property
    def _postgres_pid(self) -> int:
        assert self.postgres.server.pid is not None
        return self.postgres.server.pid


def pin(core: int) -> None:
    """This process and all that it starts run on one core."""
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {core})


@asynccontextmanager
async def running_servers() -> AsyncIterator[Servers]:
    """Both, migrated; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="cp-bench-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)  # noqa: PTH101 - the servers' account passes through it
        home, sockets = folder / "home", folder / "s"
        prepare_home(home)
        sockets.mkdir(mode=0o700)
        data = home / "postgres"
        identity = choose_identity(data, [postgres_program("postgres")])
        identity.own(sockets)
        postgres = EmbeddedPostgres(data, sockets, folder / "postgres.log", identity)
        redis = OwnRedis(folder)
        try:
            await postgres.start()
            await asyncio.to_thread(command.upgrade, alembic_config(postgres.url()), "head")
            redis.start()
            yield Servers(home, postgres.url(), redis, postgres)
        finally:
            redis.stop()
            await postgres.stop()

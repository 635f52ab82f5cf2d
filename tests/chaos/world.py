"""The processes of a chaos run, all of them real: Postgres, Redis, API processes, and workers under a supervisor."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil
from alembic import command

from cuepoint.embedded.identity import choose_identity
from cuepoint.embedded.postgres import EmbeddedPostgres, postgres_program
from cuepoint.embedded.stack import prepare_home
from tests.support.database import alembic_config
from tests.support.redis import OwnRedis

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 1.5
SETTINGS = {
    "lease_seconds": str(LEASE_SECONDS),
    "stop_seconds": "2",
    "drain_seconds": "2",
    "poll_seconds": "0.5",
    "retry_base_seconds": "0.2",
    "log_format": "json",
    "log_level": "WARNING",
    "rate_limit_per_minute": "0",
    "connections_per_user": "1000",
    "subscriptions_per_user": "10000",
}
READY_SECONDS = 60.0


@dataclass
class World:
    """What runs, and how it is hurt."""

    folder: Path
    postgres: EmbeddedPostgres
    redis: OwnRedis
    workers: int
    ports: list[int]
    apis: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    supervisor: asyncio.subprocess.Process | None = None
    stopped: list[psutil.Process] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        """Where Postgres is, when it is."""
        return self.postgres.url()

    def environment(self) -> dict[str, str]:
        """Of every process; TMPDIR is what its children are known by."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CUEPOINT_")}
        places = {"home": str(self.folder / "home"), "database_url": self.database_url, "redis_url": self.redis.url}
        own = SETTINGS | places
        return {
            **kept,
            **{f"CUEPOINT_{name.upper()}": value for name, value in own.items()},
            "PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT}",
            "TMPDIR": str(self.folder),
            "CHAOS_LOG": str(self.folder / "workers.log"),
        }

    async def _spawn(self, log: str, *argv: str) -> asyncio.subprocess.Process:
        with (self.folder / log).open("a") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *argv,
                cwd=ROOT,
                env=self.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def start_api(self, port: int) -> None:
        """An API process on that port, if there is none."""
        running = self.apis.get(port)
        if running is None or running.returncode is not None:
            self.apis[port] = await self._spawn("api.log", "tests.chaos.api", str(port))

    async def start_workers(self) -> None:
        """The supervisor, if there is none."""
        if self.supervisor is None or self.supervisor.returncode is not None:
            self.supervisor = await self._spawn(
                "supervisor.log", "tests.chaos.worker", "--supervise", str(self.workers)
            )

    def worker_processes(self) -> list[psutil.Process]:
        """The workers that live now."""
        if self.supervisor is None or self.supervisor.returncode is not None:
            return []
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.supervisor.pid).children()
        return []

    def own_processes(self) -> list[psutil.Process]:
        """Every process of this run but its servers, by TMPDIR."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("TMPDIR") == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    async def heal(self) -> None:
        """Everything runs again, and workers anew: they sweep what was left when they start."""
        for process in self.stopped:
            with suppress(psutil.Error):
                process.resume()
        self.stopped.clear()
        if self.postgres.server.pid is None or not psutil.pid_exists(self.postgres.server.pid):
            await self.postgres.start()
        if not self.redis.is_running:
            self.redis.start()
        await self.end_workers()
        await self.start_workers()
        for port in self.ports:
            await self.start_api(port)

    async def end_workers(self) -> None:
        """SIGTERM to the supervisor, and wait."""
        if self.supervisor is not None and self.supervisor.returncode is None:
            self.supervisor.terminate()
            async with asyncio.timeout(60):
                await self.supervisor.wait()

    async def close(self) -> None:
        """End all that is left."""
        for process in self.stopped:
            with suppress(psutil.Error):
                process.resume()
        if self.supervisor is not None and self.supervisor.returncode is None:
            self.supervisor.kill()
            await self.supervisor.wait()
        for api in self.apis.values():
            if api.returncode is None:
                api.kill()
                await api.wait()
        self.redis.stop()
        await self.postgres.stop()


@asynccontextmanager
async def world(*, workers: int = 2, apis: int = 2) -> AsyncIterator[World]:
    """A world that works; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="cp-chaos-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)  # noqa: PTH101 - once, before anything runs
        home = folder / "home"
        prepare_home(home)
        sockets = folder / "s"
        sockets.mkdir(mode=0o700)
        data = home / "postgres"
        identity = choose_identity(data, [postgres_program("postgres")])
        identity.own(sockets)
        options = {"fsync": "off", "max_connections": "200"}  # the machine does not lose power; processes do
        postgres = EmbeddedPostgres(data, sockets, folder / "postgres.log", identity, options)
        redis = OwnRedis(folder)
        made = World(folder, postgres, redis, workers, [_free_port() for _ in range(apis)])
        try:
            await postgres.start()
            redis.start()
            await asyncio.to_thread(command.upgrade, alembic_config(postgres.url()), "head")
            connection = await asyncpg.connect(postgres.url())
            await connection.execute("create table effects (job_id uuid, attempt integer)")
            await connection.close()
            for port in made.ports:
                await made.start_api(port)
            await made.start_workers()
            yield made
        finally:
            await made.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def hurt(it: World, chance: random.Random, log: list[str], *, outage_seconds: float) -> None:
    """One thing goes wrong; what stands still or is away stays so for a while in the background of others."""
    name = chance.choice(FAULTS)
    log.append(name)
    await FAULTS_BY_NAME[name](it, chance, outage_seconds)


async def _kill_worker(it: World, chance: random.Random, _: float) -> None:
    for process in it.worker_processes()[:1] if chance.random() < 0.7 else it.worker_processes():
        with suppress(psutil.Error):
            process.kill()


async def _kill_supervisor(it: World, _: random.Random, __: float) -> None:
    if it.supervisor is not None and it.supervisor.returncode is None:
        it.supervisor.kill()
        await it.supervisor.wait()
    await it.start_workers()


async def _drain(it: World, chance: random.Random, _: float) -> None:
    if it.supervisor is not None and it.supervisor.returncode is None:
        it.supervisor.terminate()
        if chance.random() < 0.5:
            await asyncio.sleep(0.2)
            for process in it.worker_processes():
                with suppress(psutil.Error):
                    process.terminate()  # the second one: give back now
        async with asyncio.timeout(60):
            await it.supervisor.wait()
    await it.start_workers()


async def _freeze_worker(it: World, chance: random.Random, _: float) -> None:
    """SIGSTOP beyond the lease; it wakes up with jobs that are others' by now."""
    living = it.worker_processes()
    if living:
        process = chance.choice(living)
        with suppress(psutil.Error):
            process.suspend()
            it.stopped.append(process)
            await asyncio.sleep(LEASE_SECONDS * chance.uniform(1.5, 2.5))
            process.resume()
        if process in it.stopped:
            it.stopped.remove(process)


async def _kill_api(it: World, chance: random.Random, _: float) -> None:
    port = chance.choice(it.ports)
    api = it.apis[port]
    if api.returncode is None:
        api.send_signal(signal.SIGKILL if chance.random() < 0.7 else signal.SIGTERM)
        await api.wait()
    await it.start_api(port)


async def _kill_redis(it: World, chance: random.Random, _: float) -> None:
    it.redis.kill()
    await asyncio.sleep(chance.uniform(0.0, 2.0))
    it.redis.start()


async def _flush_redis(it: World, _: random.Random, __: float) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(it.redis.socket_path))
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(16).startswith(b"+OK")


async def _kill_postgres(it: World, chance: random.Random, outage_seconds: float) -> None:
    """The postmaster alone, or with all its backends; away for a moment or for long."""
    pid = it.postgres.server.pid
    assert pid is not None
    postmaster = psutil.Process(pid)
    backends = postmaster.children(recursive=True) if chance.random() < 0.5 else []
    for process in (postmaster, *backends):
        with suppress(psutil.Error):
            process.kill()
    await it.postgres.server.wait()
    await asyncio.sleep(outage_seconds if chance.random() < 0.4 else 0.1)
    await it.postgres.start()


async def _cut_connections(it: World, _: random.Random, __: float) -> None:
    connection = await asyncpg.connect(it.database_url)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and usename = current_user"
    )
    await connection.close()


FAULTS_BY_NAME = {
    "kill -9 worker": _kill_worker,
    "kill -9 supervisor": _kill_supervisor,
    "SIGTERM supervisor": _drain,
    "SIGSTOP worker": _freeze_worker,
    "kill API": _kill_api,
    "kill -9 Redis": _kill_redis,
    "FLUSHALL": _flush_redis,
    "kill -9 Postgres": _kill_postgres,
    "cut connections": _cut_connections,
}
FAULTS = tuple(FAULTS_BY_NAME)

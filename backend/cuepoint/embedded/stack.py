"""The embedded servers together: one data directory, one lock, brought up at once, restarted, and gone at the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from cuepoint.config import make_home
from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.identity import Identity, choose_identity
from cuepoint.embedded.lock import HomeLock
from cuepoint.embedded.postgres import EmbeddedPostgres, postgres_program
from cuepoint.embedded.redis import EmbeddedRedis, redis_program
from cuepoint.embedded.running import Running, remove_file, write_file

LONGEST_TEMP = 60  # a socket path has at most 107 bytes on Linux, 103 on macOS
RESTART_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
PRIVATE = ("storage", "tmp")  # media: not for every account of the machine, although root's home is passable

# What a full disk, or a home on which nothing can be made, answers; the error does not always name a file.
_OF_THE_HOME = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOTDIR, errno.EEXIST)

_log = logging.getLogger(__name__)


class Stack:
    """`async with Stack(home) as stack:` holds the lock of `home` and runs the servers that are asked for.

    `database_url` and `redis_url` are None for a part that is not. A server that dies is started again on the same
    address. On leaving, every process is gone, and so are the socket directory and `run/stack.json`.
    """

    def __init__(
        self,
        home: Path,
        *,
        postgres: bool = True,
        redis: bool = True,
        postgres_options: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self._wants_postgres = postgres
        self._wants_redis = redis
        self._options = postgres_options
        self._lock = HomeLock(self.home)
        self._sockets: Path | None = None
        self._parts: list[EmbeddedPostgres | EmbeddedRedis] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._running = Running(os.getpid())
        self.database_url: str | None = None
        self.redis_url: str | None = None

    async def __aenter__(self) -> Stack:
        prepare_home(self.home)
        try:
            self._lock.acquire()
            try:
                write_file(self.home, self._running)  # not a moment with the lock of ours and the pid of a predecessor
                await self._start()
            except BaseException:
                await self.close()
                raise
        except OSError as error:
            if _is_of(self.home, error):
                raise _unwritable(self.home, error) from None
            raise EmbeddedError(f"The servers could not be started: {error}.") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def publish(self, *, api_url: str | None = None, pids: Mapping[str, int] | None = None) -> Running:
        """Write `run/stack.json`, with the API's address and more process ids where they are known."""
        servers = {part.server.name.lower(): part.server.pid for part in self._parts}
        self._running = replace(
            self._running,
            database_url=self.database_url,
            redis_url=self.redis_url,
            api_url=api_url or self._running.api_url,
            pids=self._running.pids | {name: pid for name, pid in servers.items() if pid} | dict(pids or {}),
        )
        try:
            write_file(self.home, self._running)
        except OSError as error:  # what runs goes on; only other commands know nothing of a new process id
            _log.error("%s could not be written: %s", self.home / "run" / "stack.json", error)
        return self._running

    async def _start(self) -> None:
        logs = self.home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        if self._wants_postgres or self._wants_redis:
            data = self.home / "postgres"
            identity = choose_identity(data, [postgres_program("postgres"), redis_program()])
            self._sockets = _socket_directory(self.home, identity)
            if self._wants_postgres:
                part = EmbeddedPostgres(data, self._sockets, logs / "postgres.log", identity, self._options)
                self._parts.append(part)
                self.database_url = part.url()
            if self._wants_redis:
                bells = EmbeddedRedis(self.home / "redis", self._sockets, logs / "redis.log", identity)
                self._parts.append(bells)
                self.redis_url = bells.url()
        results = await asyncio.gather(*(part.start() for part in self._parts), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        self.publish()
        self._watchers = [asyncio.create_task(self._keep(part)) for part in self._parts]

    async def _keep(self, part: EmbeddedPostgres | EmbeddedRedis) -> None:
        """Start `part` again whenever it ends, at first at once, then less and less often."""
        tries = 0
        while True:
            code = await part.server.wait()
            _log.error("%s ended with %s; starting it again", part.server.name, code)
            while True:
                await asyncio.sleep(RESTART_SECONDS[min(tries, len(RESTART_SECONDS) - 1)])
                tries += 1
                try:
                    await part.start()
                except (EmbeddedError, OSError) as error:
                    _log.error("%s", error)  # the message tells it all; the stack is ours
                    continue
                break
            tries = 0
            self.publish()

    async def close(self) -> None:
        """End every process and give the data directory free; what leaving the context does."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(part.stop() for part in self._parts))
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
        try:
            remove_file(self.home)
        except OSError as error:  # nobody believes the file once the lock is free
            _log.error("%s could not be removed: %s", self.home / "run" / "stack.json", error)
        finally:
            self._lock.release()


def prepare_home(home: Path) -> None:
    """Make the data directory, and in it what is private. Raises EmbeddedError if that cannot be done."""
    try:
        make_home(home)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        for name in PRIVATE:
            place = home / name
            place.mkdir(mode=0o700, exist_ok=True)
            if place.stat().st_uid == os.geteuid():  # an earlier version made it with what the umask left
                place.chmod(0o700)
    except OSError as error:
        raise _unwritable(home, error) from None


def _is_of(home: Path, error: OSError) -> bool:
    """Whether it is the data directory's fault."""
    named = error.filename
    return error.errno in _OF_THE_HOME or (isinstance(named, str) and Path(named).is_relative_to(home))


def _unwritable(home: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(
        f"The data directory {home} cannot be written ({error.strerror or error}). "
        "Choose another with CUEPOINT_HOME, start Cuepoint as the user who owns it, or free some disk."
    )


def _socket_directory(home: Path, identity: Identity) -> Path:
    """A short directory that only the servers' account (and root) may enter, the same for the same home."""
    temp = Path(tempfile.gettempdir())
    base = temp if len(str(temp)) <= LONGEST_TEMP else Path("/tmp")  # noqa: S108  # see below: checked and private
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    path = base / f"cuepoint-{os.geteuid()}-{name}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if path.is_symlink() or status.st_uid not in (os.geteuid(), identity.uid):
        path = Path(tempfile.mkdtemp(prefix="cuepoint-", dir=base))  # somebody else sits on the name
    path.chmod(0o700)
    identity.own(path)
    return path

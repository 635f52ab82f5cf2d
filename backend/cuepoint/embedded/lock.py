"""One product per data directory: a lock that the kernel releases whatever way its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.running import read_file

RETRY_SECONDS = 0.5  # a look by `is_locked` holds the lock for an instant
_STEP_SECONDS = 0.02


class HomeInUseError(EmbeddedError):
    """Another process runs the product on this data directory. `pid` and `url` are its, where known."""

    def __init__(self, home: Path, pid: int | None, url: str | None) -> None:
        who = f" (pid {pid})" if pid else ""
        where = f" at {url}" if url else ""
        super().__init__(
            f"Cuepoint already runs on {home}{who}{where}. Use that one, stop it with `cuepoint down`, "
            "or choose another data directory with CUEPOINT_HOME."
        )
        self.pid = pid
        self.url = url


class HomeLock:
    """The lock `home/lock`. Raises HomeInUseError if somebody holds it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our pid into it."""
        descriptor = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + RETRY_SECONDS
        while not _try(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise _in_use(self._home)
            time.sleep(_STEP_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(home: Path) -> bool:
    """Whether a product runs on this data directory now."""
    try:
        descriptor = os.open(home / "lock", os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        raise EmbeddedError(
            f"The data directory {home} cannot be read: it belongs to another user. "
            "Run the command as that user, or choose another directory with CUEPOINT_HOME."
        ) from None
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def refuse_if_locked(home: Path) -> None:
    """Raise HomeInUseError if a product runs on this data directory now."""
    if is_locked(home):
        raise _in_use(home)


def _in_use(home: Path) -> HomeInUseError:
    holder = (home / "lock").read_text().strip()
    running = read_file(home)
    return HomeInUseError(home, int(holder) if holder.isdigit() else None, running.api_url if running else None)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

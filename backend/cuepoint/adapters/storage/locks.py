"""Locks between the processes of one machine: `flock` on a file that exists only while somebody holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until `unlock`, or None when it is held already; never waits.

    The kernel lets go when the process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_still_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # its former holder removed the file after it was opened here: lock the new one


def unlock(path: Path, descriptor: int) -> None:
    """The lock is free and leaves no file behind."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _is_still_at(path: Path, descriptor: int) -> bool:
    held = os.fstat(descriptor)
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino)

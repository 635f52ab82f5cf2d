"""What hostile files point at: a file that nobody may open and ports that nobody may call. Both notice it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.hostile import Trap
from tests.support.media import make_wav

CANARY = b"canary-4b1f"  # in the file, so that it would show in whatever is made of it
_IN_ACCESS, _IN_OPEN = 0x1, 0x20  # linux/inotify.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)


class OpenWatch:
    """Whether anybody opened or read a file; the kernel's own word, whatever access times are kept."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if _LIBC.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_ACCESS | _IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "no file can be watched here")

    def has_seen_one(self) -> bool:
        """Since it was asked last."""
        try:
            return bool(os.read(self._descriptor, 1 << 16))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Watch no more."""
        os.close(self._descriptor)


@dataclass
class Traps:
    """`calls` has an entry for each connection and each datagram."""

    trap: Trap
    opened: OpenWatch
    calls: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def traps_in(folder: Path) -> AsyncIterator[Traps]:
    """The file, and a port where TCP and UDP are listened to."""
    canary = make_wav(folder / "canary.wav", seconds=1)
    canary.write_bytes(canary.read_bytes() + CANARY * 10)
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as streams, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(streams.getsockname())
        traps = Traps(Trap(canary, streams.getsockname()[1]), OpenWatch(canary))

        def accept() -> None:
            streams.accept()[0].close()
            traps.calls.append(b"a connection")

        loop.add_reader(streams, accept)
        loop.add_reader(datagrams, lambda: traps.calls.append(datagrams.recv(100)))
        try:
            yield traps
        finally:
            loop.remove_reader(streams)
            loop.remove_reader(datagrams)
            traps.opened.close()


@contextmanager
def adopted_orphans() -> Iterator[None]:
    """What our children leave running becomes a child of ours, and can be seen."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def children() -> set[int]:
    """Our processes, also dead ones that nobody has waited for."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def holders_of(folder: Path) -> list[int]:
    """Those of our own children that have something below the folder open."""
    pids = [process.pid for process in psutil.Process().children()]
    return [pid for pid in pids if any(path.is_relative_to(folder) for path in _open_files(pid))]


def _open_files(pid: int) -> list[Path]:
    try:
        return [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it has ended
        return []

"""Temporary local copies of remote objects, and the removal of those that a process that died has left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from cuepoint.adapters.storage.locks import try_lock, unlock

_LOCK = ".lock"


class CopyDirectory:
    """Files that live as long as they are used. Beside each lies a lock that the kernel frees when its process ends;
    `sweep` removes what nobody holds any more."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        """A path for one file, which is gone afterwards."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, descriptor = self._locked()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            unlock(path.with_suffix(_LOCK), descriptor)

    def _locked(self) -> tuple[Path, int]:
        while True:
            path = self._directory / uuid4().hex
            descriptor = try_lock(path.with_suffix(_LOCK))
            if descriptor is not None:  # else a sweep was quicker, and removes this one
                return path, descriptor

    def sweep(self) -> None:
        """No file is left whose process has died."""
        for lock in self._directory.glob(f"*{_LOCK}"):
            with contextlib.suppress(FileNotFoundError):
                descriptor = try_lock(lock)
                if descriptor is None:
                    continue
                lock.with_suffix("").unlink(missing_ok=True)
                unlock(lock, descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Append all of the bytes to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

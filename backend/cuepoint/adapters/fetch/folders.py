"""Files of folders on the worker's machine that the operator has named; nothing outside them is ever opened.

A path is walked part by part from its root, and none of the parts may be a symbolic link: so it cannot lead out of the
root, also not if somebody swaps a directory for a link at that very moment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from cuepoint.adapters.fetch.answers import is_page, source_error, too_large
from cuepoint.adapters.fetch.base import Listed, Opened
from cuepoint.adapters.fetch.threads import in_thread
from cuepoint.errors import CuepointError, ErrorCode

SCHEME = "file://"
READ_BYTES = 1 << 20
MAX_DEPTH = 8  # directories below the one that is imported
MAX_LISTED = 100_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe with nobody behind it must not block


class FolderSource:
    """Opens `file:///path` below one of `roots`."""

    def __init__(self, roots: Sequence[Path], max_bytes: int) -> None:
        self._roots = tuple(roots)
        self._max_bytes = max_bytes

    def check(self, address: str) -> str:
        """The address, if it lies below a root as far as its text tells."""
        self._placed(address)
        return address

    @asynccontextmanager
    async def open(self, address: str, *, start: int = 0, validator: str | None = None) -> AsyncGenerator[Opened]:
        """See `Fetcher.open`; the validator is size and time of the last change."""
        root, parts = self._placed(address)
        descriptor = await in_thread(_opened, root, parts)
        try:
            found = os.fstat(descriptor)
            mark = _mark(found)
            if found.st_size > self._max_bytes:
                raise too_large(self._max_bytes)
            begins = start if validator == mark else 0
            beginning = b"" if begins else await in_thread(os.pread, descriptor, 2048, 0)
            yield Opened(
                start=begins,
                size_bytes=found.st_size,
                validator=mark,
                filename=parts[-1],
                content_type=None,
                is_page=is_page(None, beginning),
                stream=_pieces(descriptor, begins, found.st_size),
            )
        finally:
            os.close(descriptor)

    async def list(self, address: str) -> AsyncIterator[Listed]:
        """See `Fetcher.list`. Files whose name begins with a dot, links, pipes and devices are left out."""
        root, parts = self._placed(address)
        for name, found in await in_thread(_listed, root, parts):
            yield Listed(folder_address(Path(root, *parts, name)), name, found.st_size, _mark(found))

    def _placed(self, address: str) -> tuple[Path, tuple[str, ...]]:
        """The root that the path lies below, and the parts behind it."""
        path = Path(unquote(address.removeprefix(SCHEME)))
        if address.startswith(SCHEME) and path.is_absolute() and ".." not in path.parts and "\x00" not in str(path):
            for root in self._roots:
                if path.is_relative_to(root):
                    return root, path.relative_to(root).parts
        raise CuepointError(
            ErrorCode.URL_FORBIDDEN,
            "This folder is not one that files may be imported from.",
            field=("path",),
            hint="The operator names such folders by CUEPOINT_IMPORT_ROOTS.",
        )


def folder_address(path: Path) -> str:
    """The address of an absolute path."""
    return SCHEME + quote(str(path))


def _mark(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"


def _opened(root: Path, parts: Sequence[str]) -> int:
    """A descriptor of the regular file."""
    if not parts:
        raise source_error(ErrorCode.SOURCE_GONE, "This is a folder, not a file.")
    directory = _directory(root, parts[:-1])
    try:
        descriptor = os.open(parts[-1], _FILE, dir_fd=directory)
    except OSError as error:
        raise _gone(error) from error
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise source_error(ErrorCode.SOURCE_GONE, "This is not a regular file.")
    return descriptor


def _directory(root: Path, parts: Sequence[str]) -> int:
    """A descriptor of the directory. The root itself may be a link: it is the operator's."""
    try:
        descriptor = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    except OSError as error:
        raise _gone(error) from error
    for part in parts:
        try:
            inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
        except OSError as error:
            raise _gone(error) from error
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _listed(root: Path, parts: Sequence[str]) -> list[tuple[str, os.stat_result]]:
    top = _directory(root, parts)
    found: list[tuple[str, os.stat_result]] = []
    try:
        for folder, names, files, descriptor in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            depth = 0 if folder == "." else folder.count("/")
            names[:] = sorted(n for n in names if not n.startswith(".")) if depth < MAX_DEPTH else []
            for name in files:
                status = _regular(name, descriptor)
                if status is not None:
                    found.append((os.path.normpath(f"{folder}/{name}"), status))
            if len(found) > MAX_LISTED:
                break
    finally:
        os.close(top)
    return sorted(found, key=lambda entry: entry[0])[:MAX_LISTED]


def _regular(name: str, directory: int) -> os.stat_result | None:
    if name.startswith("."):
        return None
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        name.encode()
    except (OSError, UnicodeEncodeError):  # gone in between, or a name that is no text
        return None
    return status if stat.S_ISREG(status.st_mode) else None


async def _pieces(descriptor: int, position: int, size: int) -> AsyncGenerator[bytes]:
    while position < size:
        piece = await in_thread(os.pread, descriptor, min(READ_BYTES, size - position), position)
        if not piece:
            raise source_error(
                ErrorCode.SOURCE_UNAVAILABLE, "The file became shorter while it was read.", retryable=True
            )
        yield piece
        position += len(piece)


def _gone(error: OSError) -> Exception:
    return source_error(ErrorCode.SOURCE_GONE, f"The file cannot be opened: {error.strerror}.")

"""The files below a directory, page by page, however many there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from os import DirEntry, scandir
from pathlib import Path

from cuepoint.adapters.storage.threads import in_thread

PAGE = 1000
UNFINISHED = "#"  # in names of files that obstore is writing; no key of ours has one

Entry = tuple[str, int, datetime]  # path below the directory, bytes, time of the last change


async def listed(directory: Path) -> AsyncIterator[list[Entry]]:
    """Pages of up to 1000 files; links are left out, and what vanishes meanwhile."""
    entries = _walk(directory, "")
    while page := await in_thread(_page, entries):
        yield page


def _page(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, PAGE))


def _walk(directory: Path, below: str) -> Iterator[Entry]:
    try:
        with scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield from _entry(name, entry)


def _entry(name: str, entry: DirEntry[str]) -> Iterator[Entry]:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    yield name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)

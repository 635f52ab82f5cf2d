"""The port of sources: one file of a foreign place as a stream, and the files that a place holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Opened:
    """A source that answers: its bytes from `start` on, as far as it tells what they are.

    `start` is 0 where the source cannot go on in the middle, or is another file by now. `validator` names this version
    of the file, to be given when it is opened again; None where the source tells none. `is_page`: what comes is a web
    page or a playlist, not media. The stream raises AdapterError SOURCE_TIMEOUT, SOURCE_TOO_LARGE or
    SOURCE_UNAVAILABLE.
    """

    start: int
    size_bytes: int | None
    validator: str | None
    filename: str | None
    content_type: str | None
    is_page: bool
    stream: AsyncIterator[bytes]


@dataclass(frozen=True)
class Listed:
    """A file in a place: what `open` takes, its name for people, size, and a mark that changes with its content."""

    address: str
    name: str
    size_bytes: int
    mark: str


class Fetcher(Protocol):
    """Every method raises CuepointError URL_FORBIDDEN for what the settings do not allow, and AdapterError SOURCE_*
    for what the source answers; the message says what to do. Addresses are http(s)://, s3:// or file://."""

    def check(self, address: str) -> str:
        """The address as it may be shown and logged: without what could be a secret. Raises as far as the text alone
        tells; `file://` is refused here, as it is nothing for clients."""
        ...

    def place(self, path: str) -> str:
        """The address of a folder, by its absolute path, or of a prefix, as `s3://bucket/prefix`, if it may be looked
        through."""
        ...

    def open(
        self, address: str, *, start: int = 0, validator: str | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """The file from byte `start` on, if it is still the version that `validator` names."""
        ...

    def list(self, address: str) -> AsyncIterator[Listed]:
        """The files below a folder (`file://`) or a prefix of a bucket (`s3://`), in the order of their names."""
        ...


@dataclass(frozen=True)
class Caption:
    """Existing subtitles of a site's video, made by people: a local file."""

    language: str
    extension: str
    path: Path


@dataclass(frozen=True)
class Chapter:
    """A chapter as the site names it, in milliseconds; the end is null where the site tells none."""

    title: str
    start_ms: int
    end_ms: int | None


@dataclass(frozen=True)
class SiteVideo:
    """A video as an extractor found it. `path` is the local file; what the site does not tell is None."""

    path: Path
    extractor: str
    extractor_version: str
    title: str | None
    uploader: str | None
    language: str | None  # what is spoken, as a tag
    webpage_url: str | None
    duration_ms: int | None
    chapters: tuple[Chapter, ...]
    captions: tuple[Caption, ...]


@dataclass(frozen=True)
class SiteEntry:
    """One entry of a playlist."""

    url: str
    title: str | None


@dataclass(frozen=True)
class Playlist:
    """A playlist as an extractor found it; `entries` are at most as many as were asked for."""

    title: str | None
    extractor: str
    extractor_version: str
    entries: tuple[SiteEntry, ...]


# Bytes done and to do, as far as known.
OnBytes = Callable[[int, int | None], None]


class Sites(Protocol):
    """Videos of web pages, by an extractor that runs in a child process under the same rules for addresses."""

    def is_available(self) -> bool:
        """Whether the extractor is installed (`pip install cuepoint[sites]`)."""
        ...

    async def download(self, url: str, directory: Path, on_bytes: OnBytes) -> SiteVideo:
        """The best file of the page, below `directory`, which exists and is empty. Raises as `Fetcher`, and
        UNSUPPORTED_MEDIA for a page without a video."""
        ...

    async def playlist(self, url: str, limit: int) -> Playlist:
        """The first `limit` entries of a playlist or channel, 1 for a page of one video."""
        ...

"""Videos of web pages by yt-dlp, in a child process that is watched from outside.

The library's own limits do not hold everywhere: a server that trickles never calls its hook. So the parent looks at
what lies on disk: how much there is, whether it grows, and whether the disk has room; and ends the child otherwise.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import time
from pathlib import Path
from typing import Any

from cuepoint.adapters.fetch.addresses import forbidden
from cuepoint.adapters.fetch.answers import source_error, too_large
from cuepoint.adapters.fetch.base import Caption, Chapter, OnBytes, Playlist, SiteEntry, SiteVideo
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.child import ChildLimits, child_environment, python_argv, run_child

LOOK_SECONDS = 0.5
EXTRACTION_SECONDS = 180.0  # reading pages, before the first byte of a video
SILENCE_SECONDS = 60.0  # over which a download must keep the least speed
PLAYLIST_SECONDS = 300.0
MODULE = "cuepoint.adapters.fetch.sites_child"


class YtDlpSites:
    """Implements `Sites`."""

    def __init__(
        self,
        settings: Settings,
        *,
        extraction_seconds: float = EXTRACTION_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._extraction_seconds = extraction_seconds
        self._silence_seconds = silence_seconds

    def is_available(self) -> bool:
        """See the port."""
        return importlib.util.find_spec("yt_dlp") is not None

    async def download(self, url: str, directory: Path, on_bytes: OnBytes) -> SiteVideo:
        """See the port."""
        asking = asyncio.create_task(
            self._ask("download", url, self._settings.fetch_max_seconds, on_bytes, directory=str(directory))
        )
        watching = asyncio.create_task(self._watch(directory))
        try:
            await asyncio.wait((asking, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            found = await asking
        finally:
            for task in (asking, watching):
                task.cancel()
            await asyncio.wait((asking, watching))
        return SiteVideo(
            path=Path(found["path"]),
            extractor=found["extractor"],
            extractor_version=found["extractor_version"],
            title=found["title"],
            uploader=found["uploader"],
            language=found["language"],
            webpage_url=found["webpage_url"],
            duration_ms=found["duration_ms"],
            chapters=tuple(Chapter(**chapter) for chapter in found["chapters"]),
            captions=tuple(Caption(**caption | {"path": Path(caption["path"])}) for caption in found["captions"]),
        )

    async def playlist(self, url: str, limit: int) -> Playlist:
        """See the port."""
        found = await self._ask("playlist", url, PLAYLIST_SECONDS, None, limit=limit)
        return Playlist(
            title=found["title"],
            extractor=found["extractor"],
            extractor_version=found["extractor_version"],
            entries=tuple(SiteEntry(**entry) for entry in found["entries"]),
        )

    async def _ask(self, do: str, url: str, timeout: float, on_bytes: OnBytes | None, **request: Any) -> dict[str, Any]:
        if not self.is_available():
            raise CuepointError(
                ErrorCode.UNSUPPORTED_MEDIA,
                "The URL leads to a web page, and this instance has no extractor for sites.",
                hint="The operator can `pip install cuepoint[sites]`; or give the address of the file itself.",
            )
        settings = self._settings
        whole = {
            "do": do,
            "url": url,
            "ports": settings.fetch_port_numbers(),
            "hosts": settings.fetch_allowed_hosts,
            "max_bytes": settings.upload_max_bytes,
            **request,
        }
        answers: list[dict[str, Any]] = []

        def on_line(line: bytes) -> None:
            told = json.loads(line)
            if "progress" in told:
                if on_bytes is not None:
                    on_bytes(*told["progress"])
            else:
                answers.append(told)

        result = await run_child(
            python_argv(MODULE),
            timeout=timeout,
            env=child_environment({"YTDLP_NO_PLUGINS": "1"}),
            stdin=json.dumps(whole).encode(),  # not on the command line, which every user of the machine can read
            on_line=on_line,
            limits=ChildLimits(cpu_seconds=int(timeout) + 1, file_bytes=settings.upload_max_bytes + (1 << 20)),
        )
        if result.timed_out:
            raise source_error(ErrorCode.SOURCE_TIMEOUT, f"The site took longer than {timeout:.0f} s.", retryable=True)
        if not answers:
            raise AdapterError(
                ErrorCode.CHILD_CRASHED, "The extractor ended unexpectedly.", retryable=True, detail=result.stderr
            )
        if "error" in answers[-1]:
            raise _failure(answers[-1]["error"], settings.upload_max_bytes)
        found: dict[str, Any] = answers[-1]["result"]
        return found

    async def _watch(self, directory: Path) -> None:
        """Ends by raising, when what lies on disk is too much or grows too slowly."""
        moved_at, counted = time.monotonic(), 0
        least = self._settings.fetch_min_bytes_per_second * self._silence_seconds
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            sizes, now = await asyncio.to_thread(_sizes_in, directory), time.monotonic()
            held = sum(sizes)
            if held > self._settings.upload_max_bytes:
                raise too_large(self._settings.upload_max_bytes)
            if shutil.disk_usage(directory).free < self._settings.min_free_bytes:
                raise CuepointError(
                    ErrorCode.INSUFFICIENT_STORAGE, "The disk of the worker is nearly full.", retryable=True
                )
            if held and held - counted >= least:
                counted, moved_at = held, now
            elif now - moved_at > (self._silence_seconds if sizes else self._extraction_seconds):
                raise source_error(
                    ErrorCode.SOURCE_TIMEOUT, "The site sends too slowly, or has stopped sending.", retryable=True
                )


def _sizes_in(directory: Path) -> list[int]:
    sizes = []
    for path in directory.iterdir():
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # renamed when it was whole
            continue
    return sizes


def _failure(told: dict[str, Any], limit: int) -> Exception:
    code = ErrorCode(told["code"])
    if code is ErrorCode.URL_FORBIDDEN:
        return forbidden(str(told["message"]).removeprefix("This URL is not fetched: ").rstrip("."))
    if code is ErrorCode.SOURCE_TOO_LARGE:
        return too_large(limit)
    if code is ErrorCode.UNSUPPORTED_MEDIA:
        return CuepointError(code, f"There is no video on this page: {told['message']}.")
    advice = {
        ErrorCode.SOURCE_BOT_CHECK: " Download it by a browser and upload the file.",
        ErrorCode.SOURCE_LOGIN_REQUIRED: " Download it where you are signed in and upload the file.",
        ErrorCode.SOURCE_GEO_BLOCKED: " Download it where it is available and upload the file.",
    }.get(code, "")
    return source_error(code, f"{str(told['message']).rstrip('.')}.{advice}", retryable=bool(told["retryable"]))

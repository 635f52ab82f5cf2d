"""The child process that runs a site's extractor: one request on stdin, lines of JSON on stdout."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cuepoint.adapters.fetch.child_guard import Guard, install_guard
from cuepoint.adapters.fetch.site_causes import cause_of
from cuepoint.errors import ErrorCode

MAX_CHAPTERS = 500
MAX_CAPTIONS = 8
MAX_CAPTION_BYTES = 1 << 20
MAX_TEXT = 500
SOCKET_SECONDS = 20
LIBRARY = "yt_dlp"  # imported only after the guard stands
CAPTION_FORMATS = "vtt/srt/ttml/best"

Request = Mapping[str, Any]


def _tell(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class _Quiet:
    """Where the library's messages go: to stderr, whose tail the parent keeps."""

    def debug(self, message: str) -> None:
        """Nothing."""

    info = debug

    def warning(self, message: str) -> None:
        """To stderr."""
        sys.stderr.write(f"{message}\n")

    error = warning


def _options(request: Request) -> dict[str, Any]:
    return {
        "logger": _Quiet(),
        "quiet": True,
        "noprogress": True,
        "no_color": True,
        "cachedir": False,
        "proxy": "",  # none of the environment
        "socket_timeout": SOCKET_SECONDS,
        "retries": 3,
        "fragment_retries": 3,
        "skip_unavailable_fragments": False,  # a video with holes is no video
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
        "fixup": "never",  # would start ffmpeg
        "enable_file_urls": False,
        "noplaylist": True,
        "max_filesize": request["max_bytes"],
    }


def _download(request: Request) -> dict[str, Any]:
    directory = Path(request["directory"])

    def on_progress(state: Mapping[str, Any]) -> None:
        total = state.get("total_bytes") or state.get("total_bytes_estimate")
        _tell(progress=[int(state.get("downloaded_bytes") or 0), int(total) if total else None])

    options = _options(request) | {
        "format": "b/bv*/ba",  # one file: putting two together needs a program
        "outtmpl": {"default": str(directory / "video.%(ext)s")},
        "playlist_items": "1",
        "progress_hooks": [on_progress],
        "writesubtitles": True,  # those of people; automatic ones are another option
        "subtitleslangs": ["all", "-live_chat"],
        "subtitlesformat": CAPTION_FORMATS,
    }
    found = _with_library(options, lambda library: library.extract_info(request["url"], download=True))
    entries = [entry for entry in found.get("entries") or [] if entry]
    video = entries[0] if entries else found
    files = [one.get("filepath") for one in video.get("requested_downloads") or []]
    if not files or not Path(files[0] or "").is_file():
        raise FileNotFoundError("no file was written")
    facts = _facts(video)
    if facts["extractor"] == "HTML5MediaEmbed" and facts["title"]:
        facts["title"] = facts["title"].removesuffix(" (1)")  # the videos of a page are numbered, also a single one
    return facts | {"path": files[0], "captions": _captions(video)}


def _playlist(request: Request) -> dict[str, Any]:
    options = _options(request) | {"extract_flat": "in_playlist", "noplaylist": False, "playlistend": request["limit"]}
    found = _with_library(options, lambda library: library.extract_info(request["url"], download=False))
    if "entries" not in found:
        found = {**found, "entries": [{"url": request["url"], "title": found.get("title")}]}
    entries = [entry for entry in found["entries"] if entry and (entry.get("url") or entry.get("webpage_url"))]
    return _facts(found) | {
        "entries": [
            {"url": str(entry.get("webpage_url") or entry["url"]), "title": _text(entry.get("title"))}
            for entry in entries[: request["limit"]]
        ]
    }


def _with_library(options: dict[str, Any], work: Callable[[Any], Any]) -> dict[str, Any]:
    with _with_captions_if_there(importlib.import_module(LIBRARY).YoutubeDL)(options) as library:
        return dict(library.sanitize_info(work(library)) or {})


def _facts(found: Mapping[str, Any]) -> dict[str, Any]:
    version = importlib.import_module(f"{LIBRARY}.version").__version__
    chapters = [
        {
            "title": _text(chapter.get("title")) or "",
            "start_ms": _milliseconds(chapter.get("start_time")) or 0,
            "end_ms": _milliseconds(chapter.get("end_time")),
        }
        for chapter in (found.get("chapters") or [])[:MAX_CHAPTERS]
    ]
    return {
        "extractor": _text(found.get("extractor_key") or found.get("extractor")) or "unknown",
        "extractor_version": f"yt-dlp {version}",
        "title": _text(found.get("title")),
        "uploader": _text(found.get("uploader") or found.get("channel")),
        "language": _text(found.get("language")),
        "webpage_url": _text(found.get("webpage_url")),
        "duration_ms": _milliseconds(found.get("duration")),
        "chapters": chapters,
    }


def _with_captions_if_there(base: Any) -> Any:
    """The library's class, which gives up a video where one of its captions cannot be had (sites answer 429 to many):
    here such a one is left out, and no more are asked for than are taken."""
    name = "_write_subtitles"
    write = getattr(base, name)

    def write_captions(self: Any, video: dict[str, Any], filename: str) -> Any:
        video["requested_subtitles"] = dict(_wanted_captions(video))
        self.params["ignoreerrors"] = True
        try:
            return write(self, video, filename)
        finally:
            self.params["ignoreerrors"] = False

    return type("Library", (base,), {name: write_captions})


def _wanted_captions(video: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Those of the spoken language first: there may be more than are taken."""
    spoken = str(video.get("language") or "").partition("-")[0]
    files = (video.get("requested_subtitles") or {}).items()
    return sorted(files, key=lambda file: (file[0].partition("-")[0] != spoken, file[0]))[:MAX_CAPTIONS]


def _captions(video: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for language, caption in _wanted_captions(video):
        path = Path(caption.get("filepath") or "")
        if path.is_file() and path.stat().st_size <= MAX_CAPTION_BYTES:
            extension = str(caption.get("ext") or "vtt")[:10]
            found.append({"language": str(language)[:40], "extension": extension, "path": str(path)})
    return found


def _text(value: Any) -> str | None:
    text = "".join(c for c in str(value or "") if c.isprintable()).strip()
    return text[:MAX_TEXT] or None


def _milliseconds(value: Any) -> int | None:
    return round(value * 1000) if isinstance(value, int | float) and 0 <= value < 10**6 else None


REQUESTS: Mapping[str, Callable[[Request], dict[str, Any]]] = {"download": _download, "playlist": _playlist}


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.read())
    guard = install_guard(request["ports"], request["hosts"])
    known = importlib.import_module(f"{LIBRARY}.utils").YoutubeDLError
    try:
        answer = REQUESTS[request["do"]](request)
    except (known, OSError) as error:  # anything else is a fault, whose stack the parent keeps
        code, message, is_retryable = _cause(guard, error)
        _tell(error={"code": code.value, "message": message, "retryable": is_retryable})
        return
    if guard.refused:
        _tell(error={"code": ErrorCode.URL_FORBIDDEN.value, "message": guard.refused[0], "retryable": False})
        return
    _tell(result=answer)


def _cause(guard: Guard, error: BaseException) -> tuple[ErrorCode, str, bool]:
    if guard.refused:
        return ErrorCode.URL_FORBIDDEN, guard.refused[0], False
    return cause_of(error)


if __name__ == "__main__":
    main()

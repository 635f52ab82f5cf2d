"""What the answer of a web server means for an import: typed causes with advice, names and lengths of its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from cuepoint.adapters.fetch.urls import clean_name
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

MAX_RETRY_AFTER_SECONDS = 3600.0
_BOT_SIGNS = ("cf-mitigated", "x-captcha", "x-datadome", "x-amzn-waf-action")  # headers of the usual bot walls
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*(?:utf-8|iso-8859-1)'[^']*'([^;]+)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]+))', re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_PAGES = ("text/html", "application/xhtml+xml")
_PLAYLISTS = ("mpegurl", "dash+xml", "f4m+xml", "vnd.ms-sstr+xml")


def refusal(status: int, headers: Mapping[str, str]) -> AdapterError:
    """The error that a status without a file means."""
    if status in (401, 402, 407):
        return source_error(ErrorCode.SOURCE_LOGIN_REQUIRED, f"The source wants a sign-in (status {status}).")
    if status == 403:
        if any(sign in headers for sign in _BOT_SIGNS):
            return source_error(
                ErrorCode.SOURCE_BOT_CHECK,
                "The source asks for proof of a person (status 403). Download the file by a browser and upload it.",
            )
        return source_error(
            ErrorCode.SOURCE_LOGIN_REQUIRED,
            "The source refuses this server (status 403). A signed link may have expired: make a new one.",
        )
    if status in (404, 410):
        return source_error(ErrorCode.SOURCE_GONE, f"There is nothing at this URL (status {status}).")
    if status == 408:
        return source_error(ErrorCode.SOURCE_TIMEOUT, "The source gave up waiting (status 408).", retryable=True)
    if status == 451:
        return source_error(
            ErrorCode.SOURCE_GEO_BLOCKED, "The source is not served here for legal reasons (status 451)."
        )
    return AdapterError(
        ErrorCode.SOURCE_UNAVAILABLE,
        f"The source answered with status {status}.",
        retryable=status in (425, 429) or status >= 500,
        retry_after_seconds=_retry_after(headers) if status in (429, 503) else None,
    )


def source_error(code: ErrorCode, message: str, *, retryable: bool = False) -> AdapterError:
    """A failure of the source."""
    return AdapterError(code, message, retryable=retryable)


def too_large(limit: int) -> CuepointError:
    """What a source beyond the limit is told as: that is a rule of this instance, so nothing is tried again."""
    return CuepointError(
        ErrorCode.SOURCE_TOO_LARGE,
        f"The source has more than the {limit:,} bytes that this server takes.",
        field=("url",),
        hint="The operator can raise CUEPOINT_UPLOAD_MAX_BYTES.",
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return min(float(value), MAX_RETRY_AFTER_SECONDS) if value.isdigit() and len(value) < 9 else None


def content_length(headers: Mapping[str, str]) -> int | None:
    """What the server says that it sends; None when it does not."""
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def content_range(headers: Mapping[str, str]) -> tuple[int, int | None] | None:
    """First byte and whole size of a partial answer; None when it makes no sense."""
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None
    return int(found[1]), None if found[3] == "*" else int(found[3])


def validator_of(headers: Mapping[str, str]) -> str | None:
    """What `If-Range` takes: a strong ETag, else the date of the last change."""
    etag = headers.get("etag", "").strip()
    if etag.startswith('"') and etag.endswith('"') and len(etag) > 2:
        return etag[:500]
    return headers.get("last-modified", "").strip()[:100] or None


def filename_of(headers: Mapping[str, str]) -> str | None:
    """The name that the server gives the file, cleaned."""
    disposition = headers.get("content-disposition", "")
    extended = _EXTENDED_NAME.search(disposition)
    if extended:
        return clean_name(unquote(extended[1].strip(), errors="replace"))
    plain = _PLAIN_NAME.search(disposition)
    return clean_name((plain[1] or plain[2] or "").strip()) if plain else None


def is_page(content_type: str | None, beginning: bytes) -> bool:
    """Whether this is a web page or a playlist that names other files: by its type or by its first bytes."""
    declared = (content_type or "").partition(";")[0].strip().lower()
    if declared in _PAGES or any(part in declared for part in _PLAYLISTS):
        return True
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    return text.startswith((b"<!doctype html", b"<html", b"#extm3u", b"<mpd")) or (
        text.startswith(b"<?xml") and b"<mpd" in beginning[:2048].lower()
    )

"""What the failure of a site's extractor means: its exception or, as it has few of them, its words; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cuepoint.errors import ErrorCode

MAX_MESSAGE = 300
# First match wins. Words as yt-dlp and the sites behind it have them (threads yt-dlp/yt-dlp#12835, #12264, #11950).
_WORDS: tuple[tuple[ErrorCode, bool, str], ...] = (
    (ErrorCode.SOURCE_BOT_CHECK, False, r"not a bot|captcha|cloudflare|unusual traffic|anti-bot"),
    (
        ErrorCode.SOURCE_GEO_BLOCKED,
        False,
        r"geo.?restrict|not (made )?available (in|from) your (country|location)|\b451\b",
    ),
    (ErrorCode.SOURCE_TOO_LARGE, False, r"larger than max-filesize"),
    (
        ErrorCode.SOURCE_LOGIN_REQUIRED,
        False,
        r"log.?in|sign in|private video|members.only|cookies|registered users|password|HTTP Error 40[123]|drm",
    ),
    (
        ErrorCode.SOURCE_GONE,
        False,
        r"HTTP Error (404|410)|unavailable|removed|deleted|does not exist|no longer|not found|no video formats",
    ),
    (ErrorCode.UNSUPPORTED_MEDIA, False, r"unsupported url|no file was written|no media|requested format"),
    (ErrorCode.SOURCE_TIMEOUT, True, r"timed? ?out"),
)
_CLASSES = {
    "GeoRestrictedError": ErrorCode.SOURCE_GEO_BLOCKED,
    "UnsupportedError": ErrorCode.UNSUPPORTED_MEDIA,
}
_URL = re.compile(r"https?://\S+")


def cause_of(error: BaseException) -> tuple[ErrorCode, str, bool]:
    """Code, message without URLs (they may hold secrets), and whether trying again can help."""
    chain = list(_chain(error))
    text = " ".join(str(one) for one in chain)
    message = _URL.sub("(url)", str(error)).removeprefix("ERROR: ").strip()[:MAX_MESSAGE] or type(error).__name__
    for one in chain:
        if type(one).__name__ in _CLASSES:
            return _CLASSES[type(one).__name__], message, False
    for code, is_retryable, words in _WORDS:
        if re.search(words, text, re.IGNORECASE):
            return code, message, is_retryable
    return ErrorCode.SOURCE_UNAVAILABLE, message, True


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what yt-dlp keeps in it, and what they were raised from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kept = getattr(one, "exc_info", None)
        waiting += [one.__cause__, one.__context__, getattr(one, "cause", None), kept[1] if kept else None]

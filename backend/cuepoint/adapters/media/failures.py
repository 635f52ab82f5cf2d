"""From how a media child ended to the error that a client reads; paths and ffmpeg's own words stay in `detail`."""

from __future__ import annotations

import json
import signal
from typing import Any

from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.child import ChildResult

_DETAIL_CHARACTERS = 2000
_OVER_LIMIT_SIGNALS = (signal.SIGXCPU, signal.SIGXFSZ)
# What libav* says (strerror) when one of the child's limits stops it.
_OVER_LIMIT_TEXTS = ("Cannot allocate memory", "File too large")
_NO_SPACE_TEXT = "No space left on device"
_BROKEN_TEXT = "Decode error rate"  # exceeds maximum
_BROKEN = " Most of what it shows cannot be decoded: the file is damaged there. Choose another range."


def check_answer(result: ChildResult) -> Any:
    """The result in the JSON answer of the media child; raises the error it holds."""
    _check_end(result)
    try:
        answer = json.loads(result.stdout)
        error = answer.get("error")
        if error is None:
            return answer["result"]
        code = ErrorCode(error["code"])
        message = str(error["message"])
    except (ValueError, KeyError, AttributeError, TypeError) as broken:
        raise _crashed(result) from broken
    if error["kind"] == "refused":
        raise CuepointError(code, message)
    raise AdapterError(code, message, retryable=False)


def check_ffmpeg(result: ChildResult, code: ErrorCode, message: str) -> None:
    """Nothing if ffmpeg did its work; else the limit it met, a crash, or `code` with `message`."""
    if result.returncode == 0 and not result.timed_out:
        return
    _check_end(result)
    if code is ErrorCode.UNSUPPORTED_MEDIA:
        raise CuepointError(code, message)
    advice = _BROKEN if _BROKEN_TEXT in result.stderr else ""
    raise AdapterError(code, message + advice, retryable=False, detail=_detail(result))


def _check_end(result: ChildResult) -> None:
    if result.timed_out:
        raise _limit("Working on the file took longer than one job may take.")
    if -result.returncode in _OVER_LIMIT_SIGNALS:
        raise _limit("Working on the file needs more computing or disk than one job may use.")
    if result.returncode != 0:
        if any(text in result.stderr for text in _OVER_LIMIT_TEXTS):
            raise _limit("Working on the file needs more memory or disk than one job may use.")
        if _NO_SPACE_TEXT in result.stderr:
            raise AdapterError(
                ErrorCode.INSUFFICIENT_STORAGE, "The disk is full.", retryable=True, detail=_detail(result)
            )
    if result.returncode < 0:
        raise _crashed(result)


def _limit(message: str) -> CuepointError:
    return CuepointError(ErrorCode.MEDIA_LIMIT_EXCEEDED, message)


def _crashed(result: ChildResult) -> AdapterError:
    return AdapterError(
        ErrorCode.CHILD_CRASHED,
        f"The media child ended unexpectedly (status {result.returncode}).",
        retryable=True,
        detail=_detail(result),
    )


def _detail(result: ChildResult) -> str:
    return result.stderr[-_DETAIL_CHARACTERS:]

"""How a child ended becomes one typed error; a client never reads a path or ffmpeg's own words."""

from __future__ import annotations

import json
import signal

import pytest

from cuepoint.adapters.media.failures import check_answer, check_ffmpeg
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.child import ChildResult


def ended(returncode: int = 0, stdout: bytes = b"", stderr: str = "", *, timed_out: bool = False) -> ChildResult:
    return ChildResult(returncode, stdout, stderr, timed_out)


class TestCheckAnswer:
    def test_gives_the_result(self) -> None:
        assert check_answer(ended(stdout=b'{"result": {"a": 1}}')) == {"a": 1}

    def test_a_refusal(self) -> None:
        error = {"kind": "refused", "code": "UNSUPPORTED_MEDIA", "message": "no"}

        with pytest.raises(CuepointError) as caught:
            check_answer(ended(stdout=json.dumps({"error": error}).encode()))

        assert (caught.value.code, caught.value.message) == (ErrorCode.UNSUPPORTED_MEDIA, "no")

    def test_a_failure(self) -> None:
        error = {"kind": "failed", "code": "RENDER_FAILED", "message": "no"}

        with pytest.raises(AdapterError) as caught:
            check_answer(ended(stdout=json.dumps({"error": error}).encode()))

        assert (caught.value.code, caught.value.retryable) == (ErrorCode.RENDER_FAILED, False)

    @pytest.mark.parametrize(
        "stdout", [b"", b"not json", b"[]", b"{}", b'{"error": {"code": "NONE"}}', b'{"error": {}}', b'{"error": 1}']
    )
    def test_a_broken_answer_is_a_crash(self, stdout: bytes) -> None:
        with pytest.raises(AdapterError) as caught:
            check_answer(ended(stdout=stdout))

        assert (caught.value.code, caught.value.retryable) == (ErrorCode.CHILD_CRASHED, True)


class TestCheckFfmpeg:
    @pytest.mark.parametrize(
        ("result", "code"),
        [
            (ended(timed_out=True), ErrorCode.MEDIA_LIMIT_EXCEEDED),
            (ended(-signal.SIGXCPU), ErrorCode.MEDIA_LIMIT_EXCEEDED),
            (ended(-signal.SIGXFSZ), ErrorCode.MEDIA_LIMIT_EXCEEDED),
            (ended(1, stderr="av_malloc: Cannot allocate memory"), ErrorCode.MEDIA_LIMIT_EXCEEDED),
        ],
    )
    def test_limits(self, result: ChildResult, code: ErrorCode) -> None:
        with pytest.raises(CuepointError) as caught:
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "no")

        assert caught.value.code is code

    @pytest.mark.parametrize(
        ("result", "code", "retryable"),
        [
            (ended(-signal.SIGSEGV), ErrorCode.CHILD_CRASHED, True),
            (ended(1, stderr="/secret/x: No space left on device"), ErrorCode.INSUFFICIENT_STORAGE, True),
            (ended(1, stderr="/secret/x: Conversion failed"), ErrorCode.RENDER_FAILED, False),
        ],
    )
    def test_failures(self, result: ChildResult, code: ErrorCode, *, retryable: bool) -> None:
        with pytest.raises(AdapterError) as caught:
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "no")

        assert (caught.value.code, caught.value.retryable) == (code, retryable)
        assert "/secret" not in caught.value.message

    def test_what_cannot_be_decoded_says_what_to_do(self) -> None:
        words = "[dec:mjpeg @ 0x1] Decode error rate 0.83 exceeds maximum 0.66"

        with pytest.raises(AdapterError) as caught:
            check_ffmpeg(ended(69, stderr=words), ErrorCode.RENDER_FAILED, "The clip could not be rendered.")

        assert caught.value.message == (
            "The clip could not be rendered. Most of what it shows cannot be decoded: the file is damaged there. "
            "Choose another range."
        )

    def test_success_and_a_refusal(self) -> None:
        check_ffmpeg(ended(), ErrorCode.UNSUPPORTED_MEDIA, "no")

        with pytest.raises(CuepointError) as caught:
            check_ffmpeg(ended(1), ErrorCode.UNSUPPORTED_MEDIA, "no")

        assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA

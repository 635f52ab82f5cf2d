from __future__ import annotations

import pytest

from cuepoint.adapters.fetch.site_causes import cause_of
from cuepoint.errors import ErrorCode


class GeoRestrictedError(Exception):
    """Named as the library's."""


class UnsupportedError(Exception):
    """Named as the library's."""


WORDS = {
    "Sign in to confirm you're not a bot. Use --cookies-from-browser": ErrorCode.SOURCE_BOT_CHECK,
    "Please solve the CAPTCHA": ErrorCode.SOURCE_BOT_CHECK,
    "This video is not available in your country": ErrorCode.SOURCE_GEO_BLOCKED,
    "HTTP Error 451: Unavailable For Legal Reasons": ErrorCode.SOURCE_GEO_BLOCKED,
    "Private video. Sign in if you've been granted access": ErrorCode.SOURCE_LOGIN_REQUIRED,
    "This video is only available for registered users": ErrorCode.SOURCE_LOGIN_REQUIRED,
    "HTTP Error 403: Forbidden": ErrorCode.SOURCE_LOGIN_REQUIRED,
    "HTTP Error 404: Not Found": ErrorCode.SOURCE_GONE,
    "Video unavailable. This video has been removed by the uploader": ErrorCode.SOURCE_GONE,
    "File is larger than max-filesize (9 bytes > 8 bytes). Aborting.": ErrorCode.SOURCE_TOO_LARGE,
    "Unsupported URL: https://example.org/?token=secret": ErrorCode.UNSUPPORTED_MEDIA,
    "no file was written": ErrorCode.UNSUPPORTED_MEDIA,
    "Read timed out.": ErrorCode.SOURCE_TIMEOUT,
    "HTTP Error 500: Internal Server Error": ErrorCode.SOURCE_UNAVAILABLE,
}


class TestCauseOf:
    @pytest.mark.parametrize(("words", "code"), WORDS.items(), ids=[str(n) for n in range(len(WORDS))])
    def test_by_words(self, words: str, code: ErrorCode) -> None:
        found, message, is_retryable = cause_of(Exception(f"ERROR: {words}"))

        assert found is code
        assert is_retryable == (code in (ErrorCode.SOURCE_TIMEOUT, ErrorCode.SOURCE_UNAVAILABLE))
        assert "secret" not in message
        assert not message.startswith("ERROR")

    @pytest.mark.parametrize(
        ("inner", "code"),
        [
            (GeoRestrictedError("no"), ErrorCode.SOURCE_GEO_BLOCKED),
            (UnsupportedError("no"), ErrorCode.UNSUPPORTED_MEDIA),
        ],
        ids=["geo", "unsupported"],
    )
    def test_by_the_exception_that_is_kept_in_another(self, inner: Exception, code: ErrorCode) -> None:
        outer = Exception("it failed")
        outer.exc_info = (type(inner), inner, None)  # type: ignore[attr-defined]

        assert cause_of(outer)[0] is code

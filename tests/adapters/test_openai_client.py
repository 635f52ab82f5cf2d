"""What servers ask for in `Retry-After`, in each of its spellings."""

from __future__ import annotations

import pytest

from cuepoint.adapters.openai_client import MAX_RETRY_AFTER_SECONDS, retry_after_seconds

NOW = 1_700_000_000.0  # 14 November 2023 22:13:20 GMT


class TestRetryAfterSeconds:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "12"}, 12.0),
            ({"retry-after": "0.5"}, 0.5),
            ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
            ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
            ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
            ({"retry-after": "-5"}, 0.0),
            ({"retry-after": "86400"}, MAX_RETRY_AFTER_SECONDS),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "inf"}, None),
        ],
    )
    def test_reads_each_spelling(self, headers: dict[str, str], seconds: float | None) -> None:
        assert retry_after_seconds(headers, now=NOW) == seconds

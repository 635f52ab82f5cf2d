"""MIME types by container and tracks."""

from __future__ import annotations

import pytest

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.features.videos.content_types import content_type_of


class TestContentTypeOf:
    @pytest.mark.parametrize(
        ("container", "track", "expected"),
        [
            ("mp4", "VIDEO", "video/mp4"),
            ("mp4", "AUDIO", "audio/mp4"),
            ("m4a", "AUDIO", "audio/mp4"),
            ("mov", "VIDEO", "video/quicktime"),
            ("webm", "VIDEO", "video/webm"),
            ("webm", "AUDIO", "audio/webm"),
            ("matroska", "VIDEO", "video/x-matroska"),
            ("mpegts", "VIDEO", "video/mp2t"),
            ("avi", "VIDEO", "video/x-msvideo"),
            ("mp3", "AUDIO", "audio/mpeg"),
            ("wav", "AUDIO", "audio/wav"),
            ("ogg", "AUDIO", "audio/ogg"),
            ("flac", "AUDIO", "audio/flac"),
            ("nut", "VIDEO", "application/octet-stream"),
        ],
    )
    def test_names_what_browsers_know(self, container: str, track: str, expected: str) -> None:
        info = MediaInfo(container, 1_000, 10, None, (TrackInfo(index=0, type=track, codec="x"),))  # type: ignore[arg-type]

        assert content_type_of(info) == expected

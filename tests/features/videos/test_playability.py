"""Which originals browsers play."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.features.videos.playability import plays_in_browsers


def media(container: str, video: str | None, audio: str | None, **facts: object) -> MediaInfo:
    tracks = []
    if video is not None:
        tracks.append(replace(TrackInfo(0, "VIDEO", video, pixel_format="yuv420p"), **facts))
    if audio is not None:
        tracks.append(TrackInfo(1, "AUDIO", audio))
    return MediaInfo(container, 1000, 1, None, tuple(tracks))


def named(info: MediaInfo) -> str:
    return " ".join([info.container, *(f"{track.codec}-{track.pixel_format}-{track.hdr}" for track in info.tracks)])


class TestPlaysInBrowsers:
    @pytest.mark.parametrize(
        "info",
        [
            fake_media_info(),
            media("mp4", "h264", "mp3float"),
            media("mp4", "libdav1d", None),
            media("webm", "vp9", "opus"),
            media("webm", "vp8", "vorbis"),
            media("mp3", None, "mp3float"),
            media("wav", None, "pcm_s16le"),
            media("m4a", None, "aac"),
            media("ogg", None, "opus"),
        ],
        ids=named,
    )
    def test_these(self, info: MediaInfo) -> None:
        assert plays_in_browsers(info)

    @pytest.mark.parametrize(
        "info",
        [
            media("mp4", "hevc", "aac"),
            media("mp4", "h264", "ac3"),
            media("mp4", "h264", "aac", pixel_format="yuv420p10le"),
            media("mp4", "h264", "aac", pixel_format="yuv444p"),
            media("webm", "vp9", "opus", hdr="HLG"),
            media("mp4", "h264", "aac", is_interlaced=True),
            media("mov", "h264", "aac"),
            media("matroska", "h264", "aac"),
            media("avi", "mpeg4", "mp3float"),
            media("mpegts", "h264", "aac"),
            media("m4a", None, "alac"),
            media("asf", None, "wmav2"),
        ],
        ids=named,
    )
    def test_not_these(self, info: MediaInfo) -> None:
        assert not plays_in_browsers(info)

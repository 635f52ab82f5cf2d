"""Which originals browsers play."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.features.videos.playability import ProxyReason, proxy_reason


def media(container: str, video: str | None, audio: str | None, **facts: object) -> MediaInfo:
    tracks = []
    if video is not None:
        tracks.append(replace(TrackInfo(0, "VIDEO", video, pixel_format="yuv420p"), **facts))
    if audio is not None:
        tracks.append(TrackInfo(1, "AUDIO", audio))
    return MediaInfo(container, 1000, 1, None, tuple(tracks))


def named(info: object) -> str | None:
    if not isinstance(info, MediaInfo):
        return None
    return " ".join([info.container, *(f"{track.codec}-{track.pixel_format}-{track.hdr}" for track in info.tracks)])


class TestProxyReason:
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
    def test_these_need_none(self, info: MediaInfo) -> None:
        assert proxy_reason(info) is None

    @pytest.mark.parametrize(
        ("info", "reason"),
        [
            (media("mp4", "hevc", "aac"), ProxyReason.VIDEO_CODEC),
            (media("mp4", "h264", "ac3"), ProxyReason.AUDIO_CODEC),
            (media("mp4", "h264", "aac", pixel_format="yuv420p10le"), ProxyReason.PIXEL_FORMAT),
            (media("mp4", "h264", "aac", pixel_format="yuv444p"), ProxyReason.PIXEL_FORMAT),
            (media("webm", "vp9", "opus", hdr="HLG"), ProxyReason.HDR),
            (media("mp4", "h264", "aac", is_interlaced=True), ProxyReason.INTERLACED),
            (media("mov", "h264", "aac"), ProxyReason.CONTAINER),
            (media("matroska", "h264", "aac"), ProxyReason.CONTAINER),
            (media("avi", "mpeg4", "mp3float"), ProxyReason.CONTAINER),
            (media("mpegts", "h264", "aac"), ProxyReason.CONTAINER),
            (media("m4a", None, "alac"), ProxyReason.AUDIO_CODEC),
            (media("asf", None, "wmav2"), ProxyReason.CONTAINER),
        ],
        ids=named,
    )
    def test_these_say_which(self, info: MediaInfo, reason: ProxyReason) -> None:
        assert proxy_reason(info) is reason

    @pytest.mark.parametrize("video", ["h264", None], ids=["pictures", "sound alone"])
    def test_another_sound_than_the_first_track(self, video: str | None) -> None:
        info = media("mp4", video, "aac")
        dubbed = replace(info, tracks=(*info.tracks, TrackInfo(2, "AUDIO", "aac")))

        assert proxy_reason(dubbed.with_default_audio(1)) is None
        assert proxy_reason(dubbed.with_default_audio(2)) is ProxyReason.AUDIO_TRACK

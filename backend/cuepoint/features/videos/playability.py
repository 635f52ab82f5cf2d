"""Whether browsers play an original as it is, and why not; pure.

The rule is what Chromium, Firefox and Safari all play of files: H.264 of 8 bits with AAC or MP3 in MP4, VP8, VP9 or
AV1 of 8 bits with Opus or Vorbis in WebM, and the common formats of sound alone. Anything else gets a proxy: better
one copy too many than a black screen. So do interlaced pictures, which browsers show with combs, and files whose sound
is not their first audio track, as browsers play that one.
"""

from __future__ import annotations

from enum import Enum

from cuepoint.adapters.media.base import MediaInfo

_PIXELS = {"yuv420p", "yuvj420p"}
_MP4_VIDEO = {"h264", "libdav1d", "av1"}
_WEBM_VIDEO = {"vp8", "vp9", "libvpx", "libvpx-vp9", "libdav1d", "av1"}
_MP4_AUDIO = {"aac", "mp3", "mp3float"}
_WEBM_AUDIO = {"opus", "libopus", "vorbis", "libvorbis"}
_PICTURES = {
    "mp4": (_MP4_VIDEO, _MP4_AUDIO),
    "m4a": (_MP4_VIDEO, _MP4_AUDIO),
    "webm": (_WEBM_VIDEO, _WEBM_AUDIO),
}
_SOUND = {
    "mp4": _MP4_AUDIO,
    "m4a": _MP4_AUDIO,
    "webm": _WEBM_AUDIO,
    "ogg": _WEBM_AUDIO,
    "mp3": {"mp3", "mp3float"},
    "aac": {"aac"},
    "flac": {"flac"},
    "wav": {"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"},
}


class ProxyReason(Enum):
    """Why browsers need a copy. Values are the names clients see."""

    CONTAINER = "CONTAINER"
    VIDEO_CODEC = "VIDEO_CODEC"
    PIXEL_FORMAT = "PIXEL_FORMAT"
    HDR = "HDR"
    INTERLACED = "INTERLACED"
    AUDIO_CODEC = "AUDIO_CODEC"
    AUDIO_TRACK = "AUDIO_TRACK"


def proxy_reason(info: MediaInfo) -> ProxyReason | None:
    """The first reason why the default tracks of the file do not play everywhere; None where they do."""
    if info.is_image:  # the four kinds that are accepted
        return None
    audio = info.audio
    codec = None if audio is None else audio.codec
    found = _of_pictures(info, codec) if info.video is not None else _of_sound(info, codec)
    if found is None and audio != next((track for track in info.tracks if track.type == "AUDIO"), None):
        return ProxyReason.AUDIO_TRACK
    return found


def _of_sound(info: MediaInfo, codec: str | None) -> ProxyReason | None:
    if info.container not in _SOUND:
        return ProxyReason.CONTAINER
    return None if codec in _SOUND[info.container] else ProxyReason.AUDIO_CODEC


def _of_pictures(info: MediaInfo, codec: str | None) -> ProxyReason | None:
    video = info.video
    known = _PICTURES.get(info.container)
    if video is None or known is None:
        return ProxyReason.CONTAINER
    if video.codec not in known[0]:
        return ProxyReason.VIDEO_CODEC
    if video.hdr is not None:
        return ProxyReason.HDR
    if video.pixel_format not in _PIXELS:
        return ProxyReason.PIXEL_FORMAT
    if video.is_interlaced:
        return ProxyReason.INTERLACED
    return None if codec is None or codec in known[1] else ProxyReason.AUDIO_CODEC

"""Whether browsers play an original as it is; pure.

The rule is what Chromium, Firefox and Safari all play of files: H.264 of 8 bits with AAC or MP3 in MP4, VP8, VP9 or
AV1 of 8 bits with Opus or Vorbis in WebM, and the common formats of sound alone. Anything else gets a proxy: better
one copy too many than a black screen. So do interlaced pictures, which browsers show with combs.
"""

from __future__ import annotations

from cuepoint.adapters.media.base import MediaInfo

_PIXELS = {"yuv420p", "yuvj420p"}
_MP4_VIDEO = {"h264", "libdav1d", "av1"}
_WEBM_VIDEO = {"vp8", "vp9", "libvpx", "libvpx-vp9", "libdav1d", "av1"}
_MP4_AUDIO = {"aac", "mp3", "mp3float"}
_WEBM_AUDIO = {"opus", "libopus", "vorbis", "libvorbis"}
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


def plays_in_browsers(info: MediaInfo) -> bool:
    """Whether the default tracks of the file play everywhere."""
    if info.is_image:  # the four kinds that are accepted
        return True
    video, audio = info.video, info.audio
    codec = None if audio is None else audio.codec
    if video is None:
        return codec in _SOUND.get(info.container, set())
    if video.pixel_format not in _PIXELS or video.hdr is not None or video.is_interlaced:
        return False
    if info.container in {"mp4", "m4a"}:
        return video.codec in _MP4_VIDEO and (codec is None or codec in _MP4_AUDIO)
    return info.container == "webm" and video.codec in _WEBM_VIDEO and (codec is None or codec in _WEBM_AUDIO)

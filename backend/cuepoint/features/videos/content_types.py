"""The MIME type of a probed file: from its container and codecs, never from its name; pure."""

from __future__ import annotations

from cuepoint.adapters.media.base import MediaInfo

UNKNOWN = "application/octet-stream"
# What the WebM container guidelines allow; anything else in the same container makes it Matroska.
_WEBM_CODECS = frozenset({"vp8", "vp9", "av1", "libdav1d", "vorbis", "opus"})
# Names of libavformat's demuxers, each with the type's last part for a file with a picture and for sound alone.
_BY_DEMUXER = (
    ("mp4", "video/mp4", "audio/mp4"),
    ("mpegts", "video/mp2t", "audio/mp2t"),
    ("mpeg", "video/mpeg", "audio/mpeg"),
    ("avi", "video/x-msvideo", UNKNOWN),
    ("flv", "video/x-flv", "audio/x-flv"),
    ("asf", "video/x-ms-asf", "audio/x-ms-wma"),
    ("ogg", "video/ogg", "audio/ogg"),
    ("mp3", "audio/mpeg", "audio/mpeg"),  # an MP3 with a cover still is sound
    ("wav", "audio/wav", "audio/wav"),
    ("flac", "audio/flac", "audio/flac"),
    ("aac", "audio/aac", "audio/aac"),
)


def content_type_of(info: MediaInfo) -> str:
    """The MIME type; `application/octet-stream` for containers that browsers have no name for."""
    names = set(info.container.split(","))
    if "matroska" in names:
        codecs = {track.codec for track in info.tracks if track.type in ("VIDEO", "AUDIO")}
        suffix = "webm" if codecs <= _WEBM_CODECS else "x-matroska"
        return f"video/{suffix}" if info.video is not None else f"audio/{suffix}"
    for demuxer, with_picture, sound_alone in _BY_DEMUXER:
        if demuxer in names:
            return with_picture if info.video is not None else sound_alone
    return UNKNOWN

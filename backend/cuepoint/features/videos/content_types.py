"""The MIME type of a probed file: from its container and tracks, never from its name; pure."""

from __future__ import annotations

from cuepoint.adapters.media.base import MediaInfo

UNKNOWN = "application/octet-stream"
# By the container as the probe names it: the type of a file with a picture, and of sound alone.
_TYPES = {
    "mp4": ("video/mp4", "audio/mp4"),
    "m4a": ("video/mp4", "audio/mp4"),
    "mov": ("video/quicktime", "audio/mp4"),
    "3gp": ("video/3gpp", "audio/3gpp"),
    "webm": ("video/webm", "audio/webm"),
    "matroska": ("video/x-matroska", "audio/x-matroska"),
    "mpegts": ("video/mp2t", "audio/mp2t"),
    "mpeg": ("video/mpeg", "audio/mpeg"),
    "avi": ("video/x-msvideo", UNKNOWN),
    "flv": ("video/x-flv", "audio/x-flv"),
    "asf": ("video/x-ms-asf", "audio/x-ms-wma"),
    "ogg": ("video/ogg", "audio/ogg"),
    "mp3": ("audio/mpeg", "audio/mpeg"),  # a picture in one is its cover
    "wav": ("audio/wav", "audio/wav"),
    "flac": ("audio/flac", "audio/flac"),
    "aac": ("audio/aac", "audio/aac"),
    "png": ("image/png", UNKNOWN),
    "jpeg": ("image/jpeg", UNKNOWN),
    "webp": ("image/webp", UNKNOWN),
    "gif": ("image/gif", UNKNOWN),
}


def content_type_of(info: MediaInfo) -> str:
    """The MIME type; `application/octet-stream` for containers that browsers have no name for."""
    with_picture, sound_alone = _TYPES.get(info.container, (UNKNOWN, UNKNOWN))
    return with_picture if info.picture is not None else sound_alone

"""Choosing a still picture that is neither black nor blurred, and writing it as JPEG; in the media child only.

About eight key frames spread over the file are compared on a small grey copy: the mean says whether the picture is
black or washed out, the standard deviation whether anything is on it, and the variance of the Laplacian how sharp it
is. Files without reachable key frames (very short ones, open groups) give their first decodable frame.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from fractions import Fraction

import numpy
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cuepoint.adapters.media.base import MediaCaps, PosterInfo
from cuepoint.adapters.media.images import kind_of, write_image
from cuepoint.adapters.media.pictures import picture_stream, shown_size, time_ms, upright
from cuepoint.adapters.media.source import (
    MAX_PACKETS_TO_FIRST_FRAME,
    FFmpegError,
    Source,
    frames_of,
    open_source,
    picture_kind,
    rewind,
)

CANDIDATES = 8
MAX_SIDE = 1280
JPEG_QUALITY = 85
_GREY_WIDTH = 320  # enough to tell sharp from blurred, and the same scale for every source size
_DARKEST_MEAN, _BRIGHTEST_MEAN = 24.0, 232.0  # of 0-255: black is 16 in video range, white 235
_LEAST_DEVIATION = 8.0  # a plain wall or a fade has less


def write_poster(descriptor: int, target: int, caps: MediaCaps, duration_ms: int | None) -> PosterInfo | None:
    """Write the best candidate to the descriptor `target`; None when no picture can be decoded."""
    kind = kind_of(descriptor)
    if kind is not None:
        return write_image(descriptor, kind, target, caps, MAX_SIDE, JPEG_QUALITY)
    source = open_source(descriptor, caps)
    stream = picture_stream(source)
    if stream is None:
        return None
    best = max(_candidates(source, stream, duration_ms), key=score, default=None) or _first(source, stream)
    if best is None:
        return None
    picture = upright(best, shown_size(best, stream, MAX_SIDE), picture_kind(stream))
    with os.fdopen(target, "wb") as file:
        picture.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return PosterInfo(time_ms(source, best), picture.width, picture.height)


def score(frame: VideoFrame) -> tuple[bool, float]:
    """Higher is better; pictures that are not black, white or empty come before all others."""
    height = max(8, round(_GREY_WIDTH * frame.height / frame.width))
    grey = frame.reformat(_GREY_WIDTH, min(height, 4 * _GREY_WIDTH), "gray").to_ndarray().astype(numpy.float32)
    mean, deviation = float(grey.mean()), float(grey.std())
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    usable = _DARKEST_MEAN <= mean <= _BRIGHTEST_MEAN and deviation >= _LEAST_DEVIATION
    return usable, deviation * math.log1p(float(laplacian.var()))


def _candidates(source: Source, stream: VideoStream, duration_ms: int | None) -> Iterator[VideoFrame]:
    if duration_ms is None or stream.time_base is None:
        return
    stream.codec_context.skip_frame = "NONKEY"
    tick = Fraction(stream.time_base)
    seen: set[int | None] = set()
    for number in range(CANDIDATES):
        mark = Fraction(duration_ms * (2 * number + 1), 2 * CANDIDATES * 1000)
        try:
            source.container.seek(int((mark + source.zero) / tick), stream=stream, backward=True)
        except FFmpegError:  # behind the readable part of a truncated file
            continue
        frame = next(frames_of(source, stream, MAX_PACKETS_TO_FIRST_FRAME), None)
        if isinstance(frame, VideoFrame) and frame.pts not in seen:
            seen.add(frame.pts)
            yield frame


def _first(source: Source, stream: VideoStream) -> VideoFrame | None:
    stream.codec_context.skip_frame = "DEFAULT"
    rewind(source)
    frame = next(frames_of(source, stream, MAX_PACKETS_TO_FIRST_FRAME), None)
    return frame if isinstance(frame, VideoFrame) else None

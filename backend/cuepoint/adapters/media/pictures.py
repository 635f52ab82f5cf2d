"""Single pictures of a video as they are shown: found by time, upright, with square pixels; in the media child only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from cuepoint.adapters.media.light import on_screen
from cuepoint.adapters.media.plan import PictureKind
from cuepoint.adapters.media.source import (
    Source,
    clockwise_rotation,
    decoded,
    is_moving_picture,
    milliseconds,
    packets_of,
    pixel_aspect,
    rewind,
    seek,
)

_SMPTE_170M = 6  # ITU-T H.273, table 4
_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
# Where a container has no index, a seek lands near a time of decoding, which may be behind the one asked for.
_LEADS_MS = (0, 2_000, 20_000)
# Kept by what they make: setting one up takes as long as scaling a small picture.
_scalers: defaultdict[tuple[int, int, str | None], VideoReformatter] = defaultdict(VideoReformatter)


def picture_stream(source: Source) -> VideoStream | None:
    """The first track of moving pictures."""
    return next((s for s in source.container.streams.video if is_moving_picture(s)), None)


def time_ms(source: Source, frame: VideoFrame) -> int:
    """When the picture is shown, on the media's time line."""
    if frame.pts is None or frame.time_base is None:
        return 0
    return max(0, milliseconds(frame.pts * Fraction(frame.time_base) - source.zero))


def frames_from(source: Source, stream: VideoStream, at_ms: int) -> Iterator[VideoFrame]:
    """Every picture from the key frame at or before the time on."""
    _seek(source, stream, at_ms)
    for frame in decoded(packets_of(source, stream)):
        if isinstance(frame, VideoFrame):
            yield frame


def frame_shown_at(source: Source, stream: VideoStream, at_ms: int) -> VideoFrame | None:
    """The picture on the screen at that time: the last that began by then, else the first there is."""
    for lead_ms in _LEADS_MS:
        shown = None
        for frame in frames_from(source, stream, at_ms - lead_ms):
            if shown is not None and time_ms(source, frame) > at_ms:
                break
            shown = frame
        if shown is not None and (time_ms(source, shown) <= at_ms or lead_ms >= at_ms):
            return shown
    return None


def upright(frame: VideoFrame, size: tuple[int, int], kind: PictureKind) -> Image.Image:
    """The picture in that size, turned as players turn it; of two fields, one. `size` is what `shown_size` gave."""
    turn, stored = clockwise_rotation(frame), stored_size(frame, size)
    return turned(coloured(one_field(frame), stored, kind), turn)


def coloured(frame: VideoFrame, size: tuple[int, int], kind: PictureKind) -> Image.Image:
    """The picture in that size in the colours of screens (those of Rec. 709)."""
    said: dict[str, Any] = {}
    if kind.is_yuv:
        matrix = Colorspace.ITU601 if kind.matrix == _SMPTE_170M else kind.matrix  # of two equal ones it knows one
        said = {"src_colorspace": matrix, "src_color_range": ColorRange.JPEG if kind.is_full_range else ColorRange.MPEG}
    stored = scaled(frame, *size, "rgb48le" if kind.is_hdr else "rgb24", **said).to_ndarray()
    return Image.fromarray(stored if (kind.primaries, kind.curve) == (1, 1) else on_screen(stored, kind))


def one_field(frame: VideoFrame) -> VideoFrame:
    """Half the lines of a picture that is woven of two moments; others as they are."""
    if not frame.interlaced_frame:
        return frame
    graph = Graph()
    begin = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(frame.time_base or 1)
    )
    begin.link_to(field := graph.add("field"))
    field.link_to(end := graph.add("buffersink"))
    graph.configure()
    begin.push(frame)
    found = end.pull()
    return found if isinstance(found, VideoFrame) else frame


def stored_size(frame: VideoFrame, size: tuple[int, int]) -> tuple[int, int]:
    """The size before it is turned of a picture that is shown in that size."""
    return size if clockwise_rotation(frame) in {0, 180} else (size[1], size[0])


def turned(picture: Image.Image, clockwise: int) -> Image.Image:
    """The picture turned by 0, 90, 180 or 270 degrees."""
    turn = _TURNS.get(clockwise)  # Pillow counts counter-clockwise
    return picture if turn is None else picture.transpose(turn)


def shown_size(frame: VideoFrame, stream: VideoStream, longest_side: int) -> tuple[int, int]:
    """Width and height as displayed, shrunk to the longest side; never enlarged."""
    width, height = frame.width * pixel_aspect(stream), Fraction(frame.height)
    if clockwise_rotation(frame) in {90, 270}:
        width, height = height, width
    shrink = min(Fraction(1), longest_side / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def grey(frame: VideoFrame, width: int, height: int) -> numpy.ndarray[Any, Any]:
    """A small copy in shades of grey, one byte each; black is 16 in video range and 0 in full range."""
    return scaled(frame, width, height, "gray").to_ndarray()


def scaled(frame: VideoFrame, width: int, height: int, format: str | None = None, **said: Any) -> VideoFrame:
    """A copy in that size and format, by one thread: starting more costs more than they save."""
    return _scalers[width, height, format].reformat(frame, width, height, format, threads=1, **said)


def _seek(source: Source, stream: VideoStream, at_ms: int) -> None:
    if at_ms <= 0:
        rewind(source)
    else:
        seek(source, stream, Fraction(at_ms, 1000) + source.zero)

"""Opening a foreign file with PyAV by its descriptor alone, within the caps; runs in the media child only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import av.container
import av.error
import av.stream
import av.video.frame
import av.video.stream

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.boxes import check_boxes
from cuepoint.adapters.media.plan import HDR_CURVES, PictureKind
from cuepoint.adapters.media.sniff import DEMUXERS, HEAD_BYTES, Extent, extent, not_media
from cuepoint.errors import CuepointError, ErrorCode

# A picture whose first frame does not come within so many packets is given up (a GOP is 250 frames by default).
MAX_PACKETS_TO_FIRST_FRAME = 600
MAX_REORDERED = 16  # frames that H.264 and HEVC may store before one that is shown earlier
# How far before a time to look for a key frame: containers with an index find it at once, streams (MPEG-TS) not.
LOOK_BACK_SECONDS = (0, 2, 15, 90, None)
SAMPLE_RATES = (1000, 768_000)  # telephones have 8000, the fastest recorders 768,000; 1 Hz grows 16,000-fold as speech
# 5 KB with three blocks over 11 hours become 1.3 GB of silence; the barest speech codec takes 88 bytes a second.
LEAST_BYTES_PER_SECOND = 8
_SPARSE_FROM_MS = 600_000
MAX_CHANNELS = 64  # the largest layout that codecs agree on (22.2 has 24, ambisonics of seventh order 64)
_PIXEL_ASPECT_RANGE = (Fraction(1, 8), Fraction(8))  # beyond it the file lies; real ones lie between 1/2 and 2
# Numbers of ITU-T H.273, tables 2 and 4, that occur in files of today; any other is taken for unsaid.
_PRIMARIES, _MATRICES = (1, 5, 6, 7, 9, 12), (1, 4, 5, 6, 7, 9)
_BT2020, _REC_709, _REC_601, _FULL_RANGE = 9, 1, 6, 2
_HD_LINES = 720  # files that do not say it have the matrix of Rec. 709 from here on, below it that of Rec. 601
PROGRESSIVE = 1  # AVFieldOrder: 0 is unknown, all above are orders of fields
_NEVER_WOVEN = ("vp8", "vp9", "av1", "gif", "apng", "webp")
_LEAST_WOVEN = 8  # pixels of a side: the filter takes no less than 4

# MPEG-TS and -PS. Their time stamps have 33 bits: ffmpeg counts those of the last minute before they begin anew as
# negative. They have no index: a seek by time searches, and lands beside the place.
MPEG_STREAMS = ("mpegts", "mpeg")

FFmpegError = av.error.FFmpegError


@dataclass(frozen=True)
class Source:
    """An opened file and what its bytes told before a demuxer saw them."""

    container: av.container.InputContainer
    head: bytes
    size_bytes: int
    extent: Extent

    @property
    def zero(self) -> Fraction:
        """Where the media time line begins, in seconds of the container's own time stamps.

        Players show a stream of 1.4 s offset (MPEG-TS) from its start; one that begins before 0 (the priming
        samples of Opus) they show from 0, unless its time stamps will have come round to 0.
        """
        start = self.container.start_time or 0
        return Fraction(start if self.container.format.name in MPEG_STREAMS else max(0, start), av.time_base)

    def is_truncated(self) -> bool:
        """Whether the file is shorter than it says."""
        return self.extent.is_truncated(self.size_bytes)


def open_source(descriptor: int, caps: MediaCaps) -> Source:
    """Raises UNSUPPORTED_MEDIA, MEDIA_TRUNCATED or MEDIA_LIMIT_EXCEEDED as a CuepointError."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEAD_BYTES, 0)
    found = not_media(head, size)
    if found is not None:
        raise unsupported(f"This is {found}, not a video or audio file.")
    known = extent(descriptor, head, size)
    if known.has_index is False:
        raise CuepointError(
            ErrorCode.MEDIA_TRUNCATED,
            "The file ends early: the index (moov) is missing, so nothing in it can be decoded. Upload it again.",
        )
    check_boxes(descriptor, head, size)
    options = {"fd": str(descriptor), "protocol_whitelist": "fd", "format_whitelist": DEMUXERS}
    try:
        container = av.open("fd:", options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except (FFmpegError, ValueError) as error:
        if known.is_truncated(size):
            raise CuepointError(
                ErrorCode.MEDIA_TRUNCATED, f"The file ends early: {byte_counts(known, size)}. Upload it again."
            ) from error
        raise unsupported("The content is neither a known video nor a known audio format.") from error
    source = Source(container, head, size, known)
    _check_caps(source, caps)
    return source


def unsupported(message: str) -> CuepointError:
    """The refusal of a file that cannot be used as media."""
    return CuepointError(ErrorCode.UNSUPPORTED_MEDIA, message)


def byte_counts(known: Extent, size_bytes: int) -> str:
    """How much of the file is there."""
    return f"{size_bytes} of {known.expected_bytes} bytes are there"


def _check_caps(source: Source, caps: MediaCaps) -> None:
    streams = source.container.streams
    if len(streams) > caps.max_tracks:
        raise beyond(f"The file has {len(streams)} tracks; at most {caps.max_tracks} are accepted.")
    duration = (source.container.duration or 0) * 1000 // av.time_base
    if duration > caps.max_duration_ms:
        raise beyond(
            f"The media last {duration // 1000} s; at most {caps.max_duration_ms // 1000} s are accepted "
            "(CUEPOINT_MEDIA_MAX_DURATION_SECONDS)."
        )
    if duration > _SPARSE_FROM_MS and source.size_bytes * 1000 < duration * LEAST_BYTES_PER_SECOND:
        raise beyond(f"The media last {duration // 1000} s by their own word and have only {source.size_bytes} bytes.")
    for stream in streams:
        if isinstance(stream.codec_context, av.VideoCodecContext):
            _check_picture(stream.codec_context, caps)
        elif isinstance(stream.codec_context, av.AudioCodecContext):
            _check_sound(stream.codec_context)


def _check_picture(context: av.VideoCodecContext, caps: MediaCaps) -> None:
    if (context.width or 0) * (context.height or 0) > caps.max_pixels:
        raise beyond(too_many_pixels(context.width, context.height, caps))
    context.options = {"max_pixels": str(caps.max_pixels)}  # pictures may grow on the way


def _check_sound(context: av.AudioCodecContext) -> None:
    least, most = SAMPLE_RATES
    if context.sample_rate and not least <= context.sample_rate <= most:
        raise beyond(f"The sound has {context.sample_rate} samples a second; accepted are {least} to {most}.")
    if context.channels > MAX_CHANNELS:
        raise beyond(f"The sound has {context.channels} channels; at most {MAX_CHANNELS} are accepted.")


def too_many_pixels(width: int, height: int, caps: MediaCaps) -> str:
    """What is said of a picture beyond the caps."""
    return (
        f"The picture has {width} x {height} pixels; at most {caps.max_pixels} are accepted "
        "(CUEPOINT_MEDIA_MAX_PIXELS)."
    )


def beyond(message: str) -> CuepointError:
    """The refusal of a file beyond the caps."""
    return CuepointError(ErrorCode.MEDIA_LIMIT_EXCEEDED, message)


def is_moving_picture(stream: av.stream.Stream) -> bool:
    """A video stream that is not a cover picture."""
    return stream.type == "video" and not stream.disposition & av.stream.Disposition.attached_pic


def pixel_aspect(stream: av.video.stream.VideoStream) -> Fraction:
    """Width of a pixel over its height; 1 where the file does not say or says nonsense."""
    aspect = stream.sample_aspect_ratio
    low, high = _PIXEL_ASPECT_RANGE
    return Fraction(aspect) if aspect and low <= aspect <= high else Fraction(1)


def picture_kind(stream: av.video.stream.VideoStream) -> PictureKind:
    """How its pictures are stored, by what the headers say."""
    context, name = stream.codec_context, stream.codec_context.pix_fmt or ""
    curve = context.color_trc if context.color_trc in HDR_CURVES else _REC_709
    is_wide = curve in HDR_CURVES or _BT2020 in {context.color_primaries, context.colorspace}
    sides = context.width or 0, context.height or 0
    unsaid = _BT2020 if is_wide else _REC_709 if min(sides) >= _HD_LINES else _REC_601
    is_yuv = "yuv" in name or name.startswith(("nv", "p0", "p2", "p4", "y2", "uy", "yuy"))
    return PictureKind(
        matrix=context.colorspace if context.colorspace in _MATRICES else unsaid,
        primaries=context.color_primaries
        if context.color_primaries in _PRIMARIES
        else _BT2020
        if is_wide
        else _REC_709,
        curve=curve,
        is_full_range=context.color_range == _FULL_RANGE or name.startswith("yuvj"),
        is_yuv=is_yuv,
        may_be_woven=stream.codec.canonical_name not in _NEVER_WOVEN and min(sides) >= _LEAST_WOVEN,
    )


def whole_kind(source: Source, stream: av.video.stream.VideoStream) -> PictureKind:
    """The same, and how woven pictures are turned: the first one says it, and is not read where none is woven."""
    kind = picture_kind(stream)
    if not kind.may_be_woven or stream.codec_context.field_order == PROGRESSIVE:
        return kind
    seek(source, stream, None)
    first = next(frames_of(source, stream, MAX_PACKETS_TO_FIRST_FRAME), None)
    return replace(kind, woven_turn=clockwise_rotation(first)) if isinstance(first, av.VideoFrame) else kind


def frames_of(source: Source, stream: av.stream.Stream, max_packets: int) -> Iterator[av.frame.Frame]:
    """Frames from where the file stands, at most those of `max_packets` packets; broken packets are skipped."""
    return decoded(islice(packets_of(source, stream), max_packets + 1))


def decoded(packets: Iterable[av.packet.Packet[Any]]) -> Iterator[av.frame.Frame]:
    """Frames of the packets; broken ones are skipped."""
    for packet in packets:
        try:
            yield from packet.decode()
        except MemoryError:
            raise
        except FFmpegError:
            continue


def packets_of(source: Source, stream: av.stream.Stream) -> Iterator[av.packet.Packet[Any]]:
    """Packets from where the file stands to where it ends or breaks."""
    try:
        yield from source.container.demux(stream)
    except MemoryError:
        raise
    except FFmpegError:  # the file ends or breaks here; what was read before stands
        return


def seek(source: Source, stream: av.stream.Stream, time: Fraction | None) -> None:
    """To a key frame at or before `time` (s); to the beginning where it is None or the file knows no seeking."""
    try:
        if time is not None and time > source.zero and stream.time_base is not None:
            source.container.seek(int(time / Fraction(stream.time_base)), stream=stream, backward=True)
            return
    except FFmpegError:  # no seek in this file: read it from the start
        pass
    rewind(source)


def rewind(source: Source) -> None:
    """To the beginning of the file."""
    start = min(0, source.container.start_time or 0)
    if source.container.format.name in MPEG_STREAMS:
        start -= av.time_base  # pictures are stored before they are shown
    try:
        source.container.seek(start)
    except FFmpegError:  # no key frame lies so early: Flash video whose sound begins first
        source.container.seek(start, backward=False)


def clockwise_rotation(frame: av.video.frame.VideoFrame) -> int:
    """How far the picture must be turned clockwise to stand upright: 0, 90, 180 or 270."""
    return round(-frame.rotation / 90) * 90 % 360


def milliseconds(seconds: Fraction) -> int:
    """Rounded to the nearest millisecond."""
    return round(seconds * 1000)

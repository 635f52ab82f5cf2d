"""What a container holds: tracks, codecs, sizes, rates and times; runs in the media child only."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import av
import av.stream
import av.video.frame
import av.video.stream

from cuepoint.adapters.media.base import MediaCaps, MediaInfo, TrackInfo
from cuepoint.adapters.media.sniff import container_name
from cuepoint.adapters.media.source import (
    MAX_PACKETS_TO_FIRST_FRAME,
    PROGRESSIVE,
    FFmpegError,
    Source,
    byte_counts,
    clockwise_rotation,
    frames_of,
    is_moving_picture,
    milliseconds,
    open_source,
    pixel_aspect,
    rewind,
    unsupported,
)
from cuepoint.errors import CuepointError, ErrorCode

_MAX_LANGUAGE_LENGTH = 35  # the longest registered BCP 47 tag
_SaidBy = Literal["CONTAINER", "TRACKS"]
_READING_SECONDS = 30.0  # of the 60 that a probe has; 20 GB from a slow disk take longer
_HDR_CURVES: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}  # ITU-T H.273, table 3
_STEADY_MS = Fraction(3, 2)  # containers round times to a millisecond; steady pictures differ by no more


def probe(descriptor: int, caps: MediaCaps) -> MediaInfo:
    """Headers, and the first frame of the first track that can be decoded."""
    source = open_source(descriptor, caps)
    streams = source.container.streams
    video = next((s for s in streams if is_moving_picture(s)), None)
    picture = _first_frame(source, video) if video is not None else None
    if picture is None and not any(_first_frame(source, s) for s in streams.audio):
        raise _nothing_decodable(source)
    duration_ms, said_by = _duration(source, caps)
    warnings = _truncation(source, duration_ms)
    if video is not None and picture is None:
        warnings += (f"UNDECODABLE: the video track {video.index} cannot be decoded",)
    return MediaInfo(
        container=container_name(source.container.format.name, source.head),
        duration_ms=duration_ms,
        size_bytes=source.size_bytes,
        bit_rate=source.container.bit_rate or None,
        tracks=tuple(_track(source, s, picture if s is video else None) for s in streams),
        warnings=warnings,
        duration_source=said_by,
    )


def audio_start_ms(descriptor: int, caps: MediaCaps, track_index: int) -> int:
    """Where the first sample of the track lies on the media time line, by decoding it."""
    source = open_source(descriptor, caps)
    stream = next((s for s in source.container.streams.audio if s.index == track_index), None)
    frame = _first_frame(source, stream) if stream is not None else None
    if frame is None:
        raise unsupported(f"The audio track {track_index} cannot be decoded.")
    begin = Fraction(0) if frame.pts is None or frame.time_base is None else frame.pts * Fraction(frame.time_base)
    return max(0, milliseconds(begin - source.zero))


def _first_frame(source: Source, stream: av.stream.Stream) -> av.frame.Frame | None:
    rewind(source)
    return next(frames_of(source, stream, MAX_PACKETS_TO_FIRST_FRAME), None)


def _nothing_decodable(source: Source) -> CuepointError:
    if source.is_truncated():
        return CuepointError(
            ErrorCode.MEDIA_TRUNCATED,
            f"The file ends early ({byte_counts(source.extent, source.size_bytes)}) and nothing in it can be decoded. "
            "Upload it again.",
        )
    if not any(s.type in {"video", "audio"} for s in source.container.streams):
        return unsupported("The file holds neither a video nor an audio track.")
    return unsupported("No video or audio track of the file can be decoded.")


def _duration(source: Source, caps: MediaCaps) -> tuple[int | None, _SaidBy | None]:
    """How long the media are, and who says it. What browsers record says nothing: it ends with its last packet, unless
    that lies where no media are accepted."""
    if source.container.duration is not None:
        return milliseconds(Fraction(source.container.duration, av.time_base)), "CONTAINER"
    known = [d for s in source.container.streams if (d := _duration_ms(s)) is not None]
    found = max(known) if known else _end_of_packets(source)
    return (found, "TRACKS") if 0 < found <= caps.max_duration_ms else (None, None)


def _end_of_packets(source: Source) -> int:
    """When the last packet ends, by reading to the end; 0 where they have no times, or are too many for the time that
    a probe has."""
    rewind(source)
    deadline, end = time.monotonic() + _READING_SECONDS, source.zero
    try:
        for packet in source.container.demux(*source.container.streams.video, *source.container.streams.audio):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base))
            if time.monotonic() > deadline:
                return 0
    except FFmpegError:  # it breaks off here
        pass
    return milliseconds(end - source.zero)


def _duration_ms(stream: av.stream.Stream) -> int | None:
    if stream.duration is None or stream.time_base is None:
        return None
    return milliseconds(stream.duration * Fraction(stream.time_base))


def _start_ms(source: Source, stream: av.stream.Stream) -> int | None:
    if stream.start_time is None or stream.time_base is None:
        return None
    return milliseconds(stream.start_time * Fraction(stream.time_base) - source.zero)


def _track(source: Source, stream: av.stream.Stream, picture: av.frame.Frame | None) -> TrackInfo:
    base = TrackInfo(
        index=stream.index,
        type=_type(stream),
        codec=stream.codec_context.name if stream.codec_context else None,
        language=_language(stream),
        is_default=bool(stream.disposition & av.stream.Disposition.default),
        duration_ms=_duration_ms(stream),
        start_ms=_start_ms(source, stream),
    )
    if isinstance(stream, av.video.stream.VideoStream) and base.type == "VIDEO":
        return _video_track(base, stream, picture if isinstance(picture, av.video.frame.VideoFrame) else None)
    if isinstance(stream, av.audio.stream.AudioStream):
        context = stream.codec_context
        return replace(
            base,
            channels=context.channels or None,
            sample_rate=context.sample_rate or None,
            bit_rate=context.bit_rate or None,
        )
    return base


def _video_track(
    base: TrackInfo, stream: av.video.stream.VideoStream, picture: av.video.frame.VideoFrame | None
) -> TrackInfo:
    context = stream.codec_context
    rotation = 0 if picture is None else clockwise_rotation(picture)
    width = round(context.width * pixel_aspect(stream)) or None
    height = context.height or None
    if rotation in {90, 270}:
        width, height = height, width
    rate = stream.average_rate or stream.guessed_rate
    return replace(
        base,
        width=width,
        height=height,
        rotation_degrees=rotation,
        frame_rate=(rate.numerator, rate.denominator) if rate else None,
        pixel_format=context.pix_fmt,
        bit_rate=context.bit_rate or None,
        hdr=_HDR_CURVES.get(context.color_trc),
        is_variable_frame_rate=_is_variable(stream),
        is_interlaced=_is_interlaced(context.field_order, picture),
    )


def _is_variable(stream: av.video.stream.VideoStream) -> bool | None:
    """Whether the distances of its pictures differ; None where the index does not list them all."""
    entries = stream.index_entries
    if stream.time_base is None or not stream.frames or len(entries) < max(3, stream.frames):
        return None
    times = [entry.timestamp for entry in entries]
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return (max(steps) - min(steps)) * 1000 * Fraction(stream.time_base) > _STEADY_MS


def _is_interlaced(field_order: int, picture: av.video.frame.VideoFrame | None) -> bool | None:
    """By the first picture and the headers; None where neither says anything."""
    if field_order > PROGRESSIVE or (picture is not None and picture.interlaced_frame):
        return True
    return False if field_order == PROGRESSIVE else None


def _type(stream: av.stream.Stream) -> Literal["VIDEO", "AUDIO", "SUBTITLE", "DATA"]:
    if is_moving_picture(stream):
        return "VIDEO"
    kinds: dict[str, Literal["AUDIO", "SUBTITLE"]] = {"audio": "AUDIO", "subtitle": "SUBTITLE"}
    return kinds.get(stream.type, "DATA")


def _language(stream: av.stream.Stream) -> str | None:
    language = stream.metadata.get("language", "")
    is_tag = language.isascii() and language.replace("-", "").isalnum() and len(language) <= _MAX_LANGUAGE_LENGTH
    return language if is_tag and language != "und" else None


def _truncation(source: Source, total: int | None) -> tuple[str, ...]:
    if not source.is_truncated():
        return ()
    readable = _readable_ms(source)
    if total is None or readable is None:
        return (f"TRUNCATED: {byte_counts(source.extent, source.size_bytes)}",)
    return (f"TRUNCATED: {readable / 1000:.1f} s of {total / 1000:.1f} s can be read",)


def _readable_ms(source: Source) -> int | None:
    """The end of the last sample that lies whole inside the file, by the container's index; None without one."""
    ends = [
        entry.timestamp * Fraction(stream.time_base)
        for stream in source.container.streams
        if stream.type in {"video", "audio"} and stream.time_base
        for entry in stream.index_entries
        if entry.size and entry.pos + entry.size <= source.size_bytes
    ]
    return max(0, milliseconds(max(ends) - source.zero)) if ends else None

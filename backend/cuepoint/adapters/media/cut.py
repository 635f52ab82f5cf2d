"""Which frames a clip must hold, counted in the source before the cut and in the result after it; media child only.

The plan reads packets without decoding them: the key frame to begin at, and the exact time stamps of the frames of the
range by the rule `start - 0.5 ms <= pts < end - 0.5 ms`. Files whose packets carry no time stamps (AVI) are decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cuepoint.adapters.media.base import MediaCaps, RenderedClip
from cuepoint.adapters.media.fields import FieldPairs
from cuepoint.adapters.media.heard import check_heard, heard
from cuepoint.adapters.media.plan import AudioCut, ClipPlan, VideoCut
from cuepoint.adapters.media.source import (
    LOOK_BACK_SECONDS,
    MAX_PACKETS_TO_FIRST_FRAME,
    MAX_REORDERED,
    FFmpegError,
    Source,
    clockwise_rotation,
    frames_of,
    is_moving_picture,
    milliseconds,
    open_source,
    pixel_aspect,
    seek,
    whole_kind,
)
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

_HALF_MS = Fraction(1, 2000)
# A muxer's time scale below this would round 29.97 frames a second; above the other it nears mp4's 32-bit limits.
_MIN_SCALE, _MAX_SCALE, _PLAIN_SCALE = 10_000, 1_000_000, 90_000
# A picture that stays longer (slides, screen recordings) is cut at the borders of the range instead of kept or dropped
# whole; five frames a second and quicker are cut between frames.
_LONG_FRAME = Fraction(1, 5)


@dataclass(frozen=True)
class _Shot:
    """One frame as the container lists it, in seconds of its own time stamps."""

    time: Fraction
    duration: Fraction
    is_key: bool


def plan_clip(
    descriptor: int,
    caps: MediaCaps,
    *,
    start_ms: int,
    end_ms: int,
    video_index: int | None,
    audio_index: int | None,
) -> ClipPlan:
    """The frames and the audio of [start_ms, end_ms). Raises RANGE_OUTSIDE_MEDIA when there is nothing."""
    source = open_source(descriptor, caps)
    start, end = source.zero + Fraction(start_ms, 1000), source.zero + Fraction(end_ms, 1000)
    streams = {stream.index: stream for stream in source.container.streams}
    video, audio = streams.get(_or(video_index)), streams.get(_or(audio_index))
    cut = _plan_video(source, video, start, end) if isinstance(video, VideoStream) else None
    base = cut.base_seconds if cut else start
    stop = cut.stop_seconds(end) if cut else end
    sound = None if audio is None else _plan_sound(source, audio, base, stop)
    if cut is None and sound is None:
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"The media hold no picture and no sound that begins between {start_ms / 1000:.3f} s and "
            f"{end_ms / 1000:.3f} s. Choose a range inside the media.",
        )
    return ClipPlan(zero=source.zero, video=cut, audio=sound)


def _or(index: int | None) -> int:
    return -1 if index is None else index


def _plan_video(source: Source, stream: VideoStream, start: Fraction, end: Fraction) -> VideoCut | None:
    key, shots = _shots(source, stream, start - _HALF_MS, end - _HALF_MS)
    inside = [shot for shot in shots if start - _HALF_MS <= shot.time < end - _HALF_MS]
    held = _held(shots, inside, start)
    if not inside and held is None:
        return None
    scale = _scale(stream)
    last = inside[-1] if inside else None
    frame = _frame_duration(stream, last or held)
    first_time = inside[0].time if inside and held is None else start
    # The first frame shows at 0, unless the picture begins noticeably later than the range.
    base = first_time if first_time - start < frame else start
    stop = _stop(shots, last.time + frame if last else end, end)
    return VideoCut(
        index=stream.index,
        scale=scale,
        seek=key,
        first_tick=round(held.time * scale) if held else math.ceil((start - _HALF_MS) * scale),
        end_tick=math.ceil((end - _HALF_MS) * scale),
        base_tick=round(base * scale),
        last_tick=round((last.time if last else start) * scale),
        first_frame=first_time,
        end=stop,
        frame_duration=min(frame, _LONG_FRAME),
        frame_count=len(inside) + (held is not None),
        kind=whole_kind(source, stream),
    )


def _stop(shots: list[_Shot], stop: Fraction, end: Fraction) -> Fraction:
    """When the last picture of the range ends: with its own duration, which files of uneven frames state wrongly."""
    following = next((shot.time for shot in shots if shot.time >= end - _HALF_MS), None)
    if following is not None and following > stop + _LONG_FRAME:
        stop = following
    return end if stop > end + _LONG_FRAME else stop


def _held(shots: list[_Shot], inside: list[_Shot], start: Fraction) -> _Shot | None:
    """The frame still on screen at `start`, if it stays noticeably long before the first one of the range."""
    before = [shot for shot in shots if shot.time < start - _HALF_MS]
    if not before or (inside and inside[0].time - start <= _LONG_FRAME):
        return None
    is_followed = shots[-1].time >= start
    return before[-1] if is_followed or before[-1].time + before[-1].duration > start else None


def _shots(source: Source, stream: VideoStream, first: Fraction, end: Fraction) -> tuple[Fraction, list[_Shot]]:
    """Where to begin decoding, and the frames from there to the first behind `end`, in the order they are shown."""
    for back in LOOK_BACK_SECONDS:
        seek(source, stream, None if back is None else first - back)
        found = {shot.time: shot for shot in _until(_listed(source, stream), end)}
        keys = [shot.time for shot in found.values() if shot.is_key and shot.time <= first]
        if keys or back is None:
            begin = max(keys, default=min(found, default=first))
            return begin, [found[time] for time in sorted(found) if time >= begin]
    return first, []


def _listed(source: Source, stream: VideoStream) -> Iterator[tuple[Fraction | None, _Shot]]:
    """Pairs of a bound (no later frame is shown before it; None: the file does not say) and a frame."""
    tick = Fraction(stream.time_base or 1)
    pairs = FieldPairs(stream.codec.canonical_name, stream.codec_context.extradata or b"")
    try:
        for packet in source.container.demux(stream):
            if pairs.is_second(packet):
                continue
            if packet.pts is None and packet.dts is not None:
                yield from _decoded(source, stream, tick)
                return
            if packet.pts is None or packet.is_discard:
                continue
            bound = None if packet.dts is None else packet.dts * tick
            duration = (packet.duration or 0) * (2 if pairs.is_half else 1)
            yield bound, _Shot(packet.pts * tick, duration * tick, packet.is_keyframe)
    except FFmpegError:  # the file ends or breaks here
        return


def _decoded(source: Source, stream: VideoStream, tick: Fraction) -> Iterator[tuple[Fraction | None, _Shot]]:
    seek(source, stream, None)
    for frame in frames_of(source, stream, max_packets=10**9):
        if frame.pts is not None:
            time = frame.pts * tick
            yield time, _Shot(time, (frame.duration or 0) * tick, bool(getattr(frame, "key_frame", False)))


def _until(listed: Iterator[tuple[Fraction | None, _Shot]], end: Fraction) -> Iterator[_Shot]:
    behind = 0
    for bound, shot in listed:
        yield shot
        behind += shot.time >= end
        if behind > MAX_REORDERED or (bound is not None and bound >= end):
            return


def _plan_sound(source: Source, stream: av.stream.Stream, start: Fraction, end: Fraction) -> AudioCut | None:
    found = heard(source, stream, start, end)
    if found is None:
        return None
    return AudioCut(stream.index, start, end, _channels(stream), found.begin, found.end)


def _channels(stream: av.stream.Stream) -> int:
    return min(2, getattr(stream.codec_context, "channels", 0) or 1)


def _scale(stream: VideoStream) -> int:
    scale = Fraction(stream.time_base or Fraction(1, _PLAIN_SCALE)).denominator
    if scale > _MAX_SCALE:
        return _PLAIN_SCALE
    return scale * math.ceil(_MIN_SCALE / scale)


def _frame_duration(stream: VideoStream, shot: _Shot | None) -> Fraction:
    if shot is not None and shot.duration > 0:
        return shot.duration
    rate = stream.average_rate or stream.guessed_rate
    return 1 / Fraction(rate) if rate else Fraction(0)


def check_clip(descriptor: int, caps: MediaCaps, plan: ClipPlan) -> RenderedClip:
    """What the written clip really holds. Raises AdapterError RENDER_FAILED when it is not what was planned."""
    try:
        source = open_source(descriptor, caps)
    except CuepointError as error:
        raise _failed(f"The clip cannot be read: {error.message}") from error
    video = next((s for s in source.container.streams.video if is_moving_picture(s)), None)
    audio = next(iter(source.container.streams.audio), None)
    if (plan.video is None) != (video is None) or (plan.audio is None) != (audio is None):
        raise _failed("The clip lacks a track: nothing of it can be decoded in this range. Choose another range.")
    start, end = _checked_pictures(source, video, plan) if video is not None else _audio_range(source, plan)
    if audio is not None and plan.audio is not None:
        check_heard(source, audio, plan.audio, plan.video.frame_duration if plan.video else None)
    width, height = displayed_size(source, video) if video is not None else (None, None)
    return RenderedClip(
        start_ms=milliseconds(start - plan.zero),
        end_ms=milliseconds(end - plan.zero),
        width=width,
        height=height,
        size_bytes=source.size_bytes,
        duration_ms=milliseconds(Fraction(source.container.duration or 0, av.time_base)),
    )


def _checked_pictures(source: Source, stream: VideoStream, plan: ClipPlan) -> tuple[Fraction, Fraction]:
    cut = plan.video
    if cut is None:
        raise _failed("The clip has pictures, the source has none.")
    shots = sorted((shot for _, shot in _listed(source, stream)), key=lambda shot: shot.time)
    if not shots:
        raise _failed("The clip holds no picture.")
    base = cut.base_seconds
    start, last = base + shots[0].time, base + shots[-1].time
    # MP4 keeps times of decoding, so it states the length of the last picture shown only roughly.
    is_last = abs(last - Fraction(cut.last_tick, cut.scale)) < _HALF_MS
    end = cut.end if is_last else last + _frame_duration(stream, shots[-1])
    frame = max(cut.frame_duration, _HALF_MS)
    if abs(len(shots) - cut.frame_count) > 1 or abs(start - cut.first_frame) > frame or abs(end - cut.end) > frame:
        raise _failed(
            f"The clip holds {len(shots)} frames from {float(start - plan.zero):.3f} s to "
            f"{float(end - plan.zero):.3f} s; {cut.frame_count} frames were to be cut from "
            f"{float(cut.first_frame - plan.zero):.3f} s to {float(cut.end - plan.zero):.3f} s."
        )
    return start, end


def displayed_size(source: Source, stream: VideoStream) -> tuple[int, int]:
    """Of the first picture, turned and with square pixels. Raises RENDER_FAILED where none can be decoded."""
    seek(source, stream, None)
    frame = next(frames_of(source, stream, MAX_PACKETS_TO_FIRST_FRAME), None)
    if not isinstance(frame, VideoFrame):
        raise _failed("The clip's pictures cannot be decoded.")
    width, height = round(frame.width * pixel_aspect(stream)), frame.height
    return (height, width) if clockwise_rotation(frame) in {90, 270} else (width, height)


def _audio_range(source: Source, plan: ClipPlan) -> tuple[Fraction, Fraction]:
    cut = plan.audio
    duration = Fraction(source.container.duration or 0, av.time_base)
    if cut is None or duration <= 0:
        raise _failed("The clip holds no sound.")
    return cut.start, cut.start + duration


def _failed(message: str) -> AdapterError:
    """A clip that must not be offered."""
    return AdapterError(ErrorCode.RENDER_FAILED, message, retryable=False)

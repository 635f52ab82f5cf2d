"""Looking at a clip in its form before it is offered: the kind of file, its length, its size; media child only."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction

import av
from PIL import Image, UnidentifiedImageError

from cuepoint.adapters.media.base import MediaCaps, RenderedClip
from cuepoint.adapters.media.cut import check_clip, displayed_size
from cuepoint.adapters.media.heard import SOUND_TOLERANCE, check_heard
from cuepoint.adapters.media.plan import AudioCut, ClipPlan, VideoCut
from cuepoint.adapters.media.source import milliseconds, open_source
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

# GIF counts hundredths, so that each picture of 12 a second is up to 5 ms short or long; WebP counts thousandths.
_TICK_TOLERANCE_PER_PICTURE = Fraction(1, 200)


def check_form(
    descriptor: int, caps: MediaCaps, plan: ClipPlan, *, rate: Fraction | None, size: tuple[int, int] | None
) -> RenderedClip:
    """A container of tracks. Raises AdapterError RENDER_FAILED when it is not what was planned."""
    if plan.video is not None and rate is not None:
        plan = replace(plan, video=_at_rate(plan.video, rate))
    made = check_clip(descriptor, caps, plan)
    if size is not None and (made.width, made.height) != size:
        raise failed(f"The clip has {made.width} x {made.height} pixels instead of {size[0]} x {size[1]}.")
    return made


def _at_rate(cut: VideoCut, rate: Fraction) -> VideoCut:
    """The cut as an even row of pictures from the clip's start."""
    count = max(1, round((cut.end - cut.base_seconds) * rate))
    last = cut.base_seconds + (count - 1) / rate
    return replace(
        cut,
        first_frame=cut.base_seconds,
        last_tick=round(last * cut.scale),
        frame_duration=1 / rate,
        frame_count=count,
    )


def check_animation(
    descriptor: int, caps: MediaCaps, plan: ClipPlan, *, rate: Fraction, size: tuple[int, int]
) -> RenderedClip:
    """A GIF or an animated WebP. Raises AdapterError RENDER_FAILED when it is not what was planned."""
    cut = plan.video
    if cut is None:
        raise failed("The clip has no pictures.")
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        if size[0] * size[1] > caps.max_pixels:
            raise failed("The picture is too large.")
        try:
            with Image.open(file) as picture:
                found, count = picture.size, getattr(picture, "n_frames", 1)
                milli = 0
                for number in range(count):
                    picture.seek(number)
                    picture.load()
                    milli += int(picture.info.get("duration", 0))
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise failed(f"The picture cannot be read: {error}.") from error
    length = cut.end - cut.base_seconds
    if count == 1 and not milli:  # where nothing moves, a WebP is a still picture without times
        milli = milliseconds(length)
    wanted = max(1, round(length * rate))
    if found != size or not 1 <= count <= wanted + 1:  # equal pictures may be stored once
        raise failed(f"The clip has {count} pictures of {found}; {wanted} of {size} were to be made.")
    if abs(Fraction(milli, 1000) - length) > 1 / rate + wanted * _TICK_TOLERANCE_PER_PICTURE:
        raise failed(f"The clip lasts {milli} ms instead of {milliseconds(length)} ms.")
    start = cut.base_seconds - plan.zero
    return RenderedClip(
        start_ms=milliseconds(start),
        end_ms=milliseconds(start) + milli,
        width=size[0],
        height=size[1],
        size_bytes=os.fstat(descriptor).st_size,
        duration_ms=milli,
    )


def check_joined(
    descriptor: int,
    caps: MediaCaps,
    *,
    frames: int | None,
    seconds: Fraction,
    has_sound: bool,
    size: tuple[int, int] | None,
) -> RenderedClip:
    """An MP4 of exactly so many pictures, or of sound of that length. Raises RENDER_FAILED when it is not."""
    try:
        source = open_source(descriptor, caps)
    except CuepointError as error:
        raise failed(f"The file cannot be read: {error.message}") from error
    streams = source.container.streams
    if bool(streams.video) != (frames is not None) or bool(streams.audio) != has_sound:
        raise failed("The file lacks a track of its pieces.")
    duration = Fraction(source.container.duration or 0, av.time_base)
    if abs(duration - seconds) > SOUND_TOLERANCE:
        raise failed(f"The file lasts {float(duration):.3f} s instead of {float(seconds):.3f} s.")
    if streams.video:
        count = sum(1 for packet in source.container.demux(streams.video[0]) if packet.size)
        found = displayed_size(source, streams.video[0])
        if count != frames or found != size:
            raise failed(f"The file has {count} pictures of {found}; {frames} of {size} were to be joined.")
    if has_sound:
        cut = AudioCut(streams.audio[0].index, Fraction(0), seconds, 2, heard_from=Fraction(0), heard_until=seconds)
        check_heard(source, streams.audio[0], cut, seconds / frames if frames else None)
    return RenderedClip(
        start_ms=0,
        end_ms=milliseconds(seconds),
        width=size[0] if size else None,
        height=size[1] if size else None,
        size_bytes=source.size_bytes,
        duration_ms=milliseconds(duration),
    )


def failed(message: str) -> AdapterError:
    """A clip that must not be offered."""
    return AdapterError(ErrorCode.RENDER_FAILED, message, retryable=False)

"""The frame of a clip: which part of the picture is taken, how large it becomes, and the filters that do it.

Sizes are even (4:2:0), the picture is upright with square pixels before anything here happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cuepoint.adapters.media.base import TrackInfo
from cuepoint.adapters.media.forms import ClipFit, ClipForm, CropKey
from cuepoint.adapters.media.plan import PictureKind
from cuepoint.adapters.media.screen import on_screen

# The blurred sides are computed at a quarter of the size: a blur has no detail to lose, and costs a sixteenth.
_BLUR_SHRINK = 4
_BLUR_SIGMA_SHARE = Fraction(1, 40)  # of the small picture's shorter side: shapes stay, text does not
# An animation stores nearly every picture whole: without a size of its own it is kept small.
ANIMATION_RESOLUTION, ANIMATION_RATE = 360, Fraction(12)


@dataclass(frozen=True)
class Frame:
    """`crop` is taken from the source, or the whole source is laid over its blurred self (`is_blurred`)."""

    source: tuple[int, int]
    crop: tuple[int, int]
    size: tuple[int, int]
    is_blurred: bool = False


def frame_of(form: ClipForm, source: tuple[int, int]) -> Frame:
    """The frame that the form asks for, of a source of this (even, displayed) size."""
    ratio = form.aspect.ratio
    resolution = form.resolution
    if resolution is None and form.format.is_animation:
        resolution = min(ANIMATION_RESOLUTION, *source)
    if ratio is None:
        return Frame(source, source, _scaled(Fraction(*source), resolution or min(source)))
    if form.fit is ClipFit.BLUR:
        return Frame(source, source, _scaled(ratio, resolution or min(source)), is_blurred=True)
    crop = _largest(ratio, source)
    return Frame(source, crop, _scaled(ratio, resolution) if resolution is not None else crop)


def even_size(video: TrackInfo | None) -> tuple[int, int]:
    """The displayed size with even sides, as 4:2:0 needs them."""
    if video is None:
        return 2, 2
    return max(2, (video.width or 2) // 2 * 2), max(2, (video.height or 2) // 2 * 2)


def _largest(ratio: Fraction, source: tuple[int, int]) -> tuple[int, int]:
    width, height = source
    if Fraction(width, height) > ratio:
        return _even(height * ratio), height
    return width, _even(width / ratio)


def _scaled(ratio: Fraction, shorter: int) -> tuple[int, int]:
    if ratio >= 1:
        return _even(shorter * ratio), _even(Fraction(shorter))
    return _even(Fraction(shorter)), _even(shorter / ratio)


def _even(value: Fraction) -> int:
    return max(2, round(value / 2) * 2)


def framed(pictures: Any, frame: Frame, kind: PictureKind, keys: Sequence[CropKey] = ()) -> Any:
    """The pictures (an ffmpeg stream whose time 0 is the clip's start) in their frame, as every screen shows them."""
    if frame.is_blurred:
        return _over_blur(on_screen(pictures, frame.source, kind), frame).filter("setsar", 1)
    if frame.crop == frame.source:
        return on_screen(pictures, frame.size, kind)
    x, y = _place(frame, keys)
    cut = on_screen(pictures, frame.source, kind).filter("crop", w=frame.crop[0], h=frame.crop[1], x=x, y=y)
    return cut.filter("scale", w=frame.size[0], h=frame.size[1]).filter("setsar", 1)


def _over_blur(upright: Any, frame: Frame) -> Any:
    """What lies behind is cut out before it is enlarged, and the front is sized here: whatever the shape of the source,
    no picture on the way is larger than it or the frame, and none has a side of 0."""
    parts = upright.split()
    width, height = frame.size
    small = _even(Fraction(width, _BLUR_SHRINK)), _even(Fraction(height, _BLUR_SHRINK))
    cut = _largest(Fraction(width, height), frame.source)
    behind = (
        parts[0]
        .filter("crop", w=cut[0], h=cut[1])
        .filter("scale", w=small[0], h=small[1])
        .filter("gblur", sigma=f"{float(min(small) * _BLUR_SIGMA_SHARE):.2f}", steps=2)
        .filter("scale", w=width, h=height)
        .filter("setsar", 1)
    )
    front = _inside(frame.source, frame.size)
    return behind.overlay(parts[1].filter("scale", w=front[0], h=front[1]), x="(W-w)/2", y="(H-h)/2", format="auto")


def _inside(source: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The whole source as large as it fits."""
    scale = min(Fraction(size[0], source[0]), Fraction(size[1], source[1]))
    return _even(source[0] * scale), _even(source[1] * scale)


def _place(frame: Frame, keys: Sequence[CropKey]) -> tuple[str, str]:
    """Left and top of the crop: centred, or where the key frames move it, in even pixels and inside the picture."""
    room = frame.source[0] - frame.crop[0], frame.source[1] - frame.crop[1]
    if not keys:
        return tuple(str(free // 4 * 2) for free in room)  # type: ignore[return-value]
    found = []
    for axis, free in enumerate(room):
        centres = [(key.at_ms, (key.x, key.y)[axis] * frame.source[axis] - frame.crop[axis] / 2) for key in keys]
        corners = [(at_ms, min(max(centre, 0.0), float(free))) for at_ms, centre in centres]
        found.append(f"floor(({_path(corners)})/2)*2")
    return found[0], found[1]


def _path(points: Sequence[tuple[int, float]]) -> str:
    """Straight lines between the points as an expression of `t`; halves of halves, as nesting is limited to 100."""
    if len(points) == 1:
        return f"{points[0][1]:.2f}"
    if len(points) == 2:
        (begin, first), (end, last) = points
        share = f"clip((t-{begin / 1000:.3f})/{max(1, end - begin) / 1000:.3f},0,1)"
        return f"({first:.2f}+({last - first:.2f})*{share})"
    middle = len(points) // 2
    return f"if(lt(t,{points[middle][0] / 1000:.3f}),{_path(points[: middle + 1])},{_path(points[middle:])})"

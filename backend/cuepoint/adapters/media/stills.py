"""Stills of chosen moments, and smaller copies of stills of our own; in the media child only."""

from __future__ import annotations

import os
from collections.abc import Sequence

from PIL import Image

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.base_looks import StillPicture
from cuepoint.adapters.media.pictures import frame_shown_at, picture_stream, shown_size, time_ms, upright
from cuepoint.adapters.media.poster import JPEG_QUALITY
from cuepoint.adapters.media.source import open_source, picture_kind, unsupported

Targets = Sequence[tuple[int, int]]  # descriptor to write to, longest side


def write_stills(descriptor: int, targets: Targets, caps: MediaCaps, at_ms: int) -> list[StillPicture]:
    """The picture shown at that time, once for each target."""
    source = open_source(descriptor, caps)
    stream = picture_stream(source)
    frame = None if stream is None else frame_shown_at(source, stream, at_ms)
    if stream is None or frame is None:
        raise unsupported("The file has no picture that can be decoded.")
    made = []
    for target, side in targets:
        picture = upright(frame, shown_size(frame, stream, side), picture_kind(stream))
        made.append(_save(picture, target, time_ms(source, frame)))
    return made


def write_smaller(descriptor: int, targets: Targets) -> list[StillPicture]:
    """A JPEG that `write_poster` or `write_stills` made, once for each target; never enlarged."""
    made = []
    for target, side in targets:
        with os.fdopen(os.dup(descriptor), "rb") as file, Image.open(file, formats=["JPEG"]) as whole:
            file.seek(0)
            picture = whole.copy()
        picture.thumbnail((side, side))
        made.append(_save(picture, target, 0))
    return made


def _save(picture: Image.Image, target: int, at_ms: int) -> StillPicture:
    with os.fdopen(target, "wb", closefd=False) as file:
        picture.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return StillPicture(at_ms, picture.width, picture.height)

"""A storyboard: one small picture for each step of the time line, in sheets of 10 x 10; in the media child only.

Short media are decoded whole, of long ones only what `key_frames` finds for the marks. The same pictures tell where the
screen is black and where it stands still, as exactly as they lie close to each other (`step_ms`): what is shorter than
that can be missed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

import numpy
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from PIL import Image

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.base_looks import StoryboardPack
from cuepoint.adapters.media.key_frames import pictures_at
from cuepoint.adapters.media.picture_maps import MIDDLE, SMALL, PictureMaps
from cuepoint.adapters.media.pictures import (
    coloured,
    frames_from,
    grey,
    one_field,
    picture_stream,
    scaled,
    shown_size,
    stored_size,
    time_ms,
    turned,
)
from cuepoint.adapters.media.source import Source, clockwise_rotation, milliseconds, open_source, picture_kind

COLUMNS = ROWS = 10
TILE_SIDE = 320  # what Jellyfin's trickplay and most players show
JPEG_QUALITY = 75
# Steps of the time line (s). Jellyfin's is 10; shorter media get a finer one, longer ones fewer pictures.
STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600)
FINE_TILES = 200  # below a step of 10 s
MAX_TILES = 29 * COLUMNS * ROWS  # 29 sheets; at 10 hours a step of 15 s gives 24
WHOLE_BELOW_MS = 120_000  # decoded whole: 720p takes about 4 s for so long
_HASHED = (9, 8)


def interval_of(duration_ms: int) -> int:
    """Milliseconds between two tiles."""
    for step in STEPS:
        tiles = duration_ms // (step * 1000) + 1
        if tiles <= (FINE_TILES if step < 10 else MAX_TILES):
            return step * 1000
    return -(-duration_ms // MAX_TILES)


def write_storyboard(
    descriptor: int, target: int, caps: MediaCaps, duration_ms: int | None, tell: Callable[[int], None]
) -> StoryboardPack | None:
    """Write the pack to the descriptor `target`; None when no picture can be decoded. `tell` gets milliseconds done."""
    source = open_source(descriptor, caps)
    stream = picture_stream(source)
    if stream is None:
        return None
    length = duration_ms or _length_ms(source, stream)
    interval = interval_of(length)
    marks = range(0, max(1, length), interval)
    board, maps, kind = _Board(), PictureMaps(), picture_kind(stream)
    with os.fdopen(target, "wb", closefd=False) as file:
        for frame, shown in _seen(source, stream, length, marks):
            at_ms = time_ms(source, frame)
            size = shown_size(frame, stream, TILE_SIDE)
            # One pass over the large picture; all that is looked at is made of this small one.
            small = scaled(one_field(frame), *stored_size(frame, size), interpolation=Interpolation.AREA)
            maps.add(at_ms, grey(small, *MIDDLE), grey(small, *SMALL))
            if shown:
                picture = coloured(small, (small.width, small.height), kind)
                board.add(turned(picture, clockwise_rotation(frame)), gradient_hash(small), shown)
            tell(min(at_ms, length))
        if not board.tiles:
            return None
        sheet_ends, tile_ends, small_ends = board.write(file)
    black, frozen = maps.ranges(length)
    width, height = board.size
    return StoryboardPack(
        tile_width=width,
        tile_height=height,
        columns=min(COLUMNS, len(board.tiles)),
        rows=ROWS,
        interval_ms=interval,
        sheet_ends=tuple(sheet_ends),
        tile_ends=tuple(tile_ends),
        hashes=b"".join(board.hashes),
        step_ms=maps.step_ms(length),
        black_ranges=tuple(black),
        freeze_ranges=tuple(frozen),
        small_ends=tuple(small_ends),
    )


def gradient_hash(frame: VideoFrame) -> bytes:
    """64 bits: whether each of 8 x 8 fields is brighter than its right neighbour. Similar pictures differ in few."""
    small = grey(frame, *_HASHED).astype(numpy.int16)
    return numpy.packbits(small[:, :-1] > small[:, 1:]).tobytes()


def _length_ms(source: Source, stream: VideoStream) -> int:
    """Where the last packet lies, by reading them all: for files that do not say how long they are."""
    if stream.time_base is None:
        return 0
    times = [p.pts for p in source.container.demux(stream) if p.pts is not None]
    last = Fraction(max(times, default=0)) * Fraction(stream.time_base)
    return max(0, milliseconds(last - source.zero))


def _seen(source: Source, stream: VideoStream, length: int, marks: range) -> Iterator[tuple[VideoFrame, int]]:
    """The pictures looked at, in order, each with the number of marks that it stands for."""
    if length <= WHOLE_BELOW_MS:
        stream.thread_type = "AUTO"
        pictures = frames_from(source, stream, 0)
    else:
        will_shrink = max(stream.width, stream.height) >= 2 * TILE_SIDE
        pictures = pictures_at(source, stream, length, marks, will_shrink=will_shrink)
    before, done = None, 0
    for frame in pictures:
        if before is not None:
            behind = min(len(marks), -(-time_ms(source, frame) // marks.step))  # marks before this picture
            yield before, max(0, behind - done)
            done = max(done, behind)
        before = frame
    if before is not None:
        yield before, len(marks) - done


@dataclass
class _Board:
    """Tiles and sheets as JPEGs, and the tiles' hashes."""

    size: tuple[int, int] = (0, 0)
    tiles: list[bytes] = field(default_factory=list)
    small: list[bytes] = field(default_factory=list)  # the tiles in half their width
    hashes: list[bytes] = field(default_factory=list)
    _sheets: list[bytes] = field(default_factory=list)
    _waiting: list[Image.Image] = field(default_factory=list)  # for the next sheet

    def add(self, picture: Image.Image, hash_: bytes, times: int) -> None:
        """One more picture for so many tiles; the first one sets the size of all."""
        if not self.tiles:
            self.size = picture.size
        if picture.size != self.size:  # pictures may change their size on the way
            picture = picture.resize(self.size)
        jpeg, small = _jpeg(picture), _jpeg(picture.reduce(2))
        for _ in range(times):
            self._waiting.append(picture)
            self.tiles.append(jpeg)
            self.small.append(small)
            self.hashes.append(hash_)
            if len(self._waiting) == COLUMNS * ROWS:
                self._close_sheet()

    def _close_sheet(self) -> None:
        """No columns and rows that nothing is in."""
        if self._waiting:
            wide, high = self.size
            rows, columns = -(-len(self._waiting) // COLUMNS), min(COLUMNS, len(self.tiles))
            sheet = Image.new("RGB", (columns * wide, rows * high))
            for place, picture in enumerate(self._waiting):
                sheet.paste(picture, (place % COLUMNS * wide, place // COLUMNS * high))
            self._sheets.append(_jpeg(sheet))
            self._waiting.clear()

    def write(self, file: io.BufferedWriter) -> tuple[list[int], ...]:
        """The sheets, the tiles, and the small ones; where each ends."""
        self._close_sheet()
        found: list[list[int]] = []
        for pictures in (self._sheets, self.tiles, self.small):
            before = found[-1][-1] if found else 0
            found.append(list(accumulate((file.write(one) for one in pictures), initial=before))[1:])
        return tuple(found)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()

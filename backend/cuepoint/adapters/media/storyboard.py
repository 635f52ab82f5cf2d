"""A storyboard: one small picture for each step of the time line, in sheets of 10 x 10; in the media child only.

Short media are decoded whole. Of long ones only key frames are decoded, found by seeking: one for each mark, and those
between the marks that the index tells of. Where the key frame of a mark lies farther back than a step and a half, its
group is decoded on to the mark. The same pictures tell where the screen is black and where it stands still, as exactly
as they lie close to each other (`step_ms`): what is shorter than that can be missed.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.base_looks import StoryboardPack
from cuepoint.adapters.media.pictures import (
    frames_from,
    grey,
    key_frame_at,
    picture_stream,
    shown_size,
    time_ms,
    upright,
)
from cuepoint.adapters.media.ranges import ranges_of, without_short
from cuepoint.adapters.media.source import Source, milliseconds, open_source

COLUMNS = ROWS = 10
TILE_SIDE = 320  # what Jellyfin's trickplay and most players show
JPEG_QUALITY = 75
# Steps of the time line (s). Jellyfin's is 10; shorter media get a finer one, longer ones fewer pictures.
STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600)
FINE_TILES = 200  # below a step of 10 s
MAX_TILES = 29 * COLUMNS * ROWS  # 29 sheets; at 10 hours a step of 15 s gives 24
WHOLE_BELOW_MS = 120_000  # decoded whole: 720p takes about 4 s for so long
STALE = 1.5  # steps; groups of 250 pictures are 10.4 s long at 24 a second, and decoding them costs as much as 200 keys
MAX_LOOKS = 6_000  # key frames looked at; 3 ms each at 720p
# ffmpeg's blackdetect: a pixel is black up to 10 % of the range, a picture with 98 % of such pixels.
BLACK_LUMA, BLACK_SHARE = 16 + 22, 0.98
# Mean and largest difference of two small grey pictures that show the same; codec noise stays below 0.5 and 6.
SAME_MEAN, SAME_LARGEST = 0.75, 10
MIN_BLACK_MS, MIN_FREEZE_MS = 100, 500
_SMALL = (32, 18)
_HASHED = (9, 8)
_MIDDLE = (160, 90)


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
    board, looks = _Board(stream), _Looks()
    with os.fdopen(target, "wb", closefd=False) as file:
        for frame, shown in _seen(source, stream, length, marks):
            at_ms = time_ms(source, frame)
            looks.add(at_ms, frame)
            for _ in range(shown):
                board.add(frame)
            tell(min(at_ms, length))
        if not board.tiles:
            return None
        sheet_ends, tile_ends = board.write(file)
    black, frozen = looks.ranges(length)
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
        step_ms=looks.step_ms(length),
        black_ranges=tuple(black),
        freeze_ranges=tuple(frozen),
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
    pictures = _all(source, stream) if length <= WHOLE_BELOW_MS else _keys(source, stream, length, marks)
    before, done = None, 0
    for frame in pictures:
        if before is not None:
            behind = min(len(marks), -(-time_ms(source, frame) // marks.step))  # marks before this picture
            yield before, max(0, behind - done)
            done = max(done, behind)
        before = frame
    if before is not None:
        yield before, len(marks) - done


def _all(source: Source, stream: VideoStream) -> Iterator[VideoFrame]:
    stream.thread_type = "AUTO"
    return frames_from(source, stream, 0)


def _keys(source: Source, stream: VideoStream, length: int, marks: range) -> Iterator[VideoFrame]:
    """Key frames in order, and behind them the pictures of marks that lie more than a step later."""
    stream.thread_type = "SLICE"  # several pictures in flight would only delay the one wanted
    last = -1
    times = _times(source, stream, length, marks)
    for place, at_ms in enumerate(times):
        if at_ms <= last:
            continue
        frame = key_frame_at(source, stream, at_ms)
        if frame is None:
            continue
        key_ms = time_ms(source, frame)
        if key_ms > last:
            last = key_ms
            yield frame
        if at_ms - key_ms > marks.step * STALE:
            for shown in _group(source, stream, key_ms, times[place:]):
                if time_ms(source, shown) > last:
                    yield shown
                last = max(last, time_ms(source, shown))


def _group(source: Source, stream: VideoStream, key_ms: int, times: list[int]) -> Iterator[VideoFrame]:
    """The pictures shown at those of the times that lie in the group of a key frame; then the next key frame."""
    shown, place = None, 0
    for frame in frames_from(source, stream, key_ms):
        at_ms = time_ms(source, frame)
        while shown is not None and place < len(times) and times[place] < at_ms:
            yield shown
            place += 1
        if frame.key_frame and at_ms > key_ms:
            yield frame
            return
        shown = frame
    if shown is not None:
        yield shown


def _times(source: Source, stream: VideoStream, length: int, marks: range) -> list[int]:
    """Where to look: at the marks, and at key frames between them that are not too close together."""
    least = max(1000, length // MAX_LOOKS)
    tick = stream.time_base
    times = list(marks)
    if tick is not None:
        last = -least
        for entry in stream.index_entries:
            at_ms = milliseconds(entry.timestamp * Fraction(tick) - source.zero)
            if entry.is_keyframe and at_ms - last >= least:
                times.append(max(0, at_ms))
                last = at_ms
    return sorted(set(times))


@dataclass
class _Board:
    """Tiles as JPEGs, and their hashes."""

    stream: VideoStream
    size: tuple[int, int] = (0, 0)
    tiles: list[bytes] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    _last: VideoFrame | None = None

    def add(self, frame: VideoFrame) -> None:
        """One more tile; the first one sets the size of all."""
        if frame is self._last:
            self.tiles.append(self.tiles[-1])
            self.hashes.append(self.hashes[-1])
            return
        self._last = frame
        if not self.tiles:
            self.size = shown_size(frame, self.stream, TILE_SIDE)
        picture = upright(frame, shown_size(frame, self.stream, TILE_SIDE))
        if picture.size != self.size:  # pictures may change their size on the way
            picture = picture.resize(self.size)
        self.tiles.append(_jpeg(picture))
        self.hashes.append(gradient_hash(frame))

    def write(self, file: io.BufferedWriter) -> tuple[list[int], list[int]]:
        """The sheets, then the tiles; where each ends."""
        sheet_ends: list[int] = []
        tile_ends: list[int] = []
        end = 0
        for first in range(0, len(self.tiles), COLUMNS * ROWS):
            end += file.write(_jpeg(self._sheet(self.tiles[first : first + COLUMNS * ROWS])))
            sheet_ends.append(end)
        for tile in self.tiles:
            end += file.write(tile)
            tile_ends.append(end)
        return sheet_ends, tile_ends

    def _sheet(self, tiles: list[bytes]) -> Image.Image:
        width, height = self.size
        columns = min(COLUMNS, len(self.tiles))
        sheet = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height))
        for number, tile in enumerate(tiles):
            with Image.open(io.BytesIO(tile)) as picture:
                sheet.paste(picture, (number % columns * width, number // columns * height))
        return sheet


@dataclass
class _Looks:
    """Black and unchanged pictures along the time line."""

    black: list[tuple[int, bool]] = field(default_factory=list)
    frozen: list[int] = field(default_factory=list)
    _first: numpy.ndarray[Any, Any] | None = None  # of the pictures that show the same
    _since: int = 0
    _count: int = 0

    def add(self, at_ms: int, frame: VideoFrame) -> None:
        """One more picture."""
        self.black.append((at_ms, float((grey(frame, *_MIDDLE) <= BLACK_LUMA).mean()) >= BLACK_SHARE))
        small = grey(frame, *_SMALL).astype(numpy.int16)
        if self._first is not None and _is_same(small, self._first):
            self._count += 1
            return
        self._close(at_ms)
        self._first, self._since, self._count = small, at_ms, 1  # the first of them: a slow fade is no standstill

    def ranges(self, end_ms: int) -> tuple[list[int], list[int]]:
        """(black, frozen)."""
        self._close(end_ms)
        black = without_short(ranges_of(self.black, end_ms), MIN_BLACK_MS)
        return black, without_short(self.frozen, MIN_FREEZE_MS)

    def _close(self, at_ms: int) -> None:
        if self._count > 1:
            self.frozen += (self._since, max(at_ms, self._since))
        self._count = 0

    def step_ms(self, end_ms: int) -> int:
        """The longest gap between two looks."""
        times = [at for at, _ in self.black] + [end_ms]
        return max((b - a for a, b in itertools.pairwise(times)), default=0)


def _is_same(one: numpy.ndarray[Any, Any], other: numpy.ndarray[Any, Any]) -> bool:
    difference = numpy.abs(one - other)
    return float(difference.mean()) <= SAME_MEAN and int(difference.max()) <= SAME_LARGEST


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()

"""Writing an MP4 by descriptor alone: index in front, times built by hand, pictures and sound interleaved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from cuepoint.adapters.media.recoding import Sample

_BUFFER_BYTES = 1024 * 1024
# Of the whole file: the borders of edit lists are counted in it. A multiple of the milliseconds of our ranges.
_MOVIE_SCALE = 90_000


class _File:
    """A file with a position of its own: several of them can share one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._position = descriptor, 0
        self.name = "clip.mp4"

    def read(self, size: int) -> bytes:
        data = os.pread(self._descriptor, size, self._position)
        self._position += len(data)
        return data

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self._position)
            self._position += written
            view = view[written:]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset += os.fstat(self._descriptor).st_size
        elif whence == os.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position


@contextmanager
def mp4_writer(descriptor: int, video_scale: int | None) -> Iterator[OutputContainer]:
    """A muxer that needs a descriptor for reading and writing; `video_scale` ticks a second in the video track."""
    options = {"movflags": "+faststart", "movie_timescale": str(_MOVIE_SCALE)}
    if video_scale is not None:
        options["video_track_timescale"] = str(video_scale)
    container = av.open(
        _File(descriptor),
        "w",
        format="mp4",
        options=options,
        buffer_size=_BUFFER_BYTES,
        io_open=lambda _url, _flags, _options: _File(descriptor),  # faststart reads what it wrote
    )
    if not isinstance(container, OutputContainer):
        raise TypeError(type(container))
    with container:
        yield container


def timed_packets(
    samples: Iterator[Sample], shown: list[int], delay: int, length: int, scale: int
) -> Iterator[Packet[Any]]:
    """Stored order becomes decoding times: the i-th packet is decoded `delay` before the i-th picture is shown.

    So any mix of encodings has rising decoding times. Each picture lasts to the next one, the last to `length`. Raises
    ValueError when the samples are not those of `shown`.
    """
    ends = dict(zip(shown, [*shown[1:], length], strict=True))
    for due, sample in zip(shown, samples, strict=True):
        packet: Packet[Any] = Packet(sample.data)
        packet.time_base = Fraction(1, scale)
        packet.pts, packet.dts = sample.tick, due - delay
        packet.duration = max(1, ends.pop(sample.tick) - sample.tick)
        packet.is_keyframe = sample.is_key
        yield packet


def decoding_delay(shown: list[int], stored: list[int]) -> int:
    """The least delay with which every picture is decoded before it is shown, in ticks."""
    return max(due - tick for due, tick in zip(shown, stored, strict=True))

"""Pictures of long media for the marks of a time line, with little reading and decoding; in the media child only.

Of each mark only the key frame before it is read and decoded: the index of the file says where it lies. A file without
an index, or whose index ends early, is read through once to learn where its key frames are; nothing is decoded for
that. Where the key frame lies more than `STALE` steps before its mark, its group is decoded on to the mark.

Between the marks only key frames are looked at that are far smaller than the others: a black screen takes few bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from statistics import median
from typing import Any

from av.frame import Frame
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cuepoint.adapters.media.pictures import frames_from, time_ms
from cuepoint.adapters.media.source import (
    MPEG_STREAMS,
    FFmpegError,
    Source,
    decoded,
    milliseconds,
    packets_of,
    seek,
)

STALE = 1.5  # steps; groups of 250 pictures are 10.4 s long at 24 a second, and decoding them costs as much as 200 keys
SMALL = 4  # times fewer bytes than the middle one: black takes fifty times fewer, a title on black ten times
_INDEX_MAY_LACK_MS = 30_000  # behind its last entry; longer groups are rare, and reading through finds them as well
_MAX_PACKETS_TO_KEY = 2_000  # the longest lead at 60 pictures a second, and a group of 10 s
_LEADS_SECONDS = (0, 2, 20)  # without an index a seek lands near a time of decoding, maybe behind the one asked for


@dataclass(frozen=True)
class Key:
    """A key frame: when it is decoded or shown in ticks of the stream, when it is shown, its bytes; how many ticks it
    is shown after `tick`, and where its bytes are if that helps to find it."""

    tick: int
    at_ms: int
    size: int
    late: int = 0
    position: int | None = None


def pictures_at(
    source: Source, stream: VideoStream, length_ms: int, marks: range, *, will_shrink: bool = False
) -> Iterator[VideoFrame]:
    """In order of time: for each mark the picture shown at it, or its key frame where that is hardly older.

    The edges of blocks are not smoothed, an eighth of all work, in key frames that will shrink to half or less.
    """
    for other in source.container.streams:
        if other is not stream:
            other.discard = Discard.all
    stream.thread_type = "SLICE"  # several pictures in flight would only delay the one wanted
    keys = _keys(source, stream, length_ms)
    wanted = _wanted(keys, marks)
    if will_shrink and not any(late for _, late in wanted):  # further pictures are made of smooth ones
        stream.codec_context.options |= {"skip_loop_filter": "all"}
    last = -1
    for key, late in wanted:
        for frame in _pictures_of(source, stream, key, late):
            at_ms = time_ms(source, frame)
            if at_ms > last:
                last = at_ms
                yield frame
    if last < 0:  # no key frame that can be decoded: whatever can
        yield from _shown_at(source, frames_from(source, stream, 0), marks)


def _keys(source: Source, stream: VideoStream, length_ms: int) -> list[Key]:
    """The key frames that the index tells of, else those that are met when the file is read through."""
    kind = source.container.format.name
    if kind.startswith("matroska"):  # reads its index when somebody seeks
        seek(source, stream, source.zero + Fraction(length_ms, 2000))
    entries = stream.index_entries
    if len(entries) and length_ms - _ms(source, stream, entries[-1].timestamp) <= _INDEX_MAY_LACK_MS:
        places = [(entry.timestamp, entry.size) for entry in entries if entry.is_keyframe]
        return _shown(source, stream, [Key(tick, _ms(source, stream, tick), size) for tick, size in places])
    has_places = kind in MPEG_STREAMS
    source.container.seek(0, unsupported_byte_offset=has_places)
    met = [(p.pts, p.size, p.pos) for p in packets_of(source, stream) if p.is_keyframe and p.pts is not None]
    return [Key(tick, _ms(source, stream, tick), size, 0, at if has_places else None) for tick, size, at in sorted(met)]


def _ms(source: Source, stream: VideoStream, tick: int) -> int:
    return milliseconds(tick * Fraction(stream.time_base or 0) - source.zero)


def _shown(source: Source, stream: VideoStream, keys: list[Key]) -> list[Key]:
    """Some indexes count the time of decoding; a key frame is shown later than that, each by as much."""
    first = next(_packets_from(source, stream, keys[0]), None) if keys else None
    if first is None or first.pts is None:
        return keys
    late = first.pts - keys[0].tick
    return [replace(key, at_ms=_ms(source, stream, key.tick + late), late=late) for key in keys]


def _wanted(keys: Sequence[Key], marks: range) -> list[tuple[Key, list[int]]]:
    """The key frames to look at, each with those of its marks that lie too far behind it to be shown by it."""
    if not keys:
        return []
    least = median(key.size for key in keys) / SMALL
    asked: dict[int, list[int]] = {number: [] for number, key in enumerate(keys) if key.size < least}
    if len(asked) > len(marks):  # they are not rare here, and tell nothing
        asked = {}
    times = [key.at_ms for key in keys]
    for mark in marks:
        asked.setdefault(max(0, bisect_right(times, mark) - 1), []).append(mark)
    stale = marks.step * STALE
    return [(keys[one], [mark for mark in asked[one] if mark - times[one] > stale]) for one in sorted(asked)]


def _pictures_of(source: Source, stream: VideoStream, key: Key, late: Sequence[int]) -> Iterator[VideoFrame]:
    """The key frame, and the pictures shown at the marks far behind it."""
    packets = _packets_from(source, stream, key)
    if late:
        yield from _shown_at(source, decoded(packets), [key.at_ms, *late])
        return
    try:  # the decoder is emptied right behind the packet, so that nothing else is read or decoded
        frames = [frame for packet in islice(packets, 1) for frame in [*packet.decode(), *_rest(stream)]]
    except FFmpegError:
        return
    yield from (frame for frame in frames if isinstance(frame, VideoFrame))


def _rest(stream: VideoStream) -> list[VideoFrame]:
    """What the decoder still holds; of such pictures PyAV does not say what their time stamps count."""
    held = stream.codec_context.decode(None)
    for frame in held:
        frame.time_base = stream.time_base
    return held


def _packets_from(source: Source, stream: VideoStream, key: Key) -> Iterator[Packet[Any]]:
    """Packets from that of the key frame on; none where it cannot be reached."""
    for lead in _LEADS_SECONDS:
        try:
            if key.position is not None:
                source.container.seek(key.position, unsupported_byte_offset=True)
            else:
                ahead = int(lead / Fraction(stream.time_base or 1))
                source.container.seek(key.tick + key.late - ahead, stream=stream, backward=True)
        except FFmpegError:  # behind what can be read of a file that is cut off
            return
        packets = packets_of(source, stream)
        for packet in islice(packets, _MAX_PACKETS_TO_KEY):
            if packet.is_keyframe and key.tick in {packet.pts, packet.dts}:
                yield packet
                yield from packets
                return
            if packet.is_keyframe and packet.pts is not None and packet.pts > key.tick:
                break


def _shown_at(source: Source, frames: Iterator[Frame], times: Sequence[int]) -> Iterator[VideoFrame]:
    """The pictures on the screen at these times, of pictures in order; reading ends with the last of them."""
    shown, place = None, 0
    for frame in frames:
        if not isinstance(frame, VideoFrame):
            continue
        at_ms = time_ms(source, frame)
        while shown is not None and times[place] < at_ms:
            yield shown
            place += 1
            if place == len(times):
                return
        shown = frame
    if shown is not None:
        yield shown

"""Which packets of a range can be copied as they are, and which pictures around them must be encoded again.

Whole groups are copied, from the first clean key frame of the range to the last one before which everything is shown
inside the range. Leading pictures of the first group (they refer to what was before) are left out and encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

from cuepoint.adapters.media.bitstreams import Bitstream, NotSmartError
from cuepoint.adapters.media.fields import FieldPairs
from cuepoint.adapters.media.plan import VideoCut
from cuepoint.adapters.media.source import LOOK_BACK_SECONDS, MAX_REORDERED, Source, seek

_MAX_STOPS = 32  # borders to try: the first one fits unless an edit list hides pictures in the middle


@dataclass(frozen=True)
class Listed:
    """One packet, in stored order; `tick` is when it is shown."""

    pts: int
    tick: int
    is_key: bool
    is_clean: bool
    is_discarded: bool


@dataclass(frozen=True)
class Groups:
    """Ticks of the clip's pictures. `copied` is in stored order, the rest in the order shown."""

    shown: tuple[int, ...]
    head: tuple[int, ...]
    copied: tuple[int, ...]
    tail: tuple[int, ...]
    head_key: int  # pts of the key frames at which decoding or copying begins
    copy_key: int
    tail_key: int
    copy_stop: int | None  # pts of the packet before which copying stops; None: the end of the file


def tick_of(stream: VideoStream, pts: int, scale: int) -> int:
    """A time stamp of the stream in ticks of 1/`scale` s."""
    return round(pts * Fraction(stream.time_base or 1) * scale)


def packets_from(source: Source, stream: VideoStream, key: int) -> Iterator[Packet[Any]]:
    """All packets of the stream from the key frame with this pts; the last one is empty and drains a decoder.

    Where an edit list begins inside a group, its first picture stands for the hidden key frame before it.
    """
    at = key * Fraction(stream.time_base or 1)
    for back in LOOK_BACK_SECONDS:
        seek(source, stream, None if back is None else at - back)
        packets = source.container.demux(stream)
        for packet in packets:
            is_hidden = packet.is_discard and packet.pts is not None and packet.pts < key
            if packet.is_keyframe and (packet.pts == key or is_hidden):
                yield packet
                yield from packets
                return
            if packet.dts is not None and packet.dts > key:
                break
    raise NotSmartError("the key frame of the plan is not found again")


def list_packets(
    source: Source, stream: VideoStream, cut: VideoCut, bitstream: Bitstream | None
) -> tuple[list[Listed], bool]:
    """Packets from the key frame of the cut until all of its pictures were stored, and whether the file ends there."""
    key = cut.seek / Fraction(stream.time_base or 1)
    listed: list[Listed] = []
    behind = 0
    pairs = FieldPairs(stream.codec.canonical_name, stream.codec_context.extradata or b"")
    for packet in packets_from(source, stream, round(key)):
        if packet.size == 0:
            continue
        if packet.pts is None:
            raise NotSmartError("packets carry no time stamps")
        if pairs.is_second(packet):
            raise NotSmartError("the fields of its pictures lie apart")
        tick = tick_of(stream, packet.pts, cut.scale)
        is_clean = packet.is_keyframe and bitstream is not None and bitstream.is_clean(bytes(packet))
        listed.append(Listed(packet.pts, tick, packet.is_keyframe, is_clean, packet.is_discard))
        behind += tick >= cut.end_tick
        decoded = None if packet.dts is None else tick_of(stream, packet.dts, cut.scale)
        if behind > MAX_REORDERED or (decoded is not None and decoded >= cut.end_tick):
            return listed, False
    return listed, True


def shown_ticks(listed: list[Listed], cut: VideoCut) -> tuple[int, ...]:
    """The pictures of the cut in the order shown. Raises NotSmartError when they are not those that were planned."""
    ticks = [p.tick for p in listed if not p.is_discarded and cut.first_tick <= p.tick < cut.end_tick]
    if len(set(ticks)) != len(ticks) or len(ticks) != cut.frame_count:
        raise NotSmartError("the packets are not those of the plan")
    return tuple(sorted(ticks))


def find_groups(listed: list[Listed], is_end: bool, cut: VideoCut) -> Groups:
    """The longest run of whole groups inside the cut. Raises NotSmartError when there is none."""
    shown = shown_ticks(listed, cut)
    first = next((i for i, p in enumerate(listed) if p.is_clean and cut.base_tick <= p.tick < cut.end_tick), None)
    if first is None:
        raise NotSmartError("no clean key frame lies in the range")
    for stop in islice(_stops(listed, first, is_end, cut), _MAX_STOPS):
        run = listed[first:stop]
        kept = [p.tick for p in run if p.tick >= listed[first].tick]
        wanted = [tick for tick in shown if kept[0] <= tick <= max(kept)]
        if sorted(kept) == wanted and not any(p.is_discarded for p in run):
            return _groups(listed, first, stop, tuple(kept), shown)
    raise NotSmartError("no whole group of pictures lies in the range")


def _stops(listed: list[Listed], first: int, is_end: bool, cut: VideoCut) -> Iterator[int]:
    """Where copying may stop: before a clean key frame or at the end of the file; the latest first."""
    limit = next((i for i, p in enumerate(listed) if i >= first and p.tick >= cut.end_tick), len(listed))
    if limit == len(listed) and is_end:
        yield limit
    for index in range(min(limit, len(listed) - 1), first, -1):
        if listed[index].is_clean:
            yield index


def _groups(listed: list[Listed], first: int, stop: int, copied: tuple[int, ...], shown: tuple[int, ...]) -> Groups:
    head = tuple(tick for tick in shown if tick < copied[0])
    tail = tuple(tick for tick in shown if tick > max(copied))
    keys = [p for p in listed if p.is_key]
    before_tail = [p for p in keys if tail and p.tick <= tail[0]]
    before_head = [p for p in keys if head and p.tick <= head[0]]
    if (tail and not before_tail) or (head and not before_head):
        raise NotSmartError("no key frame lies before a border")
    return Groups(
        shown=shown,
        head=head,
        copied=copied,
        tail=tail,
        head_key=before_head[-1].pts if before_head else listed[first].pts,
        copy_key=listed[first].pts,
        tail_key=before_tail[-1].pts if before_tail else listed[first].pts,
        copy_stop=listed[stop].pts if stop < len(listed) else None,
    )

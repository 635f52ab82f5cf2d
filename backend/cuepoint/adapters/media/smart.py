"""Cutting by copying: SMART copies whole groups and encodes the rest, FAST copies from a key frame; child only."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cuepoint.adapters.media.base import ClipMode, MediaCaps
from cuepoint.adapters.media.bitstreams import Bitstream, NotSmartError, bitstream
from cuepoint.adapters.media.commands import CLIP_AUDIO_RATE
from cuepoint.adapters.media.groups import (
    Groups,
    Listed,
    find_groups,
    list_packets,
    packets_from,
    tick_of,
)
from cuepoint.adapters.media.heard import heard
from cuepoint.adapters.media.plan import ClipPlan, VideoCut
from cuepoint.adapters.media.recoding import Recoder, Sample
from cuepoint.adapters.media.sound import SoundEncoder, copied_packets, is_copyable
from cuepoint.adapters.media.source import MAX_REORDERED, FFmpegError, Source, open_source
from cuepoint.adapters.media.writer import decoding_delay, mp4_writer, timed_packets

# What players take in MP4 and FAST therefore copies.
_FAST_CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4")

OnDone = Callable[[int], None]


@dataclass(frozen=True)
class Files:
    """Descriptors. Pictures and sound are read side by side, so each needs its own position in the source."""

    video: int
    audio: int
    target: int


@dataclass(frozen=True)
class _Pictures:
    """A video track that is ready to be written."""

    stream: VideoStream
    cut: VideoCut
    extradata: bytes | None
    tag: str | None
    shown: list[int]
    delay: int
    samples: Iterator[Sample]

    def packets(self) -> Iterator[Packet[Any]]:
        length = round((self.cut.end - self.cut.base_seconds) * self.cut.scale)
        return timed_packets(self.samples, self.shown, self.delay, length, self.cut.scale)


def cut_clip(files: Files, caps: MediaCaps, plan: ClipPlan, mode: ClipMode, on_done: OnDone) -> ClipPlan:
    """Write the clip; the answer is the plan with the range that it really holds (FAST widens it).

    `on_done` hears the milliseconds written. Raises NotSmartError when this source cannot be cut so.
    """
    try:
        source = open_source(files.video, caps)
        pictures = _pictures(source, plan, mode)
        plan = _widened(source, plan, pictures.cut) if pictures else plan
        _write(files, caps, plan, pictures, on_done)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise NotSmartError(f"copying failed: {error}") from error
    return plan


def _pictures(source: Source, plan: ClipPlan, mode: ClipMode) -> _Pictures | None:
    if plan.video is None:
        return None
    stream = source.container.streams[plan.video.index]
    if not isinstance(stream, VideoStream):
        raise NotSmartError("the video track is gone")
    return _fast(source, stream, plan.video) if mode is ClipMode.FAST else _smart(source, stream, plan.video)


def _smart(source: Source, stream: VideoStream, cut: VideoCut) -> _Pictures:
    form = bitstream(stream.codec.canonical_name, stream.codec_context.extradata or b"")
    groups = find_groups(*list_packets(source, stream, cut, form), cut)
    shown = [max(tick - cut.base_tick, 0) for tick in groups.shown]
    stored = [tick - cut.base_tick for tick in groups.copied]
    begin = len(groups.head)
    is_whole = not groups.head and not groups.tail
    recoder = None if is_whole else Recoder(source, stream, form, scale=cut.scale, base=cut.base_tick)
    return _Pictures(
        stream=stream,
        cut=cut,
        extradata=stream.codec_context.extradata if is_whole else form.extradata(),
        tag=_plain_tag(stream) if is_whole else form.tag,
        shown=shown,
        delay=decoding_delay(shown[begin : begin + len(stored)], stored),
        samples=_joined(source, stream, cut, groups, form, recoder),
    )


def _joined(
    source: Source, stream: VideoStream, cut: VideoCut, groups: Groups, form: Bitstream, recoder: Recoder | None
) -> Iterator[Sample]:
    if recoder is not None and groups.head:
        yield from recoder.samples(groups.head_key, groups.head)
    kept = set(groups.copied)
    for number, packet in enumerate(_copied(source, stream, groups.copy_key, groups.copy_stop)):
        tick = tick_of(stream, packet.pts or 0, cut.scale)
        if tick in kept:
            data = bytes(packet)
            data = form.copied(data, is_first=number == 0) if recoder is not None else data
            yield Sample(data, tick - cut.base_tick, packet.is_keyframe)
    if recoder is not None and groups.tail:
        yield from recoder.samples(groups.tail_key, groups.tail)


def _copied(source: Source, stream: VideoStream, key: int, stop: int | None) -> Iterator[Packet[Any]]:
    for packet in packets_from(source, stream, key):
        if packet.size == 0 or packet.pts == stop:
            return
        yield packet


def _fast(source: Source, stream: VideoStream, cut: VideoCut) -> _Pictures:
    codec = stream.codec.canonical_name
    if codec not in _FAST_CODECS:
        raise NotSmartError(f"{codec} is not copied into MP4")
    form = bitstream(codec, stream.codec_context.extradata or b"") if codec == "h264" else None
    # Further than the range: a picture that is stored inside it may be shown behind others that are stored later.
    further = cut.end_tick + math.ceil(MAX_REORDERED * cut.frame_duration * cut.scale)
    listed, _ = list_packets(source, stream, replace(cut, end_tick=further), form)
    if form is not None and not listed[0].is_clean:  # behind it, pictures may refer to what was before
        raise NotSmartError("the key frame before the range is not a clean one")
    # Leading pictures of an open group need what was before their key frame.
    run = _complete([p for p in listed if p.tick >= listed[0].tick], cut)
    if any(p.is_discarded for p in run):
        raise NotSmartError("an edit list hides pictures of the range")
    shown = sorted(p.tick for p in run)
    base, last = shown[0], _end(listed, shown[-1], cut)
    cut = replace(
        cut,
        first_tick=base,
        base_tick=base,
        end_tick=last,
        last_tick=shown[-1],
        first_frame=Fraction(base, cut.scale),
        end=max(cut.end, Fraction(last, cut.scale)) if shown[-1] > cut.last_tick else cut.end,
        frame_count=len(run),
    )
    ticks = [tick - base for tick in shown]
    kept = {p.pts for p in run}
    return _Pictures(
        stream=stream,
        cut=cut,
        extradata=stream.codec_context.extradata,
        tag=_plain_tag(stream),
        shown=ticks,
        delay=decoding_delay(ticks, [p.tick - base for p in run]),
        samples=_fast_samples(source, stream, listed[0].pts, kept, cut),
    )


def _complete(listed: list[Listed], cut: VideoCut) -> list[Listed]:
    """The shortest beginning that holds all pictures of the cut and no gap before its last one."""
    everything = sorted(p.tick for p in listed)
    needed = [p for p in listed if p.tick < cut.end_tick]
    if not needed:
        raise NotSmartError("no picture lies in the range")
    least = listed.index(needed[-1]) + 1
    return next(
        listed[:count]
        for count in range(least, len(listed) + 1)
        if sorted(p.tick for p in listed[:count]) == everything[:count]
    )


def _end(listed: list[Listed], last: int, cut: VideoCut) -> int:
    """When the last picture ends, in ticks: with its own time, or with the range where it stays longer."""
    own = max(last + max(1, round(cut.frame_duration * cut.scale)), cut.end_tick)
    return min([own, *(p.tick for p in listed if p.tick > last)])


def _fast_samples(source: Source, stream: VideoStream, key: int, kept: set[int], cut: VideoCut) -> Iterator[Sample]:
    missing = len(kept)
    for packet in packets_from(source, stream, key):
        if packet.pts in kept:
            yield Sample(bytes(packet), tick_of(stream, packet.pts or 0, cut.scale) - cut.base_tick, packet.is_keyframe)
            missing -= 1
            if not missing:
                return


def _plain_tag(stream: VideoStream) -> str | None:
    """Apple's players take HEVC only under this name, which says that all parameter sets are in the header."""
    return "hvc1" if stream.codec.canonical_name == "hevc" else None


def _widened(source: Source, plan: ClipPlan, cut: VideoCut) -> ClipPlan:
    if plan.video is None or cut is plan.video:
        return plan
    audio = plan.audio
    if audio is not None:
        begin, end = cut.base_seconds, cut.stop_seconds(audio.end)
        found = heard(source, source.container.streams[audio.index], begin, end)
        if found is not None:
            audio = replace(audio, start=begin, end=end, heard_from=found.begin, heard_until=found.end)
    return replace(plan, video=cut, audio=audio)


def _write(files: Files, caps: MediaCaps, plan: ClipPlan, pictures: _Pictures | None, on_done: OnDone) -> None:
    with mp4_writer(files.target, pictures.cut.scale if pictures else None) as container:
        tracks: list[Iterator[tuple[Fraction, Packet[Any]]]] = []
        if pictures is not None:
            stream = container.add_stream_from_template(pictures.stream, opaque=True)
            stream.codec_context.extradata = pictures.extradata
            if pictures.tag is not None:
                stream.codec_context.codec_tag = pictures.tag
            tracks.append(stamped(pictures.packets(), stream))
        if plan.audio is not None:
            tracks.append(_sound(container, open_source(files.audio, caps), plan))
        for time, packet in heapq.merge(*tracks, key=lambda item: item[0]):
            container.mux_one(packet)
            on_done(max(0, round(time * 1000)))


def _sound(container: OutputContainer, source: Source, plan: ClipPlan) -> Iterator[tuple[Fraction, Packet[Any]]]:
    cut = plan.audio
    stream = source.container.streams[cut.index] if cut is not None else None
    if cut is None or not isinstance(stream, AudioStream):
        raise NotSmartError("the audio track is gone")
    if is_copyable(stream):
        return stamped(copied_packets(source, stream, cut), container.add_stream_from_template(stream, opaque=True))
    if plan.video is None:
        raise NotSmartError(f"{stream.codec.canonical_name} alone has nothing to copy")
    made = container.add_stream("aac", rate=CLIP_AUDIO_RATE)
    return stamped(SoundEncoder(made.codec_context, source, stream, cut).packets(), made)


def stamped(packets: Iterator[Packet[Any]], stream: av.stream.Stream) -> Iterator[tuple[Fraction, Packet[Any]]]:
    """Packets of one stream with when they are decoded, to be merged with those of others."""
    for packet in packets:
        packet.stream = stream
        time = packet.dts if packet.dts is not None else packet.pts or 0
        yield time * Fraction(packet.time_base), packet

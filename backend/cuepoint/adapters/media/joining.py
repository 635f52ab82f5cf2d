"""Joining pieces that were encoded alike: pictures by copying, sound mixed and encoded once; media child only.

Joining by ffmpeg's own demuxer of lists shifts pictures (facts of the cut: 41 to 189 wrong ones), so that times are
built by hand: picture n lies at n ticks. Sound that was encoded piece by piece would click at each border.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
from av.audio.frame import AudioFrame
from av.packet import Packet

from cuepoint.adapters.media.commands import CLIP_AUDIO_BIT_RATE_PER_CHANNEL, CLIP_AUDIO_RATE
from cuepoint.adapters.media.form_check import failed
from cuepoint.adapters.media.join_commands import SAMPLE_BYTES, join_scale
from cuepoint.adapters.media.recoding import Sample
from cuepoint.adapters.media.smart import OnDone, stamped
from cuepoint.adapters.media.writer import decoding_delay, mp4_writer, timed_packets

_AAC_FRAME = 1024
_BLOCK = 1024 * 48  # samples mixed at a time: about a second


@dataclass(frozen=True)
class Piece:
    """A file of pictures, and how many it holds."""

    path: Path
    count: int


@dataclass(frozen=True)
class Sound:
    """Bare samples that begin at sample `at`, with fades of so many samples at their ends."""

    path: Path
    at: int
    count: int
    fade_in: int
    fade_out: int


def join(
    target: int, pieces: Sequence[Piece], sounds: Sequence[Sound], rate: Fraction | None, samples: int, on_done: OnDone
) -> None:
    """Write the file. `samples` is the length of its sound, 0 for none. Raises RENDER_FAILED where pieces differ."""
    scale = None if rate is None else join_scale(rate)
    with mp4_writer(target, scale) as container:
        tracks: list[Iterator[tuple[Fraction, Packet[Any]]]] = []
        if rate is not None and scale is not None and pieces:
            with av.open(str(pieces[0].path)) as first:
                stream = container.add_stream_from_template(first.streams.video[0], opaque=True)
                stream.codec_context.extradata = first.streams.video[0].codec_context.extradata
            tracks.append(stamped(_pictures(pieces, rate, scale), stream))
        if samples:
            made = container.add_stream("aac", rate=CLIP_AUDIO_RATE)
            made.codec_context.layout = "stereo"
            made.codec_context.bit_rate = CLIP_AUDIO_BIT_RATE_PER_CHANNEL * 2
            tracks.append(stamped(_encoded(made.codec_context, sounds, samples), made))
        for time, packet in heapq.merge(*tracks, key=lambda item: item[0]):
            container.mux_one(packet)
            on_done(max(0, round(time * 1000)))


def _pictures(pieces: Sequence[Piece], rate: Fraction, scale: int) -> Iterator[Packet[Any]]:
    tick = int(scale / rate)
    stored = [place * tick for piece, begin in _begins(pieces) for place in _order(piece, begin, tick, scale)]
    shown = [place * tick for place in range(sum(piece.count for piece in pieces))]
    delay = decoding_delay(shown, stored)
    return timed_packets(_samples(pieces, tick, scale), shown, delay, len(shown) * tick, scale)


def _begins(pieces: Sequence[Piece]) -> Iterator[tuple[Piece, int]]:
    begin = 0
    for piece in pieces:
        yield piece, begin
        begin += piece.count


def _order(piece: Piece, begin: int, tick: int, scale: int) -> list[int]:
    """The places of the piece's pictures in the order in which they are stored."""
    with av.open(str(piece.path)) as source:
        packets = source.demux(source.streams.video[0])
        places = [begin + _place(packet, tick, scale) for packet in packets if packet.size]
    if sorted(places) != list(range(begin, begin + piece.count)):
        raise failed(f"A piece holds {len(places)} pictures instead of {piece.count}.")
    return places


def _place(packet: Packet[Any], tick: int, scale: int) -> int:
    return round((packet.pts or 0) * Fraction(packet.time_base) * scale / tick)


def _samples(pieces: Sequence[Piece], tick: int, scale: int) -> Iterator[Sample]:
    header: bytes | None = None
    for piece, begin in _begins(pieces):
        with av.open(str(piece.path)) as source:
            stream = source.streams.video[0]
            header = header or stream.codec_context.extradata
            if stream.codec_context.extradata != header:
                raise failed("The pieces were not encoded alike.")
            for packet in source.demux(stream):
                if packet.size:
                    yield Sample(bytes(packet), (begin + _place(packet, tick, scale)) * tick, packet.is_keyframe)


def _encoded(context: Any, sounds: Sequence[Sound], samples: int) -> Iterator[Packet[Any]]:
    rest = numpy.zeros((2, 0), dtype=numpy.float32)
    done = 0
    for block in mixed(sounds, samples):
        rest = numpy.concatenate([rest, block], axis=1)
        while rest.shape[1] >= _AAC_FRAME:
            yield from context.encode(_frame(rest[:, :_AAC_FRAME], done))
            rest, done = rest[:, _AAC_FRAME:], done + _AAC_FRAME
    if rest.shape[1]:
        yield from context.encode(_frame(rest, done))
    yield from context.encode(None)


def _frame(samples: Any, at: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(numpy.ascontiguousarray(samples), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = CLIP_AUDIO_RATE, at, Fraction(1, CLIP_AUDIO_RATE)
    return frame


def mixed(sounds: Sequence[Sound], samples: int) -> Iterator[Any]:
    """Blocks of the sum of all sounds, from 0 to `samples`; where they overlap, one fades out as the other fades in."""
    for begin in range(0, samples, _BLOCK):
        end = min(begin + _BLOCK, samples)
        block = numpy.zeros((2, end - begin), dtype=numpy.float32)
        for sound in sounds:
            first, last = max(begin, sound.at), min(end, sound.at + sound.count)
            if first < last:
                block[:, first - begin : last - begin] += _read(sound, first - sound.at, last - sound.at)
        yield numpy.clip(block, -1, 1)


def _read(sound: Sound, first: int, last: int) -> Any:
    descriptor = os.open(sound.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, (last - first) * SAMPLE_BYTES, first * SAMPLE_BYTES)
    finally:
        os.close(descriptor)
    found = numpy.frombuffer(data, dtype="<i2").reshape(-1, 2).T.astype(numpy.float32) / 32768
    if found.shape[1] < last - first:
        raise failed("A piece of the sound is shorter than its pictures.")
    places = numpy.arange(first, last, dtype=numpy.float32)
    if sound.fade_in and first < sound.fade_in:
        found = found * numpy.minimum(1, places / sound.fade_in)
    if sound.fade_out and last > sound.count - sound.fade_out:
        found = found * numpy.minimum(1, (sound.count - places) / sound.fade_out)
    return found

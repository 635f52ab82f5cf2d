"""The sound of a clip that copies pictures: packets as they are where players take them in MP4, else AAC anew.

A packet sounds right only after the ones before it; so some of them come along in front and the edit list hides them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

from cuepoint.adapters.media.bitstreams import NotSmartError
from cuepoint.adapters.media.commands import CLIP_AUDIO_BIT_RATE_PER_CHANNEL, CLIP_AUDIO_RATE
from cuepoint.adapters.media.plan import AudioCut
from cuepoint.adapters.media.source import FFmpegError, Source, seek

# Packets before the first sounding one that its decoder needs: AAC overlaps by one frame, MP3 borrows bits from up to
# nine frames but from one or two at usual rates, Opus converges in 80 ms (RFC 7845, 4.6) of packets of mostly 20 ms.
_LEAD_PACKETS = {"aac": 1, "mp3": 2, "opus": 4}
_LEAD_SECONDS = Fraction(1)
_AAC_FRAME = 1024
# Containers round times (Matroska to 1 ms); a packet within this of where its forerunner ends follows it seamlessly.
_ROUNDING = Fraction(11, 10_000)
_GAP_SAMPLES = CLIP_AUDIO_RATE // 50


def is_copyable(stream: AudioStream) -> bool:
    """Whether browsers play the codec in MP4, and packets of it can be taken out of the middle."""
    name = stream.codec.canonical_name
    if name == "opus":
        return (stream.codec_context.extradata or b"").startswith(b"OpusHead")
    return name in _LEAD_PACKETS


def copied_packets(source: Source, stream: AudioStream, cut: AudioCut) -> Iterator[Packet[Any]]:
    """The packets that sound inside the cut, and their lead-in; times count from the start of the cut."""
    rate = stream.codec_context.sample_rate
    tick = Fraction(stream.time_base or 1)
    lead: deque[tuple[Packet[Any], Fraction]] = deque(maxlen=_LEAD_PACKETS[stream.codec.canonical_name])
    place = _Place(rate, cut)
    for packet, time, length in _packets(source, stream, tick, cut):
        if time + length <= cut.start:
            lead.append((packet, time))
            continue
        if time >= cut.end:
            return
        while lead:
            before, begin = lead.popleft()
            yield place.put(before, begin, (before.duration or 0) * tick)
        yield place.put(packet, time, length)


def _packets(
    source: Source, stream: AudioStream, tick: Fraction, cut: AudioCut
) -> Iterator[tuple[Packet[Any], Fraction, Fraction]]:
    seek(source, stream, cut.start - _LEAD_SECONDS)
    for packet in source.container.demux(stream):
        if packet.size and packet.pts is not None:
            yield packet, packet.pts * tick, (packet.duration or 0) * tick


class _Place:
    """Where packets lie in the clip, in samples; seamless where the source only rounds."""

    def __init__(self, rate: int, cut: AudioCut) -> None:
        self._rate, self._start = rate, cut.start
        self._stop = round((cut.end - cut.start) * rate)
        self._frame = 0
        self._next: int | None = None

    def put(self, packet: Packet[Any], time: Fraction, length: Fraction) -> Packet[Any]:
        """A packet of its own with the bytes of `packet`."""
        exact = (time - self._start) * self._rate
        pts = round(exact)
        if self._next is not None and abs(exact - self._next) <= _ROUNDING * self._rate:
            pts = self._next
        samples = self._samples(length)
        self._next = pts + samples
        made: Packet[Any] = Packet(bytes(packet))
        made.time_base = Fraction(1, self._rate)
        made.pts = made.dts = pts
        made.duration = max(1, min(samples, self._stop - pts))  # the last one ends with the pictures
        made.is_keyframe = True
        return made

    def _samples(self, length: Fraction) -> int:
        """Packets of one track mostly hold the same number of samples, in multiples of 2.5 ms or of 64."""
        exact = length * self._rate
        if self._frame and abs(exact - self._frame) <= _ROUNDING * self._rate:
            return self._frame
        for step in (_AAC_FRAME, 576, 120):
            near = round(exact / step) * step
            if near and abs(exact - near) <= _ROUNDING * self._rate:
                self._frame = near
                return near
        return max(1, round(exact))


class SoundEncoder:
    """AAC of sound that cannot be copied: exact to the sample, silence where the source has none."""

    def __init__(self, context: AudioCodecContext, source: Source, stream: AudioStream, cut: AudioCut) -> None:
        self._context, self._source, self._stream, self._cut = context, source, stream, cut
        self._layout = "mono" if cut.channels == 1 else "stereo"
        context.layout = self._layout
        context.bit_rate = CLIP_AUDIO_BIT_RATE_PER_CHANNEL * cut.channels

    def packets(self) -> Iterator[Packet[Any]]:
        """The whole cut."""
        length = round((self._cut.end - self._cut.start) * CLIP_AUDIO_RATE)
        rest = numpy.zeros((self._cut.channels, 0), dtype=numpy.float32)
        done = 0
        for piece in self._pieces(length):
            rest = numpy.concatenate([rest, piece], axis=1)
            while rest.shape[1] >= _AAC_FRAME:
                yield from self._context.encode(self._frame(rest[:, :_AAC_FRAME], done))
                rest, done = rest[:, _AAC_FRAME:], done + _AAC_FRAME
        if rest.shape[1]:
            yield from self._context.encode(self._frame(rest, done))
        yield from self._context.encode(None)

    def _frame(self, samples: Any, at: int) -> AudioFrame:
        frame = AudioFrame.from_ndarray(numpy.ascontiguousarray(samples), format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = CLIP_AUDIO_RATE, at, Fraction(1, CLIP_AUDIO_RATE)
        return frame

    def _pieces(self, length: int) -> Iterator[Any]:
        """Samples from the start of the cut without a gap, `length` in all."""
        at = 0
        for begin, samples in self._decoded():
            if begin >= length:
                break
            if begin > at:
                yield numpy.zeros((self._cut.channels, begin - at), dtype=numpy.float32)
                at = begin
            taken = samples[:, at - begin : length - begin]
            if taken.shape[1]:
                yield taken
                at += taken.shape[1]
        if at < length:
            yield numpy.zeros((self._cut.channels, length - at), dtype=numpy.float32)

    def _decoded(self) -> Iterator[tuple[int, Any]]:
        resampler = AudioResampler("fltp", self._layout, CLIP_AUDIO_RATE)
        expected: int | None = None
        for frame in self._frames():
            exact = round((frame.pts * Fraction(frame.time_base) - self._cut.start) * CLIP_AUDIO_RATE)
            if expected is None or abs(exact - expected) > _GAP_SAMPLES:
                expected = exact
            for piece in resampler.resample(frame):
                samples = piece.to_ndarray()
                yield expected, samples
                expected += samples.shape[1]
        for piece in resampler.resample(None):
            yield expected or 0, piece.to_ndarray()

    def _frames(self) -> Iterator[Any]:
        seek(self._source, self._stream, self._cut.start - _LEAD_SECONDS)
        for packet in self._source.container.demux(self._stream):
            try:
                frames = packet.decode()
            except FFmpegError as error:
                raise NotSmartError("the sound cannot be decoded") from error
            yield from (frame for frame in frames if frame.pts is not None)

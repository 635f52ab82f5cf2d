"""Pictures before and behind the copied groups: decoded one by one and encoded like the source."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cuepoint.adapters.media.bitstreams import Bitstream, NotSmartError
from cuepoint.adapters.media.commands import CLIP_PRESET, threads
from cuepoint.adapters.media.groups import packets_from, tick_of
from cuepoint.adapters.media.source import Source

_X26X_CRF = "18"  # visually lossless
# The two others count 0 to 63; about as good as 18 of x264.
_VP9_OPTIONS = {"crf": "20", "b": "0"}
_AV1_OPTIONS = {"crf": "20", "preset": "8"}
_PROGRESSIVE = (0, 1)  # AVFieldOrder: unknown, progressive


@dataclass(frozen=True)
class Sample:
    """One picture as it will be stored; `tick` counts from the start of the clip."""

    data: bytes
    tick: int
    is_key: bool


class Recoder:
    """Encodes stretches of pictures with the parameters of the source's track; each begins with a key frame.

    The first encoder is opened at once, because the header of the clip needs its parameter sets.
    """

    def __init__(self, source: Source, stream: VideoStream, bitstream: Bitstream, *, scale: int, base: int) -> None:
        if stream.codec_context.field_order not in _PROGRESSIVE:
            raise NotSmartError("interlaced pictures are not cut by copying")
        self._source, self._stream, self._bitstream = source, stream, bitstream
        self._scale, self._base = scale, base
        self._shape = (stream.codec_context.width, stream.codec_context.height, stream.codec_context.pix_fmt)
        self._opened: VideoCodecContext | None = self._open()

    def samples(self, key: int, wanted: tuple[int, ...]) -> Iterator[Sample]:
        """The pictures with these ticks, decoded from the key frame with this pts."""
        encoder, self._opened = self._opened or self._open(), None
        frames = self._decoded(key, wanted)
        first = True
        for packet in self._encoded(encoder, frames):
            if packet.pts is None:
                raise NotSmartError("the encoder lost a time stamp")
            yield Sample(self._bitstream.coded(bytes(packet), is_first=first), packet.pts, packet.is_keyframe)
            first = False

    def _encoded(self, encoder: VideoCodecContext, frames: Iterator[tuple[int, VideoFrame]]) -> Iterator[Packet[Any]]:
        for tick, frame in frames:
            frame.pts = max(tick - self._base, 0)  # 0: a long picture that began before the range
            frame.time_base = Fraction(1, self._scale)
            frame.pict_type = 0  # the encoder chooses
            yield from encoder.encode(frame)
        yield from encoder.encode(None)

    def _decoded(self, key: int, wanted: tuple[int, ...]) -> Iterator[tuple[int, VideoFrame]]:
        missing = deque(wanted)
        context = self._stream.codec_context
        if not context.is_open:
            context.thread_type, context.thread_count = "AUTO", threads()
        for packet in packets_from(self._source, self._stream, key):
            for frame in packet.decode():
                if not isinstance(frame, VideoFrame) or frame.pts is None:
                    raise NotSmartError("a picture has no time stamp")
                tick = tick_of(self._stream, frame.pts, self._scale)
                if tick < missing[0]:
                    continue
                if tick > missing[0]:
                    raise NotSmartError("a picture of the range cannot be decoded")
                if (frame.width, frame.height, frame.format.name) != self._shape or frame.interlaced_frame:
                    raise NotSmartError("the pictures are not all of one kind")
                yield missing.popleft(), frame
                if not missing:
                    return
        raise NotSmartError("a picture of the range cannot be decoded")

    def _open(self) -> VideoCodecContext:
        like = self._stream.codec_context
        encoder = av.CodecContext.create(self._bitstream.encoder, "w")
        if not isinstance(encoder, VideoCodecContext):
            raise NotSmartError("no encoder of this codec is there")
        encoder.width, encoder.height, encoder.pix_fmt = like.width, like.height, like.pix_fmt
        if like.sample_aspect_ratio:
            encoder.sample_aspect_ratio = like.sample_aspect_ratio
        encoder.time_base = Fraction(1, self._scale)
        rate = self._stream.average_rate or self._stream.guessed_rate
        if rate:
            encoder.framerate = rate
        encoder.color_range, encoder.colorspace = like.color_range, like.colorspace
        encoder.color_primaries, encoder.color_trc = like.color_primaries, like.color_trc
        encoder.max_b_frames = 0  # stored in the order shown
        encoder.flags |= Flags.global_header
        encoder.thread_count = threads()
        encoder.options = _options(self._bitstream.encoder) | self._bitstream.options()
        os.environ.setdefault("SVT_LOG", "0")
        encoder.open()
        self._bitstream.learn(encoder.extradata or b"")
        return encoder


def _options(encoder: str) -> dict[str, str]:
    if encoder == "libvpx-vp9":
        return _VP9_OPTIONS
    if encoder == "libsvtav1":
        return _AV1_OPTIONS
    return {"crf": _X26X_CRF, "preset": CLIP_PRESET}

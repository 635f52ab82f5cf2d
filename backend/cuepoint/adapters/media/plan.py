"""`ClipPlan`: the exact cut that the media child found in the source, and that ffmpeg carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

HDR_CURVES = (16, 18)  # PQ and HLG in ITU-T H.273, table 3


@dataclass(frozen=True)
class PictureKind:
    """How the pictures of a track are stored, by the numbers of ITU-T H.273; what the file leaves out is filled in."""

    matrix: int = 1
    primaries: int = 1
    curve: int = 1  # 1 stands for all curves of SDR
    is_full_range: bool = False
    is_yuv: bool = True
    may_be_woven: bool = False  # a picture may be made of two fields, of two moments
    woven_turn: int = 0  # clockwise degrees by which what may be woven is turned when it is shown

    @property
    def is_hdr(self) -> bool:
        """Whether its light is that of high dynamic range."""
        return self.curve in HDR_CURVES

    @property
    def is_rec_709(self) -> bool:
        """Whether its numbers are those of Rec. 709 in video range already."""
        return self.is_yuv and not self.is_full_range and (self.matrix, self.primaries, self.curve) == (1, 1, 1)


@dataclass(frozen=True)
class VideoCut:
    """Frames to take, in ticks of 1/`scale` s and in seconds, both of the source's own time stamps."""

    index: int
    scale: int
    seek: Fraction  # the key frame to begin decoding at
    first_tick: int
    end_tick: int
    base_tick: int  # becomes 0 in the clip
    last_tick: int  # the last frame
    first_frame: Fraction
    end: Fraction  # when the last frame ends
    frame_duration: Fraction
    frame_count: int
    kind: PictureKind = PictureKind()

    @property
    def base_seconds(self) -> Fraction:
        """What becomes 0 in the clip."""
        return Fraction(self.base_tick, self.scale)

    def stop_seconds(self, end: Fraction) -> Fraction:
        """Where the sound stops: with the last frame, unless the pictures end noticeably earlier than `end`."""
        return self.end if abs(self.end - end) < self.frame_duration else max(end, self.end)


@dataclass(frozen=True)
class AudioCut:
    """Sound to take, in seconds of the source's own time stamps; where the source has any of it, if that was looked
    at."""

    index: int
    start: Fraction
    end: Fraction
    channels: int
    heard_from: Fraction | None = None
    heard_until: Fraction | None = None


@dataclass(frozen=True)
class ClipPlan:
    """`zero` is where the media time line begins in the source's time stamps."""

    zero: Fraction
    video: VideoCut | None
    audio: AudioCut | None

    @property
    def seconds(self) -> float:
        """How long the clip will be."""
        ends = [self.video.end - self.video.base_seconds] if self.video else []
        ends += [self.audio.end - self.audio.start] if self.audio else []
        return float(max(ends))

    def to_json(self) -> dict[str, Any]:
        """Plain values; fractions as text."""
        return {
            "zero": str(self.zero),
            "video": _texts(vars(self.video)) | {"kind": vars(self.video.kind)} if self.video else None,
            "audio": _texts(vars(self.audio)) if self.audio else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClipPlan:
        """The reverse of `to_json`."""
        video = value["video"]
        return cls(
            zero=Fraction(value["zero"]),
            video=VideoCut(**_fractions(video) | {"kind": PictureKind(**video["kind"])}) if video else None,
            audio=AudioCut(**_fractions(value["audio"])) if value["audio"] else None,
        )


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}


def _fractions(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Fraction(value) if isinstance(value, str) else value for name, value in values.items()}

"""`ClipPlan`: the exact cut that the media child found in the source, and that ffmpeg carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


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
    says_colours: bool = False  # by which matrix its colours are to be read
    says_primaries: bool = False

    @property
    def base_seconds(self) -> Fraction:
        """What becomes 0 in the clip."""
        return Fraction(self.base_tick, self.scale)

    def stop_seconds(self, end: Fraction) -> Fraction:
        """Where the sound stops: with the last frame, unless the pictures end noticeably earlier than `end`."""
        return self.end if abs(self.end - end) < self.frame_duration else max(end, self.end)


@dataclass(frozen=True)
class AudioCut:
    """Sound to take, in seconds of the source's own time stamps."""

    index: int
    start: Fraction
    end: Fraction
    channels: int


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
            "video": _texts(vars(self.video)) if self.video else None,
            "audio": _texts(vars(self.audio)) if self.audio else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClipPlan:
        """The reverse of `to_json`."""
        return cls(
            zero=Fraction(value["zero"]),
            video=VideoCut(**_fractions(value["video"])) if value["video"] else None,
            audio=AudioCut(**_fractions(value["audio"])) if value["audio"] else None,
        )


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}


def _fractions(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Fraction(value) if isinstance(value, str) else value for name, value in values.items()}

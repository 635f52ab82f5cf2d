"""What a clip looks and sounds like when it is more than a cut: format, frame, rate, fades, loudness and captions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from fractions import Fraction
from typing import Any


class ClipFormat(Enum):
    """Container and codecs of a clip. Values are the names clients see."""

    MP4 = "MP4"
    MOV = "MOV"
    WEBM = "WEBM"
    GIF = "GIF"
    WEBP = "WEBP"
    MP3 = "MP3"
    WAV = "WAV"
    FLAC = "FLAC"

    @property
    def has_pictures(self) -> bool:
        """Whether it can show anything."""
        return self not in {ClipFormat.MP3, ClipFormat.WAV, ClipFormat.FLAC}

    @property
    def has_sound(self) -> bool:
        """Whether anything of it can be heard."""
        return not self.is_animation

    @property
    def is_animation(self) -> bool:
        """Whether it is a picture that moves: no sound, every picture stored whole or nearly so."""
        return self in {ClipFormat.GIF, ClipFormat.WEBP}


class ClipQuality(Enum):
    """How much of the picture is kept. Values are the names clients see."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class ClipAspect(Enum):
    """Width to height of the picture. Values are the names clients see."""

    ORIGINAL = "ORIGINAL"
    R16_9 = "R16_9"
    R9_16 = "R9_16"
    R1_1 = "R1_1"
    R4_5 = "R4_5"

    @property
    def ratio(self) -> Fraction | None:
        """Width over height; None for that of the source."""
        if self is ClipAspect.ORIGINAL:
            return None
        width, height = self.value.removeprefix("R").split("_")
        return Fraction(int(width), int(height))


class ClipFit(Enum):
    """How a picture of another shape is brought into the frame. Values are the names clients see."""

    CENTER = "CENTER"
    BLUR = "BLUR"
    KEYFRAMES = "KEYFRAMES"


class CaptionMode(Enum):
    """Where captions go. Values are the names clients see."""

    BURN = "BURN"
    SIDECAR = "SIDECAR"
    EMBED = "EMBED"


class CaptionStyle(Enum):
    """Looks of burned captions. Values are the names clients see."""

    OUTLINE = "OUTLINE"
    BOX = "BOX"
    BOLD = "BOLD"


class CaptionPosition(Enum):
    """Where in the safe area burned captions stand. Values are the names clients see."""

    BOTTOM = "BOTTOM"
    MIDDLE = "MIDDLE"
    TOP = "TOP"


@dataclass(frozen=True)
class CropKey:
    """At this time of the clip the centre of the crop stands here, as shares of the source's width and height."""

    at_ms: int
    x: float
    y: float


@dataclass(frozen=True)
class CaptionForm:
    """How captions are shown. Style, position and word highlighting are of burned ones."""

    mode: CaptionMode = CaptionMode.BURN
    style: CaptionStyle = CaptionStyle.OUTLINE
    position: CaptionPosition = CaptionPosition.BOTTOM
    highlights_words: bool = False


@dataclass(frozen=True)
class CaptionWord:
    """A word of a caption, `[start_ms, end_ms)` from the start of the clip; `lead` is what stands before it."""

    text: str
    start_ms: int
    end_ms: int
    lead: str = " "


@dataclass(frozen=True)
class CaptionCue:
    """A caption of one or more lines, shown in `[start_ms, end_ms)` from the start of the clip."""

    start_ms: int
    end_ms: int
    lines: tuple[tuple[CaptionWord, ...], ...]


@dataclass(frozen=True)
class CaptionText:
    """What the captions of one clip say: the words of each sentence to burn, with the end of its scene beyond which it
    is not shown, or a WebVTT file to embed."""

    sentences: tuple[tuple[CaptionWord, ...], ...] = ()
    ends_ms: tuple[int, ...] = ()
    vtt: str = ""


@dataclass(frozen=True)
class ClipForm:
    """A clip's form as asked for. None and the first values mean: as in the source.

    `resolution` is the shorter side in pixels, even. `loudness_lufs` is the integrated loudness (EBU R 128).
    """

    format: ClipFormat = ClipFormat.MP4
    resolution: int | None = None
    frame_rate: Fraction | None = None
    quality: ClipQuality | None = None
    fade_in_ms: int = 0
    fade_out_ms: int = 0
    loudness_lufs: float | None = None
    aspect: ClipAspect = ClipAspect.ORIGINAL
    fit: ClipFit = ClipFit.CENTER
    keys: tuple[CropKey, ...] = ()
    captions: CaptionForm | None = None
    audio_track: int | None = None  # index in the container; None = the default one

    def reasons_to_render(self) -> tuple[str, ...]:
        """The options that copied packets cannot have, by the names clients know; empty: the clip may be copied."""
        is_written_in = self.captions is not None and self.captions.mode is not CaptionMode.SIDECAR
        asked = {
            "format": self.format is not ClipFormat.MP4,
            "resolution": self.resolution is not None,
            "frameRate": self.frame_rate is not None,
            "quality": self.quality is not None,
            "fadeIn": self.fade_in_ms > 0,
            "fadeOut": self.fade_out_ms > 0,
            "loudness": self.loudness_lufs is not None,
            "aspect": self.aspect is not ClipAspect.ORIGINAL,
            "captions": is_written_in,
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)

    @property
    def is_cropped(self) -> bool:
        """Whether something of the picture is cut away."""
        return self.aspect is not ClipAspect.ORIGINAL and self.fit is not ClipFit.BLUR

    def after_joining(self) -> ClipForm:
        """What is left to do once pieces were joined: all but rate, loudness, and a frame that cuts nothing away."""
        left = replace(self, frame_rate=None, loudness_lufs=None)
        return (
            left if self.is_cropped else replace(left, resolution=None, aspect=ClipAspect.ORIGINAL, fit=ClipFit.CENTER)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values of whatever is not the default; `{}` for a clip that is only cut."""
        default = ClipForm()
        return {
            field.name: _plain(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != getattr(default, field.name)
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClipForm:
        """The reverse of `to_json`."""
        return cls(**{name: _READ.get(name, _same)(given) for name, given in value.items()})


def because(reasons: tuple[str, ...]) -> str:
    """For people: why a clip that could have been copied was rendered."""
    return f"Copied packets cannot have: {', '.join(reasons)}."


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, CropKey | CaptionForm):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _same(value: Any) -> Any:
    return value


def _caption_form(value: Mapping[str, Any]) -> CaptionForm:
    return CaptionForm(
        mode=CaptionMode(value["mode"]),
        style=CaptionStyle(value["style"]),
        position=CaptionPosition(value["position"]),
        highlights_words=value["highlights_words"],
    )


PLAIN = ClipForm()  # only cut

_READ: Mapping[str, Callable[[Any], Any]] = {
    "format": ClipFormat,
    "frame_rate": Fraction,
    "quality": ClipQuality,
    "aspect": ClipAspect,
    "fit": ClipFit,
    "keys": lambda given: tuple(CropKey(**key) for key in given),
    "captions": _caption_form,
}

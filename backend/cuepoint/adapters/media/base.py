"""The port of media work: what can be learnt from a file, and what can be made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Literal, Protocol

from cuepoint.adapters.media.forms import PLAIN, CaptionText, ClipForm

# Called with the milliseconds of media done so far; raises to stop the work (the child is ended and waited for).
OnMediaProgress = Callable[[int], None]


class ClipMode(Enum):
    """How a clip is cut. Values are the names clients see."""

    FAST = "FAST"  # packets copied from the key frame at or before the start: the range grows to whole groups
    SMART = "SMART"  # exact: whole groups copied, the pictures before and behind them encoded again
    RENDER = "RENDER"  # exact: everything encoded again, as H.264/AAC, upright, with square pixels


@dataclass(frozen=True)
class TrackInfo:
    """One stream of a container. What the file does not say is None, never 0."""

    index: int
    type: Literal["VIDEO", "AUDIO", "SUBTITLE", "DATA", "IMAGE"]
    codec: str | None
    language: str | None = None
    is_default: bool = False
    duration_ms: int | None = None
    start_ms: int | None = None
    width: int | None = None  # as displayed, after rotation
    height: int | None = None
    rotation_degrees: int | None = None  # clockwise, 0, 90, 180 or 270
    frame_rate: tuple[int, int] | None = None  # numerator, denominator
    pixel_format: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    bit_rate: int | None = None
    hdr: Literal["PQ", "HLG"] | None = None  # the transfer curve of high dynamic range; None = an ordinary picture
    is_variable_frame_rate: bool | None = None
    is_interlaced: bool | None = None  # whether pictures are made of two fields, of two moments


@dataclass(frozen=True)
class MediaInfo:
    """What a container holds, read from its own headers and first frames."""

    container: str
    duration_ms: int | None
    size_bytes: int
    bit_rate: int | None
    tracks: tuple[TrackInfo, ...] = field(default_factory=tuple)
    warnings: tuple[str, ...] = field(default_factory=tuple)  # e.g. "TRUNCATED: 12.0 s of 81.5 s can be read"
    duration_source: Literal["CONTAINER", "TRACKS"] | None = None  # who says how long it is

    @property
    def video(self) -> TrackInfo | None:
        """The first moving-picture track, or None."""
        return next((t for t in self.tracks if t.type == "VIDEO"), None)

    @property
    def picture(self) -> TrackInfo | None:
        """The first moving-picture track, or the still picture that the file is; None for sound alone."""
        return next((t for t in self.tracks if t.type in {"VIDEO", "IMAGE"}), None)

    @property
    def is_image(self) -> bool:
        """Whether the file is a still picture: it has no time line, and no sound."""
        return any(t.type == "IMAGE" for t in self.tracks)

    @property
    def audio(self) -> TrackInfo | None:
        """The audio track used by default: the one flagged default, else the first; None without audio."""
        tracks = [t for t in self.tracks if t.type == "AUDIO"]
        return next((t for t in tracks if t.is_default), tracks[0] if tracks else None)

    def with_default_audio(self, index: int | None) -> MediaInfo:
        """The same file as if it flagged this audio track, and no other; None leaves it as it is."""
        if index is None:
            return self
        flagged = (replace(t, is_default=t.index == index) if t.type == "AUDIO" else t for t in self.tracks)
        return replace(self, tracks=tuple(flagged))

    def with_audio_track(self, index: int | None) -> MediaInfo:
        """The same file as if it had no other audio track than this one; None leaves it as it is."""
        if index is None:
            return self
        return replace(self, tracks=tuple(t for t in self.tracks if t.type != "AUDIO" or t.index == index))


@dataclass(frozen=True)
class MediaCaps:
    """Bounds for a foreign file; beyond them work stops with MEDIA_LIMIT_EXCEEDED."""

    max_duration_ms: int = 12 * 3600 * 1000
    max_pixels: int = 36_000_000
    max_tracks: int = 32


@dataclass(frozen=True)
class AudioInfo:
    """An extracted 16 kHz mono s16 WAV file; `start_ms` is where its first sample lies on the media's time line."""

    duration_ms: int
    start_ms: int
    size_bytes: int


@dataclass(frozen=True)
class PosterInfo:
    """A still picture (JPEG) taken at `at_ms`."""

    at_ms: int
    width: int
    height: int


@dataclass(frozen=True)
class RenderedClip:
    """A clip that was probed after it was written; the range is that of the frames it really holds.

    `mode` is the one that was carried out: what cannot be cut by copying is rendered, and `reason` says why. The size
    is as displayed. `loudness_lufs` was measured in the result where a loudness was asked for.
    """

    start_ms: int
    end_ms: int
    width: int | None
    height: int | None
    size_bytes: int
    duration_ms: int
    mode: ClipMode = ClipMode.RENDER
    reason: str | None = None
    loudness_lufs: float | None = None


@dataclass(frozen=True)
class JoinedClip(RenderedClip):
    """A file of several parts. Each begins in it at its time of `begins_ms`: a part lasts a whole number of pictures,
    which is not quite the length of its range."""

    begins_ms: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReelPart:
    """A range of a file that becomes a piece of a larger one."""

    path: Path
    info: MediaInfo
    start_ms: int
    end_ms: int


class ReelTransition(Enum):
    """How one part of a larger file becomes the next. Values are the names clients see."""

    CUT = "CUT"
    CROSS_FADE = "CROSS_FADE"
    FADE_THROUGH_BLACK = "FADE_THROUGH_BLACK"
    FADE_THROUGH_WHITE = "FADE_THROUGH_WHITE"
    WIPE_LEFT = "WIPE_LEFT"
    WIPE_RIGHT = "WIPE_RIGHT"
    SLIDE_LEFT = "SLIDE_LEFT"
    SLIDE_RIGHT = "SLIDE_RIGHT"


@dataclass(frozen=True)
class ReelJoin:
    """Between two parts, which overlap for so long; the sound of one fades into that of the other meanwhile."""

    transition: ReelTransition = ReelTransition.CUT
    overlap_ms: int = 0


class MediaTools(Protocol):
    """Every method opens the file in a child process and raises AdapterError or CuepointError.

    Codes: UNSUPPORTED_MEDIA (not media, or no decodable track), MEDIA_TRUNCATED, MEDIA_LIMIT_EXCEEDED,
    RENDER_FAILED, CHILD_CRASHED (retryable). `asyncio.CancelledError` ends the child before it propagates.
    """

    async def probe(self, path: Path) -> MediaInfo:
        """What the file holds."""
        ...

    async def extract_audio(
        self,
        path: Path,
        target: Path,
        *,
        track_index: int,
        duration_ms: int | None,
        on_progress: OnMediaProgress,
        most_ms: int | None = None,
    ) -> AudioInfo:
        """Write the track as 16 kHz mono s16 WAV to `target`, at most so much of it."""
        ...

    async def poster(self, path: Path, target: Path, *, duration_ms: int | None) -> PosterInfo | None:
        """Write a JPEG of a frame that is neither black nor blurred; None when no picture can be decoded."""
        ...

    async def render_clip(
        self,
        path: Path,
        target: Path,
        *,
        start_ms: int,
        end_ms: int,
        info: MediaInfo,
        on_progress: OnMediaProgress,
        mode: ClipMode = ClipMode.SMART,
        form: ClipForm = PLAIN,
        captions: CaptionText | None = None,
    ) -> RenderedClip:
        """Cut [start_ms, end_ms) into the form, by default an MP4 with its index in front; then probe and check it.

        SMART and FAST keep codec, turn and pixel shape of the source; where they cannot copy, or the form needs it, the
        clip is rendered. `captions` are what a form with captions says. Raises also FONT_MISSING_GLYPHS.
        """
        ...

    async def check_captions(self, texts: Sequence[str]) -> None:
        """Pass if burned captions can be drawn with the fonts that are there. Raises FONT_MISSING_GLYPHS."""
        ...

    async def join_parts(
        self,
        parts: Sequence[ReelPart],
        target: Path,
        *,
        form: ClipForm = PLAIN,
        joins: Sequence[ReelJoin] = (),
        on_progress: OnMediaProgress,
    ) -> JoinedClip:
        """Write the parts one after the other into an MP4 (H.264/AAC), then probe and check it.

        `joins` lie between them, one fewer than there are parts; none are cuts.
        All get the size and the rate of the first one with pictures, or of the form, and its loudness, or that of the
        first file with any; a picture of another shape stands before its own blurred enlargement.
        `form.after_joining()` is left to do. The range is [0, its length). Raises also MEDIA_LIMIT_EXCEEDED.
        """
        ...

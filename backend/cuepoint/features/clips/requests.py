"""What is asked of a clip, as services take it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cuepoint.adapters.media.base import ClipMode
from cuepoint.adapters.media.forms import PLAIN, ClipForm
from cuepoint.features.clips.spans import ClipSnap, Range, SilenceRule


@dataclass(frozen=True)
class Place:
    """Where to cut: exactly one of a range, a moment, a passage, or words. `occurrence` counts from 1."""

    start_ms: int | None = None
    end_ms: int | None = None
    moment_id: UUID | None = None
    chunk_id: UUID | None = None
    text: str | None = None
    occurrence: int | None = None


@dataclass(frozen=True)
class ClipRequest:
    """A clip that is wanted. `mode` is None where nobody said one; `cut` is where a rule has moved the borders of the
    place."""

    video_id: UUID
    place: Place
    title: str | None = None
    mode: ClipMode | None = None
    snap: ClipSnap = ClipSnap.NONE
    silences: SilenceRule | None = None
    form: ClipForm = PLAIN
    preset_id: UUID | None = None
    cut: Range | None = None


@dataclass(frozen=True)
class Span:
    """A place that was found in the video: as asked for, and as it is to be cut. `kept` leaves the silences out."""

    asked: Range
    cut: Range
    title: str
    moment_id: UUID | None = None
    kept: tuple[Range, ...] | None = None

    @property
    def duration_ms(self) -> int:
        """How long the clip will be."""
        return sum(end - start for start, end in self.kept or (self.cut,))

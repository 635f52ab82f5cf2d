"""GraphQL types of the options of jobs: as settings and presets hold them, and as calls give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

import cuepoint.features.jobs.types  # noqa: F401 - it describes JobKind, which a type must not use before
from cuepoint.adapters.media.base import ClipMode
from cuepoint.features.jobs import effective as options
from cuepoint.features.jobs.models import JobKind
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import MediaTime, seconds_or_none

describe_enum(
    ClipMode,
    {
        ClipMode.FAST: "Nothing is encoded again: the clip begins at the key frame at or before the in point and may "
        "end some frames late; `actualRange` says what it holds.",
        ClipMode.SMART: "Exact to the frame: whole groups of pictures are copied, only those at the borders are "
        "encoded again. Codec, turn and sound stay the source's.",
        ClipMode.RENDER: "Exact to the frame: everything is encoded again, as H.264/AAC, upright.",
    },
    description="How a clip is cut. What cannot be cut by copying is rendered.",
)


@strawberry.type(description="Options of jobs as the settings of a project or a preset hold them; null says nothing.")
class JobOptions:
    """Stored options."""

    steps: list[JobKind] | None = strawberry.field(description="Steps that a new video's pipeline runs.")
    priority: int | None = strawberry.field(description="0 to 10; 10 goes first.")
    language: str | None = strawberry.field(description="What is spoken, as a code such as en.")
    moment_count: int | None = strawberry.field(description="At most so many moments.")
    moment_min_seconds: float | None = strawberry.field(description="Shortest moment.")
    moment_max_seconds: float | None = strawberry.field(description="Longest moment.")
    clip_mode: ClipMode | None = strawberry.field(description="How clips are cut.")
    audio_track: int | None = strawberry.field(description="`MediaTrack.index` of the audio track that is the sound.")

    @classmethod
    def from_row(cls, stored: Mapping[str, Any]) -> JobOptions:
        """The options as they are stored."""
        found = options.JobOptions.from_json(stored)
        return cls(
            steps=None if found.steps is None else list(found.steps),
            priority=found.priority,
            language=found.language,
            moment_count=found.moment_count,
            moment_min_seconds=seconds_or_none(found.moment_min_ms),
            moment_max_seconds=seconds_or_none(found.moment_max_ms),
            clip_mode=found.clip_mode,
            audio_track=found.audio_track,
        )


@strawberry.input(description="Options of jobs. What is left out, or null, is said by the next weaker source.")
class JobOptionsInput:
    """Options of a call, a preset or a project."""

    steps: list[JobKind] | None = strawberry.field(default=None, description="Steps that the pipeline runs.")
    priority: int | None = strawberry.field(default=None, description="0 to 10; 10 goes first.")
    language: str | None = strawberry.field(
        default=None, description="What is spoken, as a code such as en; else it is detected."
    )
    moment_count: int | None = strawberry.field(default=None, description="At most so many moments, 1 to 50.")
    moment_min_duration: MediaTime | None = strawberry.field(default=None, description="Shortest moment, 1 to 600 s.")
    moment_max_duration: MediaTime | None = strawberry.field(default=None, description="Longest moment, 1 to 600 s.")
    clip_mode: ClipMode | None = strawberry.field(default=None, description="How clips are cut.")
    audio_track: int | None = strawberry.field(
        default=None,
        description="`MediaTrack.index` of the audio track that is the sound from now on: it is transcribed, drawn, "
        "and taken by clips and audio files that name none; PROBE, AUDIO_EXTRACTION, WAVEFORM and PROXY run with the "
        "other steps. Without it: the one chosen before, else the one that the file flags, else the first with speech.",
    )

    def to_service(self) -> options.JobOptions:
        """As services take them."""
        return options.JobOptions(
            steps=None if self.steps is None else tuple(self.steps),
            priority=self.priority,
            language=self.language,
            moment_count=self.moment_count,
            moment_min_ms=self.moment_min_duration,
            moment_max_ms=self.moment_max_duration,
            clip_mode=self.clip_mode,
            audio_track=self.audio_track,
        )

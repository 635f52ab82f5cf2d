"""Options of jobs and where each value comes from: what a call says goes before its preset, that before the project's
settings, those before what the instance does by itself; pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cuepoint.adapters.media.base import ClipMode
from cuepoint.errors import BadInputError
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import JobKind

MAX_MOMENTS = 50
SHORTEST_MOMENT_MS, LONGEST_MOMENT_MS = 1_000, 600_000
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)  # Whisper's codes: ISO 639-1, where there is none 639-3

# What each kind reads of them: name of the argument, and of the option.
ARGUMENTS: Mapping[JobKind, Mapping[str, str]] = {
    JobKind.INGEST: {"language": "language"},
    JobKind.PROBE: {"audio_track": "audio_track"},
    JobKind.TRANSCRIPTION: {"language": "language"},
    JobKind.MOMENT_GENERATION: {"count": "moment_count", "min_ms": "moment_min_ms", "max_ms": "moment_max_ms"},
    JobKind.CLIP_EXTRACTION: {"mode": "clip_mode"},
}
SOURCES = "sources"  # the argument that says where the others come from


class OptionSource(Enum):
    """Who said so; each goes before the ones above it."""

    INSTANCE = "INSTANCE"
    PROJECT = "PROJECT"
    PRESET = "PRESET"
    CALL = "CALL"


@dataclass(frozen=True)
class JobOptions:
    """Options as one of the sources gives them; None says nothing."""

    steps: tuple[JobKind, ...] | None = None
    priority: int | None = None
    language: str | None = None
    moment_count: int | None = None
    moment_min_ms: int | None = None
    moment_max_ms: int | None = None
    clip_mode: ClipMode | None = None
    audio_track: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What is stored: values that are given, enums by their values."""
        found: dict[str, Any] = {name: value for name in _NAMES if (value := getattr(self, name)) is not None}
        if self.steps is not None:
            found["steps"] = [kind.value for kind in self.steps]
        if self.clip_mode is not None:
            found["clip_mode"] = self.clip_mode.value
        return found

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> JobOptions:
        """The options that were stored; names that are not known any more are left out."""
        found = {name: stored[name] for name in _NAMES if stored.get(name) is not None}
        if "steps" in found:
            found["steps"] = tuple(JobKind(kind) for kind in found["steps"])
        if "clip_mode" in found:
            found["clip_mode"] = ClipMode(found["clip_mode"])
        return cls(**found)

    def check(self, field: tuple[str, ...] = ()) -> None:
        """Raises BadInputError for a value that no job could work with. `field` is where the options stand."""
        if self.steps is not None and (not self.steps or set(self.steps) - set(PIPELINE)):
            raise BadInputError("Only kinds of the pipeline can be its steps, at least one.", field=(*field, "steps"))
        if self.priority is not None and not 0 <= self.priority <= 10:
            raise BadInputError("The priority must lie between 0 and 10; 10 goes first.", field=(*field, "priority"))
        if self.language is not None and not _LANGUAGE.fullmatch(self.language):
            raise BadInputError("A language is a code such as en or yue.", field=(*field, "language"))
        if self.moment_count is not None and not 1 <= self.moment_count <= MAX_MOMENTS:
            raise BadInputError(
                f"The count must lie between 1 and {MAX_MOMENTS}, not {self.moment_count}.",
                field=(*field, "momentCount"),
            )
        if self.audio_track is not None and self.audio_track < 0:
            raise BadInputError("Tracks are counted from 0.", field=(*field, "audioTrack"))
        self._check_lengths(field)

    def _check_lengths(self, field: tuple[str, ...]) -> None:
        given = {"momentMinDuration": self.moment_min_ms, "momentMaxDuration": self.moment_max_ms}
        for name, value in given.items():
            if value is not None and not SHORTEST_MOMENT_MS <= value <= LONGEST_MOMENT_MS:
                raise BadInputError(
                    f"{name} must lie between {SHORTEST_MOMENT_MS // 1000} and {LONGEST_MOMENT_MS // 1000} seconds.",
                    field=(*field, name),
                )
        least, most = given.values()
        if least is not None and most is not None and least > most:
            raise BadInputError("momentMinDuration must not exceed momentMaxDuration.", field=field)


_NAMES = tuple(one.name for one in dataclasses.fields(JobOptions))
NO_OPTIONS = JobOptions()


@dataclass(frozen=True)
class Effective:
    """What holds in the end, and who said so; what nobody said is left to the instance."""

    options: JobOptions
    sources: Mapping[str, OptionSource]

    def arguments(self, kind: JobKind) -> dict[str, Any]:
        """What a job of this kind gets, with the sources; empty where nobody said anything that concerns it."""
        stored = self.options.to_json()
        names = {name: option for name, option in ARGUMENTS.get(kind, {}).items() if option in stored}
        if not names:
            return {}
        said = {name: self.sources[option].value for name, option in names.items()}
        return {name: stored[option] for name, option in names.items()} | {SOURCES: said}


def resolve(layers: Sequence[tuple[OptionSource, JobOptions]]) -> Effective:
    """The layers one over the other, the weakest first. Raises BadInputError where they do not fit together."""
    values: dict[str, Any] = {}
    sources: dict[str, OptionSource] = {}
    for source, options in layers:
        for name in _NAMES:
            value = getattr(options, name)
            if value is not None:
                values[name], sources[name] = value, source
    found = JobOptions(**values)
    found.check()
    return Effective(found, sources)


@dataclass(frozen=True)
class EffectiveOption:
    """One option of one job. The value None: the instance decides, for instance by the length of the media."""

    name: str
    value: Any
    source: OptionSource


def effective_options(kind: JobKind, arguments: Mapping[str, Any]) -> list[EffectiveOption]:
    """The options of a job, from the arguments that it was made with."""
    said = arguments.get(SOURCES, {})
    return [
        EffectiveOption(
            option,
            arguments.get(name),
            OptionSource.INSTANCE if arguments.get(name) is None else OptionSource(said.get(name, "CALL")),
        )
        for name, option in ARGUMENTS.get(kind, {}).items()
    ]

"""The port of speech recognition: audio in, segments with words and times out, window by window."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class AsrWord:
    """One word as recognised, with its punctuation; times in the audio file, `[start_ms, end_ms)`."""

    text: str
    start_ms: int
    end_ms: int
    probability: float


@dataclass(frozen=True)
class AsrSegment:
    """One utterance. The quality fields are the model's own and keep its names."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple[AsrWord, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


@dataclass(frozen=True)
class AsrWindow:
    """A stretch of at most 30 s that begins and ends in silence, so that windows can be recognised one by one."""

    start_ms: int
    end_ms: int
    is_cut_in_speech: bool = False


@dataclass(frozen=True)
class AsrPlan:
    """The windows of a file and its language. No windows: there is no speech."""

    windows: tuple[AsrWindow, ...]
    language: str | None
    language_probability: float | None
    duration_ms: int


@dataclass(frozen=True)
class WindowResult:
    """The segments of one window, times in the whole file."""

    index: int
    segments: tuple[AsrSegment, ...]


@dataclass(frozen=True)
class AsrModelInfo:
    """Which model speaks. `is_demo` marks the bundled toy model, which knows its own small domain only."""

    engine: str
    model: str
    is_demo: bool
    key: str  # changes whenever model, parameters or versions change: results of another key are not continued


class Transcriber(Protocol):
    """Recognises windows in a warm child process; cancelling the task ends the child.

    Raises CuepointError MODEL_NOT_FOUND, AdapterError MODEL_FAILED or CHILD_CRASHED (retryable).
    """

    def model_info(self) -> AsrModelInfo:
        """The model in use; raises MODEL_NOT_FOUND with the setting to change when it is not there."""
        ...

    async def plan(self, audio: Path, *, language: str | None = None) -> AsrPlan:
        """Cut a 16 kHz mono s16 WAV file into windows at its silences and decide its language once."""
        ...

    def transcribe(
        self, audio: Path, windows: Sequence[tuple[int, AsrWindow]], *, language: str | None
    ) -> AsyncIterator[WindowResult]:
        """Yield the result of each (index, window), in the order given."""
        ...

    async def has_speech(self, audio: Path) -> bool:
        """Whether somebody speaks in a 16 kHz mono s16 WAV file, a second in all; no model is loaded for it."""
        ...

    async def close(self) -> None:
        """End the child process."""
        ...

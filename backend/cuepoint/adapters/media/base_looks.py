"""The port of what is made to look at media and to play them: storyboards, waveforms, stills, proxies, audio files.

Ranges are flat arrays [start, end, start, end, ...] in milliseconds, half-open, in order, and without overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from cuepoint.adapters.media.base import MediaInfo, OnMediaProgress


class AudioFormat(Enum):
    """What an audio file is written as. Values are the names clients see."""

    WAV = "WAV"
    MP3 = "MP3"
    FLAC = "FLAC"
    OPUS = "OPUS"
    M4A = "M4A"


class AudioQuality(Enum):
    """How many bits a second a compressed audio file gets; WAV and FLAC lose nothing in any case."""

    LOW = "LOW"
    STANDARD = "STANDARD"
    HIGH = "HIGH"


@dataclass(frozen=True)
class StoryboardPack:
    """A file of JPEGs one behind the other: first the sheets, then each tile by itself, then each in half its width.

    `sheet_ends`, `tile_ends` and `small_ends` say where each ends (bytes); tile number i shows the picture at
    `i * interval_ms`. `hashes` holds 8 bytes a tile, the gradient hash that finds similar pictures. `step_ms` is the
    longest gap between two pictures that were looked at: the ranges are known no better than that.
    """

    tile_width: int
    tile_height: int
    columns: int
    rows: int
    interval_ms: int
    sheet_ends: tuple[int, ...]
    tile_ends: tuple[int, ...]
    hashes: bytes
    step_ms: int
    black_ranges: tuple[int, ...]
    freeze_ranges: tuple[int, ...]
    small_ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class SoundPicture:
    """What a 16 kHz WAV file looks like: the levels of its waveform (`base_waveform`) and its quiet parts."""

    level_bytes: int
    silences: tuple[int, ...]
    sounds: tuple[int, ...]


@dataclass(frozen=True)
class StillPicture:
    """A JPEG of the picture shown at `at_ms`."""

    at_ms: int
    width: int
    height: int


@dataclass(frozen=True)
class ProxyInfo:
    """A file that every browser plays, probed after it was written."""

    content_type: str
    size_bytes: int
    duration_ms: int | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class AudioRequest:
    """An audio file to write. None keeps what the track has."""

    track_index: int
    format: AudioFormat
    quality: AudioQuality = AudioQuality.STANDARD
    sample_rate: int | None = None
    channels: int | None = None
    is_normalized: bool = False


@dataclass(frozen=True)
class AudioFileInfo:
    """An audio file as it was written; `start_ms` is where its first sample lies on the media's time line."""

    size_bytes: int
    duration_ms: int | None
    start_ms: int
    sample_rate: int
    channels: int


class LookTools(Protocol):
    """Every method opens the file in a child process; codes and cancelling are those of `MediaTools`."""

    async def storyboard(
        self, path: Path, target: Path, *, duration_ms: int | None, on_progress: OnMediaProgress
    ) -> StoryboardPack | None:
        """Write the pack to `target`; None when the file has no picture that can be decoded."""
        ...

    async def listen(
        self, path: Path, target: Path, *, picture: Path | None = None, on_progress: OnMediaProgress
    ) -> SoundPicture:
        """Write the waveform of a 16 kHz mono s16 WAV file to `target`, and a JPEG of it to `picture`."""
        ...

    async def stills(self, path: Path, targets: Sequence[tuple[Path, int]], *, at_ms: int) -> list[StillPicture]:
        """Write the very picture shown at a time, upright, once for each target within a square of that side."""
        ...

    async def shrink(self, path: Path, targets: Sequence[tuple[Path, int]]) -> list[StillPicture]:
        """Write a JPEG of our own again, once for each target within a square of that side."""
        ...

    async def proxy(self, path: Path, target: Path, *, info: MediaInfo, on_progress: OnMediaProgress) -> ProxyInfo:
        """Write H.264/AAC in MP4 that begins to play before it is loaded: upright, square pixels, SDR."""
        ...

    async def export_audio(
        self,
        path: Path,
        target: Path,
        *,
        request: AudioRequest,
        duration_ms: int | None,
        on_progress: OnMediaProgress,
    ) -> AudioFileInfo:
        """Write one audio track as a file of its own."""
        ...

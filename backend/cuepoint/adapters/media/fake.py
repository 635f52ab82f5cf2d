"""A deterministic `MediaTools` for unit tests: it opens no file, starts no child, and writes small files."""

from __future__ import annotations

import sys
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from cuepoint.adapters.media.base import (
    AudioInfo,
    ClipMode,
    JoinedClip,
    MediaInfo,
    OnMediaProgress,
    PosterInfo,
    ReelJoin,
    ReelPart,
    RenderedClip,
    TrackInfo,
)
from cuepoint.adapters.media.forms import PLAIN, CaptionText, ClipForm, because

_SPEECH_RATE = 16_000
_POSTER_BYTES = b"\xff\xd8\xff\xe0fake poster\xff\xd9"


def fake_media_info(duration_ms: int = 10_000, *, with_video: bool = True, with_audio: bool = True) -> MediaInfo:
    """A 640x360 H.264 track at 25 frames a second and a mono AAC track, or one of them."""
    video = TrackInfo(
        index=0,
        type="VIDEO",
        codec="h264",
        is_default=True,
        duration_ms=duration_ms,
        start_ms=0,
        width=640,
        height=360,
        rotation_degrees=0,
        frame_rate=(25, 1),
        pixel_format="yuv420p",
    )
    audio = TrackInfo(
        index=1 if with_video else 0,
        type="AUDIO",
        codec="aac",
        is_default=True,
        duration_ms=duration_ms,
        start_ms=0,
        channels=1,
        sample_rate=48_000,
    )
    tracks = ((video,) if with_video else ()) + ((audio,) if with_audio else ())
    return MediaInfo(container="mp4", duration_ms=duration_ms, size_bytes=1_000, bit_rate=None, tracks=tracks)


@dataclass
class FakeMediaTools:
    """Implements `MediaTools`. `failures` maps a method's name to the error it raises; `calls` lists the calls."""

    info: MediaInfo = field(default_factory=fake_media_info)
    failures: Mapping[str, Exception] = field(default_factory=dict)
    audio_start_ms: int = 0
    calls: list[tuple[str, Path]] = field(default_factory=list)
    joins: list[list[ReelPart]] = field(default_factory=list)
    forms: list[tuple[ClipForm, CaptionText | None]] = field(default_factory=list)

    async def check_captions(self, texts: Sequence[str]) -> None:
        """Every text can be drawn unless `failures` says otherwise."""
        if "check_captions" in self.failures and texts:
            raise self.failures["check_captions"]

    async def probe(self, path: Path) -> MediaInfo:
        """The configured info."""
        self._called("probe", path)
        return self.info

    async def extract_audio(
        self,
        path: Path,
        target: Path,
        *,
        track_index: int,  # noqa: ARG002
        duration_ms: int | None,
        on_progress: OnMediaProgress,
        most_ms: int | None = None,
    ) -> AudioInfo:
        """Silence as long as the media; progress is reported at half and at the end."""
        self._called("extract_audio", path)
        length = min(duration_ms or self.info.duration_ms or 0, most_ms or sys.maxsize)
        on_progress(length // 2)
        with wave.open(str(target), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_SPEECH_RATE)
            file.writeframes(bytes(2 * _SPEECH_RATE * length // 1000))
        on_progress(length)
        return AudioInfo(duration_ms=length, start_ms=self.audio_start_ms, size_bytes=_size(target))

    async def poster(self, path: Path, target: Path, *, duration_ms: int | None) -> PosterInfo | None:
        """Some bytes that begin like a JPEG; None when the configured info has no picture."""
        self._called("poster", path)
        video = self.info.video
        if video is None:
            return None
        _write(target, _POSTER_BYTES)
        return PosterInfo(at_ms=(duration_ms or 0) // 2, width=video.width or 1, height=video.height or 1)

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
        """A text that names the range; exactly the range that was asked for, in every mode, in the source's size."""
        self._called("render_clip", path)
        self.forms.append((form, captions))
        on_progress((end_ms - start_ms) // 2)
        _write(target, f"fake clip {start_ms}-{end_ms}".encode())
        on_progress(end_ms - start_ms)
        video = info.video if form.format.has_pictures else None
        reasons = form.reasons_to_render()
        return RenderedClip(
            start_ms=start_ms,
            end_ms=end_ms,
            width=video.width if video else None,
            height=video.height if video else None,
            size_bytes=_size(target),
            duration_ms=end_ms - start_ms,
            mode=ClipMode.RENDER if reasons else mode,
            reason=because(reasons) if reasons else None,
            loudness_lufs=form.loudness_lufs,
        )

    async def join_parts(
        self,
        parts: Sequence[ReelPart],
        target: Path,
        *,
        form: ClipForm = PLAIN,
        joins: Sequence[ReelJoin] = (),
        on_progress: OnMediaProgress,
    ) -> JoinedClip:
        """A text that names the ranges; in the size of the first part."""
        self._called("join_parts", target)
        self.joins.append(list(parts))
        _write(target, b"fake reel " + b" ".join(b"%d-%d" % (part.start_ms, part.end_ms) for part in parts))
        overlaps = [join.overlap_ms for join in joins] or [0] * (len(parts) - 1)
        steps = [part.end_ms - part.start_ms - overlap for part, overlap in zip(parts, [*overlaps, 0], strict=True)]
        length = sum(steps)
        on_progress(length)
        video = parts[0].info.video
        return JoinedClip(
            start_ms=0,
            end_ms=length,
            width=video.width if video else None,
            height=video.height if video else None,
            size_bytes=_size(target),
            duration_ms=length,
            loudness_lufs=form.loudness_lufs,
            begins_ms=(0, *accumulate(steps[:-1])),
        )

    def _called(self, name: str, path: Path) -> None:
        self.calls.append((name, path))
        if name in self.failures:
            raise self.failures[name]


def _write(target: Path, data: bytes) -> None:
    target.write_bytes(data)


def _size(target: Path) -> int:
    return target.stat().st_size

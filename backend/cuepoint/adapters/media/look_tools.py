"""`ChildLookTools`: what is made to look at media and to play them, by child processes in the box."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import MediaCaps, MediaInfo, OnMediaProgress, TrackInfo
from cuepoint.adapters.media.base_looks import (
    AudioFileInfo,
    AudioRequest,
    ProxyInfo,
    SoundPicture,
    StillPicture,
    StoryboardPack,
)
from cuepoint.adapters.media.base_waveform import RATE
from cuepoint.adapters.media.failures import check_ffmpeg
from cuepoint.adapters.media.look_commands import TARGET_LUFS, audio_command, loudness_command, proxy_command
from cuepoint.adapters.media.plan import PictureKind
from cuepoint.adapters.media.running import ask_child, limits_of, opened, run_ffmpeg, written
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode

# Key frames of two hours of 1080p take a minute; a file with one key frame is decoded whole, at ten times real time.
LOOK_BASE_SECONDS, LOOK_SECONDS_PER_SECOND = 120.0, 0.5
# The fastest preset encodes 1080p at a few times real time; a slow machine and 4K HDR take eight times it.
PROXY_BASE_SECONDS, PROXY_SECONDS_PER_SECOND = 180.0, 8.0
AUDIO_BASE_SECONDS, AUDIO_SECONDS_PER_SECOND = 120.0, 0.5
STILL_SECONDS = 120.0
_PACK_BYTES = 512 * 1024**2  # 2,900 tiles twice, at most 80 KB each
_WAVEFORM_BYTES_PER_SECOND = 2 * (100 + 10 + 1)
_PROXY_BYTES_PER_SECOND = 3_000_000  # 24 Mbit/s: 1080p at CRF 23 has 3 to 8
_AUDIO_BYTES_PER_SECOND = 192_000 * 8 * 4  # the fastest that is accepted, as floats
_SLACK_BYTES = 16 * 1024**2
_LOUDNESS = re.compile(r"I:\s+(-?\d+(?:\.\d+)?) LUFS")
_SILENT_LUFS = -69.0  # ebur128's floor is -70: nothing was heard


class ChildLookTools:
    """Implements `LookTools`."""

    def __init__(self, settings: Settings) -> None:
        self._caps = MediaCaps(
            max_duration_ms=settings.media_max_duration_seconds * 1000, max_pixels=settings.media_max_pixels
        )

    async def storyboard(
        self, path: Path, target: Path, *, duration_ms: int | None, on_progress: OnMediaProgress
    ) -> StoryboardPack | None:
        """See `LookTools.storyboard`."""
        timeout = LOOK_BASE_SECONDS + self._seconds(duration_ms) * LOOK_SECONDS_PER_SECOND
        with written(target) as part, _created(part) as descriptor:
            answer = await ask_child(
                "storyboard",
                path,
                self._caps,
                timeout=timeout,
                pass_fds=(descriptor,),
                file_bytes=_PACK_BYTES,
                on_progress=on_progress,
                target=descriptor,
                duration_ms=duration_ms,
            )
            if answer is None:
                part.unlink()
                return None
        lists = ("sheet_ends", "tile_ends", "small_ends", "black_ranges", "freeze_ranges")
        flat = {name: tuple(answer[name]) for name in lists}
        return StoryboardPack(**answer | flat | {"hashes": bytes.fromhex(answer["hashes"])})

    async def listen(
        self, path: Path, target: Path, *, picture: Path | None = None, on_progress: OnMediaProgress
    ) -> SoundPicture:
        """See `LookTools.listen`."""
        seconds = _wav_seconds(path)
        with ExitStack() as stack:
            wanted = [one for one in (target, picture) if one is not None]
            parts = [stack.enter_context(written(one)) for one in wanted]
            files = [stack.enter_context(_created(part)) for part in parts]
            answer = await ask_child(
                "listen",
                path,
                self._caps,
                timeout=LOOK_BASE_SECONDS + seconds * LOOK_SECONDS_PER_SECOND,
                pass_fds=tuple(files),
                file_bytes=int(seconds * _WAVEFORM_BYTES_PER_SECOND) + _SLACK_BYTES,
                on_progress=on_progress,
                target=files[0],
                picture=files[1] if picture is not None else None,
            )
        return SoundPicture(answer["level_bytes"], tuple(answer["silences"]), tuple(answer["sounds"]))

    async def stills(self, path: Path, targets: Sequence[tuple[Path, int]], *, at_ms: int) -> list[StillPicture]:
        """See `LookTools.stills`."""
        return await self._stills(path, targets, at_ms)

    async def shrink(self, path: Path, targets: Sequence[tuple[Path, int]]) -> list[StillPicture]:
        """See `LookTools.shrink`."""
        return await self._stills(path, targets, None)

    async def _stills(self, path: Path, targets: Sequence[tuple[Path, int]], at_ms: int | None) -> list[StillPicture]:
        with ExitStack() as stack:
            parts = [(stack.enter_context(written(target)), side) for target, side in targets]
            files = [(stack.enter_context(_created(part)), side) for part, side in parts]
            answer = await ask_child(
                "stills",
                path,
                self._caps,
                timeout=STILL_SECONDS,
                pass_fds=tuple(descriptor for descriptor, _ in files),
                targets=files,
                at_ms=at_ms,
            )
        return [StillPicture(**still) for still in answer]

    async def proxy(self, path: Path, target: Path, *, info: MediaInfo, on_progress: OnMediaProgress) -> ProxyInfo:
        """See `LookTools.proxy`."""
        seconds = self._seconds(info.duration_ms)
        timeout = PROXY_BASE_SECONDS + seconds * PROXY_SECONDS_PER_SECOND
        limits = limits_of(timeout, int(seconds * _PROXY_BYTES_PER_SECOND) + _SLACK_BYTES)
        index = None if info.video is None else info.video.index
        kind = PictureKind(**await ask_child("picture-kind", path, self._caps, index=index))
        with written(target) as part:
            with opened(path) as descriptor:
                argv = proxy_command(descriptor, part, info=info, kind=kind, caps=self._caps)
                result = await run_ffmpeg(argv, (descriptor,), timeout, limits, on_progress, part)
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "The proxy could not be rendered.")
            try:
                made = await ask_child("probe", part, self._caps)
            except CuepointError as error:
                raise CuepointError(error.code, f"The proxy would be of no use. {error.message}") from error
            return _proxy_info(made, part.stat().st_size)

    async def export_audio(
        self,
        path: Path,
        target: Path,
        *,
        request: AudioRequest,
        duration_ms: int | None,
        on_progress: OnMediaProgress,
    ) -> AudioFileInfo:
        """See `LookTools.export_audio`."""
        track = await self._track(path, request.track_index)
        timeout = AUDIO_BASE_SECONDS + self._seconds(duration_ms) * AUDIO_SECONDS_PER_SECOND
        gain = None
        if request.is_normalized:
            gain = await self._gain(path, target, request, timeout)
        limits = limits_of(timeout, int(self._seconds(duration_ms) * _AUDIO_BYTES_PER_SECOND) + _SLACK_BYTES)
        with written(target) as part, opened(path) as descriptor:
            channels = track["channels"] or 2
            argv = audio_command(descriptor, part, request=request, channels=channels, gain_db=gain, caps=self._caps)
            result = await run_ffmpeg(argv, (descriptor,), timeout, limits, on_progress, part)
            message = f"The audio track {request.track_index} cannot be written as {request.format.value}."
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, message)
            made = await ask_child("probe", part, self._caps)
            size = part.stat().st_size
        written_track = made["tracks"][0]
        return AudioFileInfo(size, made["duration_ms"], 0, written_track["sample_rate"], written_track["channels"])

    async def _track(self, path: Path, index: int) -> dict[str, Any]:
        found = await ask_child("probe", path, self._caps)
        track = next((t for t in found["tracks"] if t["index"] == index and t["type"] == "AUDIO"), None)
        if track is None:
            raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, f"The file has no audio track {index}.")
        return dict(track)

    async def _gain(self, path: Path, target: Path, request: AudioRequest, timeout: float) -> float | None:
        """Decibels to the target loudness; None for silence."""
        with written(target) as part, opened(path) as descriptor:
            argv = loudness_command(descriptor, part, track_index=request.track_index, caps=self._caps)
            limits = limits_of(timeout, _SLACK_BYTES)
            result = await run_ffmpeg(argv, (descriptor,), timeout, limits, lambda _: None, part)
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "The loudness cannot be measured.")
            part.unlink(missing_ok=True)
        found = _LOUDNESS.findall(result.stderr)
        return None if not found or float(found[-1]) < _SILENT_LUFS else TARGET_LUFS - float(found[-1])

    def _seconds(self, duration_ms: int | None) -> float:
        return (self._caps.max_duration_ms if duration_ms is None else duration_ms) / 1000


def _wav_seconds(path: Path) -> float:
    return path.stat().st_size / (2 * RATE)


def _proxy_info(made: dict[str, Any], size_bytes: int) -> ProxyInfo:
    tracks = [TrackInfo(**track) for track in made["tracks"]]
    video = next((track for track in tracks if track.type == "VIDEO"), None)
    return ProxyInfo(
        content_type="video/mp4" if video is not None else "audio/mp4",
        size_bytes=size_bytes,
        duration_ms=made["duration_ms"],
        width=video.width if video else None,
        height=video.height if video else None,
    )


@contextmanager
def _created(part: Path) -> Iterator[int]:
    """A descriptor of a new file."""
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

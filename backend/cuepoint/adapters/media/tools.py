"""`ChildMediaTools`: the media port by child processes, PyAV for looking and ffmpeg for writing."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import stat
import wave
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from cuepoint.adapters.media.base import (
    AudioInfo,
    ClipMode,
    MediaCaps,
    MediaInfo,
    OnMediaProgress,
    PosterInfo,
    RenderedClip,
    TrackInfo,
)
from cuepoint.adapters.media.commands import SPEECH_RATE, clip_command, wav_command
from cuepoint.adapters.media.failures import check_answer, check_ffmpeg
from cuepoint.adapters.media.plan import ClipPlan
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.child import ChildLimits, ChildResult, child_environment, python_argv, run_child
from cuepoint.processes.sandbox import Box, compile_modules

LOOK_SECONDS = 60.0  # a probe takes 20 ms; a slow disk and a hostile header may take longer
POSTER_SECONDS = 120.0
# Sound decodes 700 times as fast as it plays, H.264 720p encodes 5 times; a slow machine and 4K get 10 and 60 times it.
WAV_BASE_SECONDS, WAV_SECONDS_PER_SECOND = 120.0, 0.2
CLIP_BASE_SECONDS, CLIP_SECONDS_PER_SECOND = 180.0, 60.0
_WAV_BYTES_PER_SECOND = SPEECH_RATE * 2
_CLIP_BYTES_PER_SECOND = 25_000_000  # 200 Mbit/s: no picture within the pixel cap needs it at CRF 20
_FILE_SLACK_BYTES = 64 * 1024**2
_SMALL_FILE_BYTES = 16 * 1024**2  # a JPEG of 1280 pixels has at most 5 MB
_WAV_HEADER_BYTES = 44
_END_TOLERANCE_MS = 100  # containers round their duration, and a range to the very end is not outside
_log = logging.getLogger(__name__)
_PROGRESS = re.compile(rb"out_time_us=(\d+)")


class ChildMediaTools:
    """Implements `MediaTools`. Foreign files are opened here but read in children, by descriptor only."""

    def __init__(self, settings: Settings) -> None:
        compile_modules(Path(__file__).parent)
        self._caps = MediaCaps(
            max_duration_ms=settings.media_max_duration_seconds * 1000, max_pixels=settings.media_max_pixels
        )

    async def probe(self, path: Path) -> MediaInfo:
        """See `MediaTools.probe`."""
        answer = await self._ask("probe", path)
        tracks = tuple(
            TrackInfo(**track | {"frame_rate": tuple(track["frame_rate"]) if track["frame_rate"] else None})
            for track in answer["tracks"]
        )
        return MediaInfo(**answer | {"tracks": tracks, "warnings": tuple(answer["warnings"])})

    async def extract_audio(
        self,
        path: Path,
        target: Path,
        *,
        track_index: int,
        duration_ms: int | None,
        on_progress: OnMediaProgress,
    ) -> AudioInfo:
        """See `MediaTools.extract_audio`. `duration_ms` bounds time and disk; None stands for the longest accepted."""
        start_ms = await self._ask("audio-start", path, track_index=track_index)
        seconds = (self._caps.max_duration_ms if duration_ms is None else duration_ms) / 1000
        timeout = WAV_BASE_SECONDS + seconds * WAV_SECONDS_PER_SECOND
        limits = _limits(timeout, int(seconds * _WAV_BYTES_PER_SECOND) + _FILE_SLACK_BYTES)
        with _written(target) as part, _opened(path) as descriptor:
            argv = wav_command(descriptor, part, track_index=track_index, caps=self._caps)
            result = await _run_ffmpeg(argv, (descriptor,), timeout, limits, on_progress, part)
            check_ffmpeg(result, ErrorCode.UNSUPPORTED_MEDIA, f"The audio track {track_index} cannot be decoded.")
            return _audio_info(part, start_ms, track_index)

    async def poster(self, path: Path, target: Path, *, duration_ms: int | None) -> PosterInfo | None:
        """See `MediaTools.poster`."""
        with _written(target) as part:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                answer = await self._ask(
                    "poster",
                    path,
                    timeout=POSTER_SECONDS,
                    pass_fds=(descriptor,),
                    target=descriptor,
                    duration_ms=duration_ms,
                )
            finally:
                os.close(descriptor)
            if answer is None:
                part.unlink()
            return PosterInfo(**answer) if answer else None

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
    ) -> RenderedClip:
        """See `MediaTools.render_clip`. Raises RANGE_OUTSIDE_MEDIA when nothing of the media lies in the range."""
        _check_range(start_ms, end_ms, info)
        video, audio = info.video, info.audio
        plan = ClipPlan.from_json(
            await self._ask(
                "plan-clip",
                path,
                timeout=POSTER_SECONDS,
                start_ms=start_ms,
                end_ms=end_ms,
                video_index=video.index if video else None,
                audio_index=audio.index if audio else None,
            )
        )
        made = None
        if mode is not ClipMode.RENDER:
            made = await self._copy_clip(path, target, plan, info, mode, on_progress)
        return made or await self._encode_clip(path, target, plan, info, on_progress)

    async def _copy_clip(
        self,
        path: Path,
        target: Path,
        plan: ClipPlan,
        info: MediaInfo,
        mode: ClipMode,
        on_progress: OnMediaProgress,
    ) -> RenderedClip | None:
        """None when this source cannot be cut so, or when what came out is not what was planned."""
        timeout, file_bytes = _clip_bounds(plan)
        with _written(target) as part, _opened(path) as for_audio:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                answer = await self._ask(
                    "cut-clip",
                    path,
                    timeout=timeout,
                    pass_fds=(for_audio, descriptor),
                    file_bytes=file_bytes + info.size_bytes,
                    on_progress=on_progress,
                    for_audio=for_audio,
                    target=descriptor,
                    plan=plan.to_json(),
                    mode=mode.value,
                )
                if "plan" in answer:
                    return await self._checked(part, ClipPlan.from_json(answer["plan"]), mode)
                reason = answer["reason"]
            except AdapterError as error:
                if error.code not in {ErrorCode.RENDER_FAILED, ErrorCode.CHILD_CRASHED}:
                    raise
                reason = error.message
            finally:
                os.close(descriptor)
            part.unlink()
        _log.info("a clip is rendered instead of cut %s: %s", mode.value, reason)
        return None

    async def _encode_clip(
        self, path: Path, target: Path, plan: ClipPlan, info: MediaInfo, on_progress: OnMediaProgress
    ) -> RenderedClip:
        timeout, file_bytes = _clip_bounds(plan)
        with _written(target) as part, _opened(path) as for_video, _opened(path) as for_audio:
            argv = clip_command(
                for_video,
                for_audio,
                part,
                plan=plan,
                container=info.container,
                size=_even_size(info.video),
                caps=self._caps,
            )
            limits = _limits(timeout, file_bytes)
            result = await _run_ffmpeg(argv, (for_video, for_audio), timeout, limits, on_progress, part)
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "The clip could not be rendered.")
            return await self._checked(part, plan, ClipMode.RENDER)

    async def _checked(self, part: Path, plan: ClipPlan, mode: ClipMode) -> RenderedClip:
        answer = await self._ask("check-clip", part, plan=plan.to_json())
        return RenderedClip(**answer | {"mode": mode})

    async def _ask(
        self,
        name: str,
        path: Path,
        *,
        timeout: float = LOOK_SECONDS,
        pass_fds: tuple[int, ...] = (),
        file_bytes: int = _SMALL_FILE_BYTES,
        on_progress: OnMediaProgress | None = None,
        **request: Any,
    ) -> Any:
        """The media child's answer to one request about the file. Raises its error, or CHILD_CRASHED."""
        answer = bytearray()

        def on_line(line: bytes) -> None:
            if on_progress is None or not _told(line, on_progress):
                answer.extend(line)

        with _opened(path) as descriptor:
            text = json.dumps({"descriptor": descriptor, "caps": asdict(self._caps)} | request)
            result = await run_child(
                python_argv("cuepoint.adapters.media.child", name, text),
                timeout=timeout,
                cwd=Path("/"),
                env=_environment(),
                pass_fds=(descriptor, *pass_fds),
                on_line=on_line,
                limits=_limits(timeout, file_bytes),
                box=Box(),
            )
        return check_answer(replace(result, stdout=bytes(answer)))


async def _run_ffmpeg(
    argv: list[str],
    descriptors: tuple[int, ...],
    timeout: float,
    limits: ChildLimits,
    on_progress: OnMediaProgress,
    part: Path,
) -> ChildResult:
    def on_line(line: bytes) -> None:
        _told(line, on_progress)

    return await run_child(
        argv,
        timeout=timeout,
        cwd=Path("/"),
        env=_environment(),
        pass_fds=descriptors,
        on_line=on_line,
        limits=limits,
        box=Box.writing(part),
    )


def _told(line: bytes, on_progress: OnMediaProgress) -> bool:
    """Whether the line was one of progress."""
    found = _PROGRESS.match(line)
    if found:
        on_progress(int(found[1]) // 1000)
    return found is not None


def _clip_bounds(plan: ClipPlan) -> tuple[float, int]:
    """Seconds that writing may take, and bytes of the file."""
    timeout = CLIP_BASE_SECONDS + plan.seconds * CLIP_SECONDS_PER_SECOND
    return timeout, int(plan.seconds * _CLIP_BYTES_PER_SECOND) + _FILE_SLACK_BYTES


def _environment() -> dict[str, str]:
    # One arena of malloc and one BLAS thread stack per core would eat the address space of a large machine.
    return child_environment({"MALLOC_ARENA_MAX": "4", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})


def _limits(timeout: float, file_bytes: int) -> ChildLimits:
    """The wall clock is the first bound; the CPU bound stops what the wall clock cannot (a stopped parent)."""
    return ChildLimits(cpu_seconds=int(timeout * (os.cpu_count() or 1)) + 1, file_bytes=file_bytes)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of a regular file; O_NONBLOCK, because opening a named pipe would wait for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise AdapterError(
            ErrorCode.STORAGE_UNAVAILABLE, "The media file is not in the storage.", retryable=False
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, "This is not a regular file.")
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _written(target: Path) -> Iterator[Path]:
    """A new name beside `target` that takes its place when all went well, and is removed when not."""
    part = target.absolute().parent / f".{uuid4().hex}.part"
    try:
        yield part
        with contextlib.suppress(FileNotFoundError):  # nothing was to be written
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _audio_info(part: Path, start_ms: int, track_index: int) -> AudioInfo:
    size = part.stat().st_size
    try:
        with wave.open(str(part), "rb") as file:
            frames = file.getnframes()
    except (wave.Error, EOFError):
        frames = 0
    if frames <= 0 or size <= _WAV_HEADER_BYTES:
        raise CuepointError(
            ErrorCode.UNSUPPORTED_MEDIA, f"The audio track {track_index} holds no sound that can be decoded."
        )
    return AudioInfo(duration_ms=round(frames * 1000 / SPEECH_RATE), start_ms=start_ms, size_bytes=size)


def _check_range(start_ms: int, end_ms: int, info: MediaInfo) -> None:
    outside = info.duration_ms is not None and end_ms > info.duration_ms + _END_TOLERANCE_MS
    if start_ms < 0 or end_ms <= start_ms or outside:
        length = "an unknown time" if info.duration_ms is None else f"{info.duration_ms / 1000:.3f} s"
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"The range from {start_ms / 1000:.3f} s to {end_ms / 1000:.3f} s is empty or outside the media, which "
            f"last {length}.",
        )


def _even_size(video: TrackInfo | None) -> tuple[int, int]:
    """4:2:0 needs even sides."""
    if video is None:
        return 2, 2
    return max(2, (video.width or 2) // 2 * 2), max(2, (video.height or 2) // 2 * 2)

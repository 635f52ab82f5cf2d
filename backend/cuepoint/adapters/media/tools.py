"""`ChildMediaTools`: the media port by child processes, PyAV for looking and ffmpeg for writing."""

from __future__ import annotations

import logging
import os
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cuepoint.adapters.media.base import (
    AudioInfo,
    ClipMode,
    JoinedClip,
    MediaCaps,
    MediaInfo,
    OnMediaProgress,
    PosterInfo,
    ReelJoin,
    ReelPart,
    RenderedClip,
    TrackInfo,
)
from cuepoint.adapters.media.commands import SPEECH_RATE, clip_command, wav_command
from cuepoint.adapters.media.failures import check_ffmpeg
from cuepoint.adapters.media.forms import PLAIN, CaptionText, ClipForm
from cuepoint.adapters.media.frames import even_size
from cuepoint.adapters.media.plan import ClipPlan
from cuepoint.adapters.media.reels import join_parts
from cuepoint.adapters.media.rendering import FormRenderer, bounds
from cuepoint.adapters.media.running import ask_child, limits_of, opened, run_ffmpeg, written
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.sandbox import compile_modules

POSTER_SECONDS = 120.0
# Sound decodes 700 times as fast as it plays; a slow machine gets 100 times as long.
WAV_BASE_SECONDS, WAV_SECONDS_PER_SECOND = 120.0, 0.2
_WAV_BYTES_PER_SECOND = SPEECH_RATE * 2
_FILE_SLACK_BYTES = 64 * 1024**2
_WAV_HEADER_BYTES = 44
_END_TOLERANCE_MS = 100  # containers round their duration, and a range to the very end is not outside
_log = logging.getLogger(__name__)


class ChildMediaTools:
    """Implements `MediaTools`. Foreign files are opened here but read in children, by descriptor only."""

    def __init__(self, settings: Settings) -> None:
        compile_modules(Path(__file__).parent)
        self._caps = MediaCaps(
            max_duration_ms=settings.media_max_duration_seconds * 1000, max_pixels=settings.media_max_pixels
        )
        self._forms = FormRenderer(self._caps, settings.caption_fonts)

    async def check_captions(self, texts: Sequence[str]) -> None:
        """See `MediaTools.check_captions`."""
        await self._forms.check_captions(texts)

    async def probe(self, path: Path) -> MediaInfo:
        """See `MediaTools.probe`."""
        answer = await ask_child("probe", path, self._caps)
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
        most_ms: int | None = None,
    ) -> AudioInfo:
        """See `MediaTools.extract_audio`. `duration_ms` bounds time and disk; None stands for the longest accepted."""
        start_ms = await ask_child("audio-start", path, self._caps, track_index=track_index)
        bound_ms = duration_ms if most_ms is None else most_ms
        seconds = (self._caps.max_duration_ms if bound_ms is None else bound_ms) / 1000
        timeout = WAV_BASE_SECONDS + seconds * WAV_SECONDS_PER_SECOND
        limits = limits_of(timeout, int(seconds * _WAV_BYTES_PER_SECOND) + _FILE_SLACK_BYTES)
        with written(target) as part, opened(path) as descriptor:
            argv = wav_command(descriptor, part, track_index=track_index, caps=self._caps, most_ms=most_ms)
            result = await run_ffmpeg(argv, (descriptor,), timeout, limits, on_progress, part)
            check_ffmpeg(result, ErrorCode.UNSUPPORTED_MEDIA, f"The audio track {track_index} cannot be decoded.")
            return _audio_info(part, start_ms, track_index)

    async def poster(self, path: Path, target: Path, *, duration_ms: int | None) -> PosterInfo | None:
        """See `MediaTools.poster`."""
        with written(target) as part:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                answer = await ask_child(
                    "poster",
                    path,
                    self._caps,
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
        form: ClipForm = PLAIN,
        captions: CaptionText | None = None,
    ) -> RenderedClip:
        """See `MediaTools.render_clip`. Raises RANGE_OUTSIDE_MEDIA when nothing of the media lies in the range."""
        _check_range(start_ms, end_ms, info)
        video, audio = info.video, info.audio
        plan = ClipPlan.from_json(
            await ask_child(
                "plan-clip",
                path,
                self._caps,
                timeout=POSTER_SECONDS,
                start_ms=start_ms,
                end_ms=end_ms,
                video_index=video.index if video else None,
                audio_index=audio.index if audio else None,
            )
        )
        if form.reasons_to_render():
            return await self._forms.render(path, target, plan, info, form, captions, on_progress)
        if mode is ClipMode.RENDER:
            return await self._encode_clip(path, target, plan, info, on_progress)
        made = await self._copy_clip(path, target, plan, info, mode, on_progress)
        if isinstance(made, RenderedClip):
            return made
        return replace(await self._encode_clip(path, target, plan, info, on_progress), reason=made)

    async def join_parts(
        self,
        parts: Sequence[ReelPart],
        target: Path,
        *,
        form: ClipForm = PLAIN,
        joins: Sequence[ReelJoin] = (),
        on_progress: OnMediaProgress,
    ) -> JoinedClip:
        """See `MediaTools.join_parts`."""
        for part in parts:
            _check_range(part.start_ms, part.end_ms, part.info)
        return await join_parts(self._forms, parts, target, form=form, joins=joins, on_progress=on_progress)

    async def _copy_clip(
        self,
        path: Path,
        target: Path,
        plan: ClipPlan,
        info: MediaInfo,
        mode: ClipMode,
        on_progress: OnMediaProgress,
    ) -> RenderedClip | str:
        """The reason when this source cannot be cut so, or when what came out is not what was planned."""
        timeout, file_bytes = bounds(plan)
        with written(target) as part, opened(path) as for_audio:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                answer = await ask_child(
                    "cut-clip",
                    path,
                    self._caps,
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
        return f"It could not be cut by copying: {reason}."

    async def _encode_clip(
        self, path: Path, target: Path, plan: ClipPlan, info: MediaInfo, on_progress: OnMediaProgress
    ) -> RenderedClip:
        timeout, file_bytes = bounds(plan)
        with written(target) as part, opened(path) as for_video, opened(path) as for_audio:
            argv = clip_command(
                for_video,
                for_audio,
                part,
                plan=plan,
                container=info.container,
                size=even_size(info.video),
                caps=self._caps,
            )
            limits = limits_of(timeout, file_bytes)
            result = await run_ffmpeg(argv, (for_video, for_audio), timeout, limits, on_progress, part)
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "The clip could not be rendered.")
            return await self._checked(part, plan, ClipMode.RENDER)

    async def _checked(self, part: Path, plan: ClipPlan, mode: ClipMode) -> RenderedClip:
        answer = await ask_child("check-clip", part, self._caps, plan=plan.to_json())
        return RenderedClip(**answer | {"mode": mode})


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

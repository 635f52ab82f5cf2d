"""Rendering a planned cut in its form: loudness, captions, ffmpeg in its box, and a look at the result."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

from cuepoint.adapters.media.base import ClipMode, MediaCaps, MediaInfo, OnMediaProgress, RenderedClip
from cuepoint.adapters.media.caption_layout import lay_out
from cuepoint.adapters.media.captions import line_em, plain, to_ass
from cuepoint.adapters.media.failures import check_ffmpeg
from cuepoint.adapters.media.form_commands import Finish, FormSources, form_command, loudness_command
from cuepoint.adapters.media.forms import CaptionMode, CaptionText, ClipForm, because
from cuepoint.adapters.media.frames import ANIMATION_RATE, Frame, even_size, frame_of
from cuepoint.adapters.media.glyphs import Font, check_glyphs, font_for, fonts_in
from cuepoint.adapters.media.plan import AudioCut, ClipPlan
from cuepoint.adapters.media.running import ask_child, limits_of, opened, run_ffmpeg, written
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

# H.264 720p encodes 5 times as fast as it plays; a slow machine, VP9 and 4K get 60 times as long as it plays.
BASE_SECONDS, SECONDS_PER_SECOND = 180.0, 60.0
_BYTES_PER_SECOND = 25_000_000  # 200 Mbit/s: no picture within the pixel cap needs it at CRF 16
_SLACK_BYTES = 64 * 1024**2
_LOUDNESS = re.compile(r"\bI:\s+(-?\d+\.\d+) LUFS")
_SILENCE_LUFS = -69.0  # ebur128 answers -70 where nothing passes its gate
_MAX_GAIN_DB = 30.0  # more would only lift hiss
_MISSING_GLYPH = "failed to find any fallback with glyph"


@dataclass(frozen=True)
class FormRenderer:
    """Renders within these caps; `fonts` is a directory of further caption fonts."""

    caps: MediaCaps
    fonts: Path | None = None

    async def check_captions(self, texts: Sequence[str]) -> None:
        """Raises FONT_MISSING_GLYPHS that names the characters no font has."""
        check_glyphs([plain(text) for text in texts], await asyncio.to_thread(fonts_in, self.fonts))

    def check_size(self, width: int, height: int) -> None:
        """Raises MEDIA_LIMIT_EXCEEDED for a picture beyond the caps."""
        if width * height > self.caps.max_pixels:
            raise CuepointError(ErrorCode.MEDIA_LIMIT_EXCEEDED, f"A picture of {width} x {height} is too large.")

    async def render(
        self,
        path: Path,
        target: Path,
        plan: ClipPlan,
        info: MediaInfo,
        form: ClipForm,
        captions: CaptionText | None,
        on_progress: OnMediaProgress,
    ) -> RenderedClip:
        """The clip, probed and checked. Raises FONT_MISSING_GLYPHS, UNSUPPORTED_MEDIA and RENDER_FAILED."""
        plan = _tracks_of(plan, form)
        frame = frame_of(form, even_size(info.video)) if plan.video is not None else None
        if frame is not None:
            self.check_size(*frame.size)
        rate = form.frame_rate or (ANIMATION_RATE if form.format.is_animation else None)
        gain = await self._gain(path, plan.audio, form)
        known = await asyncio.to_thread(fonts_in, self.fonts)  # read once a process, in a third of a second
        with contextlib.ExitStack() as stack:
            part = stack.enter_context(written(target))
            ass, fonts = stack.enter_context(_burned(part, form, captions, frame, known))
            sources, descriptors = stack.enter_context(_sources(path, part, form, captions))
            argv = form_command(
                sources,
                part,
                plan=plan,
                form=form,
                finish=Finish(frame, rate, gain, ass, fonts),
                container=info.container,
                caps=self.caps,
            )
            timeout, file_bytes = bounds(plan)
            read = tuple(p for p in (ass, fonts) if p is not None)
            limits = limits_of(timeout, file_bytes)
            result = await run_ffmpeg(argv, descriptors, timeout, limits, on_progress, part, read=read)
            check_ffmpeg(result, ErrorCode.RENDER_FAILED, "The clip could not be rendered.")
            if _MISSING_GLYPH in result.stderr:
                raise AdapterError(
                    ErrorCode.RENDER_FAILED,
                    "A character of the captions could not be drawn.",
                    retryable=False,
                    detail=result.stderr[-2000:],
                )
            made = await self._checked(part, plan, form, frame, rate)
            if gain is not None:
                made = replace(made, loudness_lufs=await self._loudness_of_result(part, plan))
        return replace(made, mode=ClipMode.RENDER, reason=because(form.reasons_to_render()))

    async def loudness(self, path: Path, cut: AudioCut) -> float | None:
        """Integrated loudness of the cut in LUFS (EBU R 128); None for silence."""
        timeout = BASE_SECONDS + float(cut.end - cut.start)
        with opened(path) as descriptor:
            argv = loudness_command(descriptor, cut, self.caps)
            limits = limits_of(timeout, _SLACK_BYTES)
            result = await run_ffmpeg(argv, (descriptor,), timeout, limits, lambda _: None, None)
        check_ffmpeg(result, ErrorCode.RENDER_FAILED, "The loudness could not be measured.")
        found = _LOUDNESS.findall(result.stderr.rpartition("Summary:")[2])
        return float(found[0]) if found and float(found[0]) > _SILENCE_LUFS else None

    async def _gain(self, path: Path, cut: AudioCut | None, form: ClipForm) -> float | None:
        if cut is None or form.loudness_lufs is None:
            return None
        return gain_of(await self.loudness(path, cut), form.loudness_lufs)

    async def _loudness_of_result(self, part: Path, plan: ClipPlan) -> float | None:
        """What the limiter left of it: told, not asked for."""
        tracks = (await ask_child("probe", part, self.caps))["tracks"]
        index = next((track["index"] for track in tracks if track["type"] == "AUDIO"), None)
        if index is None or plan.audio is None:
            return None
        return await self.loudness(
            part, AudioCut(index, Fraction(0), plan.audio.end - plan.audio.start, plan.audio.channels)
        )

    async def _checked(
        self, part: Path, plan: ClipPlan, form: ClipForm, frame: Frame | None, rate: Fraction | None
    ) -> RenderedClip:
        answer: dict[str, Any] = await ask_child(
            "check-form",
            part,
            self.caps,
            plan=plan.to_json(),
            is_animation=form.format.is_animation,
            rate=None if rate is None else str(rate),
            size=None if frame is None else frame.size,
        )
        return RenderedClip(**answer | {"mode": ClipMode.RENDER})


def gain_of(measured: float | None, target: float) -> float | None:
    """The linear gain in dB; None where there is nothing to hear. The limiter behind it keeps the peaks at -1 dB."""
    return None if measured is None else min(_MAX_GAIN_DB, target - measured)


def bounds(plan: ClipPlan) -> tuple[float, int]:
    """Seconds that rendering may take, and bytes of the file."""
    return BASE_SECONDS + plan.seconds * SECONDS_PER_SECOND, int(plan.seconds * _BYTES_PER_SECOND) + _SLACK_BYTES


def _tracks_of(plan: ClipPlan, form: ClipForm) -> ClipPlan:
    """The plan without the tracks that the format cannot hold. Raises UNSUPPORTED_MEDIA when nothing is left."""
    kept = replace(
        plan,
        video=plan.video if form.format.has_pictures else None,
        audio=plan.audio if form.format.has_sound else None,
    )
    if kept.video is None and (kept.audio is None or form.format.is_animation):
        lacking = "picture" if form.format.is_animation else "sound"
        raise CuepointError(
            ErrorCode.UNSUPPORTED_MEDIA, f"The range holds no {lacking}, and a {form.format.value} holds nothing else."
        )
    return kept


@contextlib.contextmanager
def _sources(
    path: Path, part: Path, form: ClipForm, captions: CaptionText | None
) -> Iterator[tuple[FormSources, tuple[int, ...]]]:
    is_embedded = form.captions is not None and form.captions.mode is CaptionMode.EMBED
    with opened(path) as video, opened(path) as audio:
        if not is_embedded or captions is None or not captions.vtt:
            yield FormSources(video, audio), (video, audio)
            return
        text = part.parent / f".{uuid4().hex}.vtt"
        text.write_text(captions.vtt, encoding="utf-8")
        try:
            descriptor = os.open(text, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            text.unlink()
        try:
            yield FormSources(video, audio, descriptor), (video, audio, descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _burned(
    part: Path, form: ClipForm, captions: CaptionText | None, frame: Frame | None, known: Sequence[Font]
) -> Iterator[tuple[Path | None, Path | None]]:
    """The captions as a file in a folder beside `part`, with the fonts that they need."""
    if form.captions is None or form.captions.mode is not CaptionMode.BURN or captions is None or frame is None:
        yield None, None
        return
    texts = [plain(word.text) for sentence in captions.sentences for word in sentence]
    check_glyphs(texts, known)
    used = {known[0], *(font for c in set("".join(texts)) if (font := font_for(c, known)) is not None)}
    folder = part.parent / f".{uuid4().hex}.captions"
    folder.mkdir()
    try:
        for number, path in enumerate(sorted(font.path for font in used)):
            shutil.copyfile(path, folder / f"{number}{path.suffix}")
        ass = folder / "captions.ass"
        em = line_em(frame.size, form.captions.style, known[0])
        cues = lay_out(captions.sentences, em, known, captions.ends_ms)
        ass.write_text(to_ass(cues, form.captions, frame.size, known), encoding="utf-8")
        yield ass, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

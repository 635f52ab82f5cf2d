"""Joining parts of files of any size, rate and sound: each piece rendered alike, then all joined and checked."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import uuid4

from cuepoint.adapters.media.base import ClipMode, JoinedClip, OnMediaProgress, ReelJoin, ReelPart, ReelTransition
from cuepoint.adapters.media.commands import CLIP_AUDIO_RATE
from cuepoint.adapters.media.failures import check_ffmpeg
from cuepoint.adapters.media.forms import ClipForm
from cuepoint.adapters.media.frames import even_size, frame_of
from cuepoint.adapters.media.join_commands import (
    JoinFrame,
    even_pictures,
    passage,
    pictures_command,
    plain_pictures,
    sound_command,
)
from cuepoint.adapters.media.plan import AudioCut, ClipPlan
from cuepoint.adapters.media.rendering import FormRenderer, bounds, gain_of
from cuepoint.adapters.media.running import ask_child, limits_of, opened, run_ffmpeg, written
from cuepoint.errors import CuepointError, ErrorCode

_LOOK_SECONDS = 120.0
_DEFAULT_RATE, _MAX_RATE = Fraction(25), Fraction(60)
_SOUND_RATE = Fraction(1000)  # sound alone keeps the milliseconds of its ranges


@dataclass(frozen=True)
class _Piece:
    """A part as it was planned: `frames` in all, of which `head` and `tail` are shown together with its neighbours."""

    part: ReelPart
    plan: ClipPlan
    frames: int
    head: int
    tail: int
    transition: ReelTransition


class _Work:
    """One joining: where its files lie, how far it is."""

    def __init__(
        self, folder: Path, renderer: FormRenderer, frame: JoinFrame | None, on_progress: OnMediaProgress
    ) -> None:
        self.folder, self.renderer, self.caps, self.frame = folder, renderer, renderer.caps, frame
        self.rate = _SOUND_RATE if frame is None else frame.frame_rate
        self._on_progress, self._done_ms = on_progress, 0

    def samples(self, frames: int) -> int:
        """Sound of so many pictures."""
        return round(frames * CLIP_AUDIO_RATE / self.rate)

    async def plan(self, part: ReelPart, first: int, count: int | None) -> ClipPlan:
        """The cut of pictures `first` to `first + count` of the part; to its end without a count."""
        start_ms = part.start_ms + round(first * 1000 / self.rate)
        end_ms = part.end_ms if count is None else start_ms + max(1, round(count * 1000 / self.rate))
        video, audio = part.info.video, part.info.audio
        return ClipPlan.from_json(
            await ask_child(
                "plan-clip",
                part.path,
                self.caps,
                timeout=_LOOK_SECONDS,
                start_ms=start_ms,
                end_ms=end_ms,
                video_index=video.index if video and self.frame else None,
                audio_index=audio.index if audio else None,
            )
        )

    async def run(self, argv: list[str], descriptors: tuple[int, ...], plan: ClipPlan, target: Path) -> None:
        """ffmpeg, in its box."""
        timeout, file_bytes = bounds(plan)
        done = self._done_ms

        def told(ms: int) -> None:
            self._done_ms = max(self._done_ms, done + ms)
            self._on_progress(self._done_ms)

        result = await run_ffmpeg(argv, descriptors, timeout, limits_of(timeout, file_bytes), told, target)
        check_ffmpeg(result, ErrorCode.RENDER_FAILED, "A piece could not be rendered.")


async def join_parts(
    renderer: FormRenderer,
    parts: Sequence[ReelPart],
    target: Path,
    *,
    form: ClipForm,
    joins: Sequence[ReelJoin],
    on_progress: OnMediaProgress,
) -> JoinedClip:
    """See `MediaTools.join_parts`. Raises CONFLICTING_OPTIONS for a transition longer than half of a part."""
    frame = _frame_of(parts, form)
    if frame is not None:
        renderer.check_size(frame.width, frame.height)
    with _folder(target) as folder:
        work = _Work(folder, renderer, frame, on_progress)
        pieces = await _planned(work, parts, joins or [ReelJoin()] * (len(parts) - 1))
        pictures = [] if frame is None else await _pictures(work, frame, pieces)
        sounds, has_sound = await _sounds(work, pieces, form.loudness_lufs)
        total = sum(piece.frames - piece.head for piece in pieces)
        request = {
            "pieces": pictures,
            "sounds": sounds,
            "rate": None if frame is None else str(frame.frame_rate),
            "samples": work.samples(total) if has_sound else 0,
        }
        made = await _joined(work, target, request, total, form.loudness_lufs)
        return replace(made, begins_ms=tuple(round(begin * 1000 / work.rate) for begin in _begins(pieces)))


def _frame_of(parts: Sequence[ReelPart], form: ClipForm) -> JoinFrame | None:
    """That of the form, or else of the first part with pictures; an uneven rate becomes an even one."""
    video = next((part.info.video for part in parts if part.info.video is not None), None)
    if video is None:
        return None
    rate = Fraction(*video.frame_rate) if video.frame_rate and all(video.frame_rate) else _DEFAULT_RATE
    own = min(_MAX_RATE, max(Fraction(1), rate)).limit_denominator(1001)
    size = even_size(video) if form.is_cropped else frame_of(form, even_size(video)).size
    return JoinFrame(*size, form.frame_rate or own)


async def _planned(work: _Work, parts: Sequence[ReelPart], joins: Sequence[ReelJoin]) -> list[_Piece]:
    none = ReelJoin()
    pieces = []
    for number, (part, before, behind) in enumerate(zip(parts, [none, *joins], [*joins, none], strict=True)):
        frames = max(1, round((part.end_ms - part.start_ms) * work.rate / 1000))
        head, tail = (int(join.overlap_ms * work.rate / 1000) for join in (before, behind))  # half of it stays half
        if max(head, tail) * 2 > frames:
            raise CuepointError(
                ErrorCode.CONFLICTING_OPTIONS,
                f"Piece {number + 1} lasts {(part.end_ms - part.start_ms) / 1000:.3f} s: too short for a transition of "
                f"{max(before.overlap_ms, behind.overlap_ms) / 1000:.3f} s.",
                field=("transitions",),
            )
        pieces.append(_Piece(part, await work.plan(part, 0, None), frames, head, tail, behind.transition))
    return pieces


async def _pictures(work: _Work, frame: JoinFrame, pieces: Sequence[_Piece]) -> list[dict[str, Any]]:
    """The files in order: what of each piece is shown alone, and the transitions between them."""
    made: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        alone = piece.frames - piece.head - piece.tail
        if alone > 0:
            plan = piece.plan if not piece.head and not piece.tail else await work.plan(piece.part, piece.head, alone)
            path = work.folder / f"{number}.mp4"
            with opened(piece.part.path) as descriptor:
                shown = _shown(work, frame, piece.part, plan, descriptor, alone)
                await work.run(pictures_command(shown, path, frame), (descriptor,), plan, path)
            made.append({"path": str(path), "count": alone})
        if piece.tail:
            path = work.folder / f"{number}-next.mp4"
            await _passage(work, frame, piece, pieces[number + 1], path)
            made.append({"path": str(path), "count": piece.tail})
    return made


async def _passage(work: _Work, frame: JoinFrame, piece: _Piece, following: _Piece, path: Path) -> None:
    count = piece.tail
    before = await work.plan(piece.part, piece.frames - count, count)
    after = await work.plan(following.part, 0, count)
    with opened(piece.part.path) as first, opened(following.part.path) as second:
        mixed = passage(
            _shown(work, frame, piece.part, before, first, count),
            _shown(work, frame, following.part, after, second, count),
            piece.transition,
            frame,
            count,
        )
        await work.run(pictures_command(mixed, path, frame), (first, second), before, path)


def _shown(work: _Work, frame: JoinFrame, part: ReelPart, plan: ClipPlan, descriptor: int, count: int) -> Any:
    if plan.video is None:
        return plain_pictures(frame, count)
    return even_pictures(descriptor, plan.video, part.info, frame, work.caps, count)


async def _sounds(work: _Work, pieces: Sequence[_Piece], loudness: float | None) -> tuple[list[dict[str, Any]], bool]:
    """The sound of each piece that has any, and whether there is any at all."""
    made: list[dict[str, Any]] = []
    gains = await _gains(work, pieces, loudness)
    for number, (piece, begin, gain) in enumerate(zip(pieces, _begins(pieces), gains, strict=True)):
        cut = piece.plan.audio
        if cut is not None:
            count, path = work.samples(piece.frames), work.folder / f"{number}.s16"
            with opened(piece.part.path) as descriptor:
                argv = sound_command(descriptor, cut, path, work.caps, samples=count, gain_db=gain)
                await work.run(argv, (descriptor,), piece.plan, path)
            fades = {"fade_in": work.samples(piece.head), "fade_out": work.samples(piece.tail)}
            made.append({"path": str(path), "at": work.samples(begin), "count": count} | fades)
    return made, bool(made)


async def _gains(work: _Work, pieces: Sequence[_Piece], wanted: float | None) -> list[float | None]:
    """Decibels for each piece, to the loudness that is wanted. Without one, each file is brought to that of the first,
    by one gain for all its pieces: they stay as loud and as quiet as they are beside each other."""
    if wanted is None and len({piece.part.path for piece in pieces}) == 1:
        return [None] * len(pieces)
    cuts = [(piece.part.path, piece.plan.audio) for piece in pieces]
    heard = [None if cut is None else await work.renderer.loudness(path, cut) for path, cut in cuts]
    if wanted is not None:
        return [gain_of(one, wanted) for one in heard]
    files = _loudness_of_files(pieces, heard)
    first = next(iter(files.values()), 0.0)
    gains = {path: gain_of(one, first) for path, one in files.items() if one != first}
    return [gains.get(path) for path, _ in cuts]


def _loudness_of_files(pieces: Sequence[_Piece], heard: Sequence[float | None]) -> dict[Path, float]:
    """That of all pieces of a file together, by their power; those in which nothing is heard do not count."""
    power: dict[Path, list[tuple[int, float]]] = {}
    for piece, one in zip(pieces, heard, strict=True):
        if one is not None:
            power.setdefault(piece.part.path, []).append((piece.frames, 10 ** (one / 10)))
    return {
        path: 10 * math.log10(sum(frames * one for frames, one in parts) / sum(frames for frames, _ in parts))
        for path, parts in power.items()
    }


def _begins(pieces: Sequence[_Piece]) -> list[int]:
    """The picture with which each piece begins."""
    return [0, *accumulate(piece.frames - piece.tail for piece in pieces[:-1])]


async def _joined(work: _Work, target: Path, request: dict[str, Any], total: int, loudness: float | None) -> JoinedClip:
    """Written, then looked at: so many pictures of that size, or sound of that length."""
    seconds = total / work.rate
    first = Path((request["pieces"] or request["sounds"])[0]["path"])
    size = sum(path.stat().st_size for path in work.folder.iterdir())
    with written(target) as part:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            await ask_child(
                "join-parts",
                first,
                work.caps,
                timeout=_LOOK_SECONDS + float(seconds),
                pass_fds=(descriptor,),
                file_bytes=size + 64 * 1024**2,
                on_progress=lambda _: None,
                read=(work.folder,),
                target=descriptor,
                **request,
            )
        finally:
            os.close(descriptor)
        made: dict[str, Any] = await ask_child(
            "check-joined",
            part,
            work.caps,
            frames=total if work.frame is not None else None,
            seconds=str(seconds),
            has_sound=bool(request["samples"]),
            size=None if work.frame is None else (work.frame.width, work.frame.height),
        )
        rendered = JoinedClip(**made | {"mode": ClipMode.RENDER})
        if loudness is None or not request["samples"]:
            return rendered
        sound = AudioCut(1 if work.frame is not None else 0, Fraction(0), seconds, 2)
        return replace(rendered, loudness_lufs=await work.renderer.loudness(part, sound))


@contextlib.contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """A directory beside the target for the pieces, removed however the joining ends."""
    folder = target.absolute().parent / f".{uuid4().hex}.pieces"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

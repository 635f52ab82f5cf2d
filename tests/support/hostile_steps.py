"""What is done with each file of the hostile corpus: the steps that open it, and what each says of it in the end."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from cuepoint.adapters.media.base import ClipMode
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError
from tests.support.hostile import NO_PICTURE, OK, HostileFile
from tests.support.hostile_looks import looks_of

T = TypeVar("T")


@dataclass
class Outcome:
    """What became of one file."""

    said: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    outputs: list[bytes] = field(default_factory=list)

    async def note(self, step: str, work: Awaitable[T]) -> T | None:
        """What the step has made; None where it was refused, or found nothing."""
        start, made = time.monotonic(), None
        try:
            made = await work
            self.said[step] = NO_PICTURE if made is None else OK
        except (CuepointError, AdapterError) as error:
            self.said[step] = error.code.value
        self.seconds[step] = time.monotonic() - start
        return made


@dataclass(frozen=True)
class Steps:
    """`work` opens the file and writes below the folder, `outputs` by name; `expected` is by step."""

    name: str
    work: Callable[[HostileFile, Path, Path, Outcome], Awaitable[None]]
    expected: Callable[[HostileFile], Mapping[str, str]]
    outputs: tuple[str, ...]


@cache
def _tools() -> tuple[ChildMediaTools, ChildLookTools]:
    settings = Settings()
    return ChildMediaTools(settings), ChildLookTools(settings)


async def _intake(file: HostileFile, path: Path, place: Path, made: Outcome) -> None:
    tools, _ = _tools()
    info = await made.note("probe", tools.probe(path))
    index = info.audio.index if info is not None and info.audio is not None else 0
    duration = info.duration_ms if info is not None else None
    if "sound" in file.expected:
        work = tools.extract_audio(path, place / "a.wav", track_index=index, duration_ms=duration, on_progress=_ignore)
        await made.note("sound", work)
    if "poster" in file.expected:
        await made.note("poster", tools.poster(path, place / "a.jpg", duration_ms=duration))


async def _looks(_: HostileFile, path: Path, place: Path, made: Outcome) -> None:
    tools, looks = _tools()
    info = await Outcome().note("probe", tools.probe(path))
    duration = None if info is None else info.duration_ms
    work = looks.storyboard(path, place / "tiles.bin", duration_ms=duration, on_progress=_ignore)
    await made.note("storyboard", work)
    if info is None:  # nobody asks for more of what was refused
        return
    await made.note("proxy", looks.proxy(path, place / "proxy.mp4", info=info, on_progress=_ignore))
    length = 1000 if duration is None else max(1, min(1000, duration))
    start = 0 if duration is None else (duration - length) // 2  # in the middle: what leads there is read as well
    for mode in (ClipMode.SMART, ClipMode.RENDER):
        clip = tools.render_clip(
            path,
            place / f"{mode.value}.mp4",
            start_ms=start,
            end_ms=start + length,
            info=info,
            mode=mode,
            on_progress=_ignore,
        )
        await made.note(mode.value, clip)


def _ignore(done_ms: int) -> None:
    pass


INTAKE = Steps("intake", _intake, lambda file: file.expected, ("a.wav", "a.jpg"))
LOOKS = Steps("looks", _looks, looks_of, ("tiles.bin", "proxy.mp4", "SMART.mp4", "RENDER.mp4"))

"""kill -9 of the process that renders: its ffmpeg dies with it, nothing is offered, and the next attempt ends right."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cuepoint.adapters.media.forms import ClipForm, ClipFormat
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from tests.support.media import CodedClip, frame_numbers, make_clip, make_coded_clip

pytestmark = pytest.mark.media

RENDERER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from cuepoint.adapters.media.forms import ClipForm, ClipFormat
    from cuepoint.adapters.media.tools import ChildMediaTools
    from cuepoint.config import Settings

    async def main(source, target):
        tools = ChildMediaTools(Settings())
        info = await tools.probe(source)
        form = ClipForm(format=ClipFormat.WEBM, resolution=1080)
        said = lambda ms: print(ms, flush=True)
        await tools.render_clip(source, target, start_ms=0, end_ms=20000, info=info, on_progress=said, form=form)

    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
""")


def writers_of(folder: Path) -> list[int]:
    """Processes that name the folder on their command line."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                command = (path / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            if str(folder).encode() in command:
                found.append(int(path.name))
    return found


def killed_while_rendering(source: Path, folder: Path) -> tuple[int, list[int]]:
    """How many processes wrote before the kill, and which still do soon after it."""
    argv = [sys.executable, "-c", RENDERER, str(source), str(folder / "clip.webm")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # ffmpeg has begun
        before = len(writers_of(folder))
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while (left := writers_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return before, left


class TestKilledRender:
    async def test_leaves_no_clip_and_no_process(self, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=480, audio=None))
        first, second = tmp_path / "first", tmp_path / "second"
        first.mkdir()
        second.mkdir()

        before, left = await asyncio.to_thread(killed_while_rendering, source, first)

        assert (before, left) == (2, [])  # the renderer and its ffmpeg; both gone
        assert not (first / "clip.webm").exists()

        tools = ChildMediaTools(Settings())
        short = make_clip(tmp_path / "b.mp4", seconds=1)
        await tools.render_clip(
            short,
            second / "clip.webm",
            start_ms=0,
            end_ms=1000,
            info=await tools.probe(short),
            on_progress=lambda _: None,
            form=ClipForm(format=ClipFormat.WEBM),
        )
        assert frame_numbers(second / "clip.webm") == list(range(24))
        assert [path.name for path in second.iterdir()] == ["clip.webm"]

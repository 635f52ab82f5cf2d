"""CPU of reading what a file holds, against ffprobe; target: half of it at the most.

What is compared is the work itself: ours runs in the media child beside PyAV, whose start is told apart. ffprobe is
Debian's (`apt-get install ffmpeg`); without it only our own figures are shown. `python -m benchmarks.media.probe`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.media.measuring import alternating, cpu_of_children, cpu_of_self, verdict
from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.probe import probe
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from tests.support.media import make_clip

ROUNDS, TIMES = 5, 20
SECONDS = 60


async def run() -> None:
    """Print our own CPU, and the ratio where there is an ffprobe."""
    peer = shutil.which("ffprobe")
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        source = make_clip(Path(folder) / "a.mp4", seconds=SECONDS, size=(1280, 720))

        async def ours() -> None:
            for _ in range(TIMES):
                descriptor = os.open(source, os.O_RDONLY)
                probe(descriptor, MediaCaps())
                os.close(descriptor)

        async def theirs() -> None:
            for _ in range(TIMES):
                command = [peer or "", "-v", "error", "-show_format", "-show_streams", str(source)]
                subprocess.run(command, check=True, capture_output=True)  # noqa: ASYNC221 - nothing else waits

        tools = ChildMediaTools(Settings())
        await ours()
        own = (await alternating({"ours": ours}, cpu_of_self, ROUNDS))["ours"] / TIMES
        child = (await alternating({"child": lambda: tools.probe(source)}, cpu_of_children, ROUNDS))["child"]
        print(f"probe: {own * 1000:.1f} ms CPU; with a boxed child of its own {child * 1000:.0f} ms")
        if peer is None:
            print("probe: no ffprobe here; install Debian's ffmpeg for the ratio")
            return
        other = (await alternating({"theirs": theirs}, cpu_of_children, ROUNDS))["theirs"] / TIMES
        verdict(f"probe / ffprobe ({other * 1000:.1f} ms CPU)", own / other, 0.5)


if __name__ == "__main__":
    asyncio.run(run())

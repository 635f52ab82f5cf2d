"""CPU of extracting speech-ready sound, against ffmpeg alone with the same job; target: 1.1 times at the most.

Ours looks at the track first, boxes the child and checks the result. `python -m benchmarks.media.wav`.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg

from benchmarks.media.measuring import alternating, cpu_of_children, verdict
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from tests.support.media import run_ffmpeg

ROUNDS = 5
SECONDS = 1800


async def run() -> None:
    """Half an hour of stereo AAC beside pictures."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        source, target = Path(folder) / "a.mp4", Path(folder) / "out.wav"
        sound = (
            "-f",
            "lavfi",
            "-i",
            f"anoisesrc=d={SECONDS}:a=0.1",
            "-f",
            "lavfi",
            "-i",
            f"color=s=320x180:d={SECONDS}",
        )
        run_ffmpeg(*sound, "-c:a", "aac", "-ac", "2", "-c:v", "libx264", "-preset", "ultrafast", str(source))
        tools = ChildMediaTools(Settings())
        info = await tools.probe(source)
        assert info.audio is not None
        index = info.audio.index
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-vn", "-i", str(source)]
        command += ["-map", "0:a:0", "-ar", "16000", "-ac", "1", "-c:a", "pcm_s16le", str(target)]

        async def ours() -> None:
            await tools.extract_audio(
                source, target, track_index=index, duration_ms=info.duration_ms, on_progress=lambda _: None
            )

        async def theirs() -> None:
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)

        found = await alternating({"ours": ours, "theirs": theirs}, cpu_of_children, ROUNDS)
        verdict(f"wav of {SECONDS} s / ffmpeg ({found['theirs']:.2f} s CPU)", found["ours"] / found["theirs"], 1.1)


if __name__ == "__main__":
    asyncio.run(run())

"""CPU of a storyboard of two hours, against reading the file once with `-c copy -f null -`; target: twice at the most.

MP4 has an index, MPEG-TS has none: it is read through for its key frames first. A table in Markdown.
`python -m benchmarks.media.storyboard`.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg

from benchmarks.media.measuring import alternating, cpu_of_children
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.config import Settings
from tests.support.media import run_ffmpeg

ROUNDS = 3
TARGET = 2.0
SECONDS, PIECE_SECONDS = 7200, 60
# Noise makes the pictures as heavy as those of a camera: 720p at about 2 Mbit/s.
PICTURE = f"testsrc2=s=1280x720:r=24:d={PIECE_SECONDS},noise=alls=6:allf=t"
SOUND = f"anoisesrc=d={PIECE_SECONDS}:a=0.1"


def make_film(folder: Path, suffix: str) -> Path:
    """Two hours: a minute, encoded once and repeated by copying."""
    piece, film = folder / "piece.mp4", folder / f"film{suffix}"
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "2M", "-g", "120", "-c:a", "aac")
    inputs = ("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", SOUND)
    run_ffmpeg(*inputs, *coding, "-pix_fmt", "yuv420p", str(piece))
    run_ffmpeg("-stream_loop", str(SECONDS // PIECE_SECONDS - 1), "-i", str(piece), "-c", "copy", str(film))
    return film


async def compare(film: Path) -> tuple[float, float]:
    """CPU seconds of reading it once, and of its storyboard."""
    tools = ChildLookTools(Settings())
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(film), "-map", "0", "-c", "copy"]

    async def floor() -> None:
        await asyncio.to_thread(subprocess.run, [*command, "-f", "null", "-"], check=True, capture_output=True)

    async def ours() -> None:
        made = await tools.storyboard(
            film, film.with_suffix(".pack"), duration_ms=SECONDS * 1000, on_progress=lambda _: None
        )
        assert made is not None
        assert len(made.tile_ends) == SECONDS // 10

    found = await alternating({"floor": floor, "ours": ours}, cpu_of_children, ROUNDS)
    return found["floor"], found["ours"]


async def run() -> None:
    """A row for each kind of file."""
    print("| two hours of 720p | copy floor (CPU s) | storyboard (CPU s) | ratio | target | |")
    print("|---|---|---|---|---|---|")
    for name, suffix in (("MP4, key frames each 5 s", ".mp4"), ("MPEG-TS, the same, no index", ".ts")):
        with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
            floor, ours = await compare(make_film(Path(folder), suffix))
        verdict = "met" if ours / floor <= TARGET else "MISSED"
        print(f"| {name} | {floor:.2f} | {ours:.2f} | {ours / floor:.2f} | {TARGET:g} | {verdict} |")


if __name__ == "__main__":
    asyncio.run(run())

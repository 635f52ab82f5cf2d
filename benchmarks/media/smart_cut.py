"""CPU of a 30 s cut of 720p, by mode, as a ratio to re-encoding; target for SMART: a third at the most.

Run as `python -m benchmarks.media.smart_cut`.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import tempfile
from pathlib import Path

from cuepoint.adapters.media.base import ClipMode
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from tests.support.media import run_ffmpeg

ROUNDS = 3
START_MS, END_MS = 12_340, 42_340
GROUPS = (50, 250)  # 2 s; and 10 s, x264's longest by default


def _source(folder: Path, group: int) -> Path:
    path = folder / f"{group}.mp4"
    pictures = "testsrc2=s=1280x720:r=25:d=60,noise=alls=8:allf=t"
    encoding = ("-c:v", "libx264", "-preset", "veryfast", "-g", str(group), "-sc_threshold", "0", "-pix_fmt", "yuv420p")
    sound = ("-f", "lavfi", "-i", "anoisesrc=d=60:a=0.1")
    run_ffmpeg("-f", "lavfi", "-i", pictures, *sound, *encoding, "-c:a", "aac", str(path))
    return path


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def run(rounds: int = ROUNDS) -> None:
    """Print one line per group length and mode."""
    tools = ChildMediaTools(Settings())
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        for group in GROUPS:
            source = _source(Path(folder), group)
            info = await tools.probe(source)
            seconds: dict[ClipMode, list[float]] = {mode: [] for mode in ClipMode}
            for _ in range(rounds):
                for mode in ClipMode:
                    before = _cpu_seconds()
                    made = await tools.render_clip(
                        source,
                        Path(folder) / "clip.mp4",
                        start_ms=START_MS,
                        end_ms=END_MS,
                        info=info,
                        on_progress=lambda _: None,
                        mode=mode,
                    )
                    seconds[mode].append(_cpu_seconds() - before)
                    assert made.mode is mode
            floor = statistics.median(seconds[ClipMode.RENDER])
            for mode in ClipMode:
                median = statistics.median(seconds[mode])
                print(f"groups of {group / 25:4.0f} s  {mode.value:6}  {median:6.2f} s CPU  {median / floor:5.2f}")


if __name__ == "__main__":
    asyncio.run(run())

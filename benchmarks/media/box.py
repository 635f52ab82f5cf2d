"""What the box costs a child: start to end of the same small program inside and outside of it; target: 30 ms.

CPU of the child and of its preparation in the parent together. `python -m benchmarks.media.box`.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.media.measuring import alternating, cpu_of_children, cpu_of_self, verdict
from cuepoint.adapters.media.commands import ffmpeg_binary
from cuepoint.processes.child import ChildLimits, run_child
from cuepoint.processes.sandbox import Box

ROUNDS, TIMES = 7, 10


async def run() -> None:
    """ffmpeg that only says its version."""
    argv = [ffmpeg_binary(), "-hide_banner", "-version"]

    async def started(box: Box | None) -> None:
        for _ in range(TIMES):
            result = await run_child(argv, timeout=30, limits=ChildLimits(), box=box)
            assert result.returncode == 0

    ways = {"inside": lambda: started(Box()), "outside": lambda: started(None)}
    await started(Box())
    for name, clock in (("CPU", lambda: cpu_of_self() + cpu_of_children()), ("time", time.perf_counter)):
        found = await alternating(ways, clock, ROUNDS)
        verdict(f"box: {name} a file", (found["inside"] - found["outside"]) / TIMES * 1000, 30, "ms")


if __name__ == "__main__":
    asyncio.run(run())

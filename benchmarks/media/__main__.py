"""`python -m benchmarks.media`: every benchmark of media work, one after the other."""

from __future__ import annotations

import asyncio

from benchmarks.media import box, probe, smart_cut, storyboard, upload, wav


async def run() -> None:
    """From the quickest to the slowest."""
    for each in (box, probe, wav, smart_cut, upload, storyboard):
        await each.run()


if __name__ == "__main__":
    asyncio.run(run())

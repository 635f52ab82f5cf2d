"""`make bench`: runs every benchmark and prints its table."""

from __future__ import annotations

import asyncio
import platform
import sys
from importlib.metadata import version

from benchmarks import pipeline, refusals
from benchmarks.graphql import fanout, requests
from benchmarks.jobs.__main__ import run as run_jobs

PACKAGES = ("saq", "sqlalchemy", "asyncpg", "strawberry-graphql", "faster-whisper", "ctranslate2", "av")


def main() -> None:
    """Print what this machine and these versions do."""
    print(
        f"Python {platform.python_version()} on {platform.machine()}; "
        + ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    )
    asyncio.run(refusals.run())
    asyncio.run(requests.measure(rounds=5))
    asyncio.run(fanout.main())
    asyncio.run(run_jobs())
    asyncio.run(pipeline.run(rounds=int(sys.argv[1]) if len(sys.argv) > 1 else 3))


if __name__ == "__main__":
    main()

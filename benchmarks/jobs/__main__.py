"""`python -m benchmarks.jobs [--rounds N] [--only latencies|outages|throughput ...]`: the job layer alone.

Some seven minutes with five rounds; it wants a machine that does nothing else. Ends with a table for the README, and
with 1 where a target was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence

import uvloop

from benchmarks.jobs import latencies, outages, throughput
from benchmarks.jobs.results import Results, machine
from benchmarks.jobs.servers import pin, running_servers

ROUNDS = 5
PARTS = ("latencies", "outages", "throughput")


async def run(rounds: int = ROUNDS, parts: Sequence[str] = PARTS) -> Results:
    """All parts on fresh servers; latencies and outages on all cores, throughput on one."""
    print("\njobs")
    began, versions, results = time.monotonic(), machine(), Results()
    print(", ".join(f"{name} {value}" for name, value in versions.items()))
    if parts != ("throughput",):
        async with running_servers() as servers:
            versions |= await servers.versions()
            if "latencies" in parts:
                await latencies.measure(servers, results)
            if "outages" in parts:
                await outages.measure(servers, results)
    if "throughput" in parts:
        pin(0)
        async with running_servers() as servers:
            versions |= await servers.versions()
            versions |= await throughput.compare(servers, rounds, results)
    results.rows.sort(key=lambda row: row.target)
    print(f"\n{results.markdown(versions)}\n\n{time.monotonic() - began:.0f} s")
    return results


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the throughput; medians of them")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    options = parser.parse_args()
    logging.getLogger("cuepoint").setLevel(logging.ERROR)  # that Redis is away is part of it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the processes of the product
        results = runner.run(run(options.rounds, tuple(options.only)))
    return 0 if all(row.is_met for row in results.rows) else 1


if __name__ == "__main__":
    sys.exit(main())

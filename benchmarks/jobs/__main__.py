"""`python -m benchmarks.jobs [ROUNDS]`: the job layer alone, some five minutes; it wants a quiet machine."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.jobs import latencies, throughput
from benchmarks.jobs.servers import pin, running_servers

ROUNDS = 5


async def run(rounds: int = ROUNDS) -> None:
    """Both parts on fresh servers; latencies on all cores, throughput on one."""
    print("\njobs")
    async with running_servers() as servers:
        await latencies.measure(servers)
    pin(0)
    async with running_servers() as servers:
        await throughput.compare(servers, rounds)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))

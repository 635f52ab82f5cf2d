"""No-op jobs a second and CPU per job: raw SAQ, dramatiq, taskiq, celery and this, one after the other, in rounds.

Worker, Redis and Postgres share one core; the backlog is there before the worker starts, and the time runs from its
first job to its last. Ratios are against raw SAQ of the same round.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.jobs.results import Results
from benchmarks.jobs.servers import Servers
from cuepoint.features.jobs.models import JobKind
from tests.support.jobs import connect, make

REQUIREMENTS = Path(__file__).with_name("requirements-bench.txt")
PEER = Path(__file__).with_name("peer.py")
# Chosen so that each takes about a second on one core.
COUNTS = {"saq": 2000, "dramatiq": 6000, "taskiq": 3000, "celery": 1500, "cuepoint": 8000}
CONCURRENCIES = (10, 50)
# By concurrency: times raw SAQ's throughput at least, its CPU at most, dramatiq's throughput at least.
GOALS = {10: (2.0, 0.55, 0.8), 50: (3.5, 0.35, 1.0)}
LONGEST_SECONDS = 60


@dataclass(frozen=True)
class Sample:
    """One run of one of them."""

    per_second: float
    cpu_ms_per_job: float


@contextmanager
def peer_python() -> Iterator[str]:
    """The interpreter of an environment with the peers, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="cp-peers-") as name:
        if shutil.which("uv"):
            subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, name], check=True)
            pip = ["uv", "pip", "install", "--quiet", "--python", f"{name}/bin/python"]
        else:
            subprocess.run([sys.executable, "-m", "venv", name], check=True)
            pip = [f"{name}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True, stderr=subprocess.DEVNULL)
        yield f"{name}/bin/python"


async def compare(servers: Servers, rounds: int, results: Results) -> dict[str, str]:
    """Print the tables; the versions of the peers."""
    with peer_python() as python:
        for concurrency in CONCURRENCIES:
            samples: dict[str, list[Sample]] = {name: [] for name in COUNTS}
            for _ in range(rounds):
                for name, found in samples.items():
                    found.append(await _measure(servers, python, name, concurrency))
            _print(samples, concurrency)
            _judge(samples, concurrency, results)
        return _versions(python)


def _versions(python: str) -> dict[str, str]:
    names = ("saq", "dramatiq", "taskiq", "taskiq-redis", "celery", "redis", "uvloop")
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    said = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True).stdout
    return dict(zip(names, said.split(), strict=True))


def _judge(samples: dict[str, list[Sample]], concurrency: int, results: Results) -> None:
    """Ratios of rounds: what is measured one after the other has the same machine."""
    own = samples["cuepoint"]
    faster = [a.per_second / b.per_second for a, b in zip(own, samples["saq"], strict=True)]
    cheaper = [a.cpu_ms_per_job / b.cpu_ms_per_job for a, b in zip(own, samples["saq"], strict=True)]
    beside = [a.per_second / b.per_second for a, b in zip(own, samples["dramatiq"], strict=True)]
    least, most, as_fast = GOALS[concurrency]
    words = f"concurrency {concurrency}"
    _add(results, "T1", f"jobs/s against raw SAQ, {words}", faster, least=least)
    _add(results, "T1", f"CPU a job against raw SAQ, {words}", cheaper, most=most)
    _add(results, "T2", f"jobs/s against dramatiq, {words}", beside, least=as_fast)


def _add(
    results: Results, target: str, what: str, ratios: list[float], *, least: float = 0.0, most: float | None = None
) -> None:
    middle = statistics.median(ratios)
    goal = f">= {least:g} x" if most is None else f"<= {most:g} x"
    is_met = middle >= least and (most is None or middle <= most)
    spread = f"{min(ratios):.2f} - {max(ratios):.2f} in {len(ratios)} rounds"
    results.add(target, what, f"{middle:.2f} x", spread, goal, is_met=is_met)


async def _measure(servers: Servers, python: str, name: str, concurrency: int) -> Sample:
    count = COUNTS[name]
    servers.redis.stop()
    servers.redis.start()
    if name == "cuepoint":
        await _fill(servers, count)
        argv = [sys.executable, "-m", "benchmarks.jobs.own", "work", str(count), str(concurrency)]
        env = servers.environment(worker_lanes="io", worker_slots_io=str(concurrency))
    else:
        env = os.environ | {"BENCH_REDIS": servers.redis.url}
        if name == "celery":
            env["BENCH_REDIS"] = f"redis+socket://{servers.redis.socket_path}"
        fill = await asyncio.create_subprocess_exec(python, str(PEER), name, "fill", str(count), env=env)
        async with asyncio.timeout(LONGEST_SECONDS):
            assert await fill.wait() == 0, f"{name} could not be filled"
        argv = [python, str(PEER), name, "work", str(count), str(concurrency)]
    return await _work(servers, argv, env, count)


async def _fill(servers: Servers, count: int) -> None:
    async with connect(servers.database_url) as sql:
        await sql.execute("delete from jobs")
        async with sql.transaction():
            for _ in range(count):
                await make(sql, JobKind.MAINTENANCE)
        await sql.execute("vacuum analyze jobs")


async def _work(servers: Servers, argv: list[str], env: dict[str, str], count: int) -> Sample:
    worker = await asyncio.create_subprocess_exec(
        *argv, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert worker.stdout is not None
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            first = await _marks(worker.stdout)
            before = servers.cpu_seconds()
            last = await _marks(worker.stdout)
            after = servers.cpu_seconds()
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()
    seconds, own = last[0] - first[0], last[1] - first[1]
    return Sample((count - 1) / seconds, 1000 * (own + after - before) / (count - 1))


async def _marks(output: asyncio.StreamReader) -> tuple[float, float]:
    """Time and CPU seconds of the next line that has them; whatever else a peer prints is passed over."""
    while line := await output.readline():
        if line.startswith(b"@ "):
            at, cpu = line.split()[1:]
            return float(at), float(cpu)
    raise RuntimeError("the worker ended before its jobs did")


def _print(samples: dict[str, list[Sample]], concurrency: int) -> None:
    rounds = len(samples["saq"])
    head = f"no-op jobs, concurrency {concurrency}, {rounds} rounds"
    print(f"\n{head:40} jobs/s (low - high)    x SAQ   CPU ms/job   x SAQ")
    for name, found in samples.items():
        rates = [one.per_second for one in found]
        ratio = statistics.median(
            one.per_second / base.per_second for one, base in zip(found, samples["saq"], strict=True)
        )
        cpu = statistics.median(one.cpu_ms_per_job for one in found)
        cpu_ratio = statistics.median(
            one.cpu_ms_per_job / base.cpu_ms_per_job for one, base in zip(found, samples["saq"], strict=True)
        )
        low, high = min(rates), max(rates)
        print(
            f"  {name:24} {statistics.median(rates):8.0f} ({low:.0f} - {high:.0f})".ljust(52)
            + f"{ratio:6.2f} {cpu:12.2f} {cpu_ratio:7.2f}"
        )

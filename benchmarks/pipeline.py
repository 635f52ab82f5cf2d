"""The sample video through the whole product: stage times against playing time, start-up, memory, search."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from cuepoint.client import CuepointClient
from tests.support.product import RunningProduct, call, finish, product_environment, running_product, send
from tests.support.speech import VIDEO

SEARCHES = 50
PLAYING_SECONDS = 81.475
KINDS = (
    "PROBE",
    "AUDIO_EXTRACTION",
    "TRANSCRIPTION",
    "SEGMENTATION",
    "EMBEDDING",
    "MOMENT_GENERATION",
    "CLIP_EXTRACTION",
)


async def run(rounds: int) -> None:
    """Measure on a fresh home; the first round of the worker loads its models."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        home = Path(folder) / "home"
        print(f"\ncuepoint --help                 {_help_seconds(home):7.2f} s")
        print(f"cuepoint up, first start        {_up_seconds(home):7.2f} s")
        print(f"cuepoint up, second start       {_up_seconds(home):7.2f} s")
        with running_product(home) as product:
            await asyncio.sleep(2)
            print(f"idle API RSS                    {_rss(product.pid_of('api')):7.0f} MB")
            print(f"idle worker RSS                 {_rss(product.pid_of('worker')):7.0f} MB")
            async with product.client() as client:
                results = [await _round(client, number) for number in range(rounds)]
                _print_stages(results)
                await _print_searches(client)
            print(f"worker and its children RSS     {_tree_rss(product):7.0f} MB")


def _help_seconds(home: Path) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        command = [sys.executable, "-m", "cuepoint.cli.main", "--help"]
        subprocess.run(command, check=True, capture_output=True, env=product_environment(home))
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _up_seconds(home: Path) -> float:
    began = time.perf_counter()
    with running_product(home):
        return time.perf_counter() - began


async def _round(client: CuepointClient, number: int) -> dict[str, float]:
    project = (await call(client, "CreateProject", {"input": {"name": f"Round {number}"}}))["project"]["id"]
    began = time.perf_counter()
    registered = await send(client, project, VIDEO)
    await asyncio.gather(*[finish(client, job["id"]) for job in registered["jobs"]])
    moments = (await call(client, "Moments", {"videoId": registered["video"]["id"]}))["moments"]["nodes"]
    wanted = {"videoId": registered["video"]["id"], "momentId": moments[0]["id"]}
    created = await call(client, "CreateClip", {"input": wanted})
    await finish(client, created["job"]["id"])
    total = time.perf_counter() - began
    video = await call(client, "Video", {"id": registered["video"]["id"]})
    stages = {job["kind"]: _seconds(job) for job in video["jobs"]["nodes"]}
    return {**stages, "whole": total}


def _seconds(job: dict[str, Any]) -> float:
    return (datetime.fromisoformat(job["finishedAt"]) - datetime.fromisoformat(job["startedAt"])).total_seconds()


def _print_stages(results: list[dict[str, float]]) -> None:
    print(f"\nsample of {PLAYING_SECONDS} s       first   median   of playing time   ({len(results)} rounds)")
    for kind in (*KINDS, "whole"):
        values = [result[kind] for result in results]
        median = statistics.median(values)
        print(f"  {kind:24} {values[0]:7.2f} {median:8.2f} s {median / PLAYING_SECONDS:12.3f}")


async def _print_searches(client: CuepointClient) -> None:
    times = []
    for _ in range(SEARCHES):
        began = time.perf_counter()
        await call(client, "SemanticSearch", {"query": "animals under the ship"})
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    print(
        f"\nsemanticSearch over HTTP        {statistics.median(times):7.1f} ms median, {times[-2]:.1f} ms second worst"
    )


def _rss(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 1e6


def _tree_rss(product: RunningProduct) -> float:
    worker = psutil.Process(product.pid_of("worker"))
    return sum(
        _rss(process.pid) for process in (worker, *worker.children(recursive=True)) if process.pid != os.getpid()
    )

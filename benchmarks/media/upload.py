"""CPU and memory of the API while a large file comes in over tus; targets: 1.2 times obstore's put, RSS +40 MB.

Sent in requests of 16 MiB, as docs/clients.md shows for `tus-js-client`. The first peer reads the file by itself, in a
process of its own: nothing comes over a network, and nothing is hashed. The second one is the same put behind the same
HTTP server, and SHA-256 of the same bytes: what an upload costs that does nothing else. All take turns in random order,
medians count.
What a way has stored is removed before the next one: memory that a virtual machine gives to the page cache for the
first time costs a second a GiB and more, whoever is the first to get it. `python -m benchmarks.media.upload`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil

from benchmarks.media.measuring import cpu_of_self, verdict
from cuepoint.client import CuepointClient, upload_file
from tests.support.product import call, running_product

SIZE = 256 * 1024**2
ROUNDS = 7
_PUT = """
import asyncio, os, resource, sys
import obstore
from obstore.store import LocalStore

async def pieces():
    while piece := sys.stdin.buffer.read(1 << 20):
        yield piece

async def put():
    await obstore.put_async(LocalStore(sys.argv[1]), "a", pieces(), chunk_size=8 << 20)

asyncio.run(put())
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, flush=True)
os._exit(0)  # the library's threads may abort a process that ends in order
"""

_SERVED = """
import resource, socket, sys
import obstore, uvicorn
from obstore.store import LocalStore
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

async def put(request):
    before = cpu()
    await obstore.put_async(LocalStore(sys.argv[1]), "b", request.stream(), chunk_size=8 << 20)
    return Response(str(cpu() - before))

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(Starlette(routes=[Route("/", put, methods=["PUT"])]), loop="uvloop", http="httptools",
                        log_config=None)
uvicorn.Server(config).run(sockets=[listener])
"""


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class _Watch(threading.Thread):
    """The highest resident memory of a process."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process, self.highest, self.is_over = process, 0, False

    def run(self) -> None:
        while not self.is_over:
            self.highest = max(self.highest, self._process.memory_info().rss)
            time.sleep(0.02)


def _peer(source: Path, folder: Path) -> float:
    with source.open("rb") as file:
        command = [sys.executable, "-c", _PUT, str(folder)]
        done = subprocess.run(command, stdin=file, capture_output=True, check=True)
    return float(done.stdout)


async def _served_peer(source: Path, folder: Path) -> float:
    command = [sys.executable, "-c", _SERVED, str(folder)]
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        port = int(await server.stdout.readline())
        async with httpx2.AsyncClient(timeout=None, trust_env=False) as client:
            answer = await client.put(f"http://127.0.0.1:{port}/", content=_pieces(source))
        return float(answer.text)
    finally:
        server.terminate()
        await server.wait()


async def _pieces(source: Path) -> AsyncIterator[bytes]:
    with source.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, 1024**2):
            yield piece


def _hashing(source: Path) -> float:
    before = cpu_of_self()
    with source.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return cpu_of_self() - before


async def _send(client: CuepointClient, project_id: str, path: Path) -> None:
    size = await asyncio.to_thread(os.path.getsize, path)
    given = {"projectId": project_id, "filename": path.name, "sizeBytes": size}
    created = await call(client, "CreateUpload", {"input": given})
    await upload_file(client, created["upload"]["url"], path)


def _forget(*folders: Path) -> None:
    for path in (found for folder in folders for found in folder.rglob("*")):
        if path.is_file() and path.stat().st_size >= SIZE:
            path.unlink()


async def run(rounds: int = ROUNDS) -> None:
    """The idle process is looked at first."""
    found: dict[str, list[float]] = {"upload": [], "put": [], "served": [], "sha256": []}
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        source, home, other = Path(folder) / "film.mp4", Path(folder) / "home", Path(folder) / "store"
        other.mkdir()
        with source.open("wb") as file:
            for _ in range(SIZE // 1024**2):
                file.write(os.urandom(1024**2))
        with running_product(home) as product:
            api = psutil.Process(product.pid_of("api"))
            async with product.client() as client:
                project = (await call(client, "CreateProject", {"input": {"name": "Upload"}}))["project"]["id"]
                small = Path(folder) / "small.mp4"
                small.write_bytes(os.urandom(1024**2))
                await _send(client, project, small)
                idle, watch = api.memory_info().rss, _Watch(api)
                watch.start()

                async def uploaded() -> float:
                    before = _cpu(api)
                    await _send(client, project, source)
                    return _cpu(api) - before

                ways = {
                    "upload": uploaded,
                    "put": lambda: asyncio.to_thread(_peer, source, other),
                    "served": lambda: _served_peer(source, other),
                    "sha256": lambda: asyncio.to_thread(_hashing, source),
                }
                for _ in range(rounds):
                    for name, way in sorted(ways.items(), key=lambda _: random.random()):
                        found[name].append(await way())
                        _forget(home, other)
                watch.is_over = True
    for name, values in found.items():
        least, middle = (value * 1024**3 / SIZE for value in (min(values), statistics.median(values)))
        print(f"{name:8} {middle:.2f} s CPU a GiB, at least {least:.2f}")
    upload, put, served, hashing = map(statistics.median, found.values())
    verdict("upload / obstore's put", upload / put, 1.2)
    verdict("upload / put behind HTTP and SHA-256", upload / (served + hashing), 1.2)
    verdict("upload: memory over idle", (watch.highest - idle) / 1024**2, 40, "MB")


if __name__ == "__main__":
    asyncio.run(run())

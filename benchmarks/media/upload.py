"""CPU and memory of the API while a large file comes in over tus; targets: 1.2 times obstore's put, RSS +40 MB.

Two ways of taking the same bytes from a client, behind the same HTTP server, onto the same disk. `upload` is ours, in
requests of 16 MiB, as docs/clients.md shows for `tus-js-client`: each is authorized, locked, hashed and synced. The
peer, `served`, is the cheapest of the usual ways of taking an upload: obstore's
`put_async(request.stream(), chunk_size=8 MiB)` in one request, which does none of that. `put` is the same put of a
local pipe, over no network: shown, without a target. They take turns in random order, and medians count.
A virtual machine may hand memory that was free for 2 seconds back to its host (free page reporting), and getting it
again costs whoever writes next about 2 s a GiB, ten times what the page cache takes else. So right before each turn as
much is written and removed by this process, and every way finds memory that is there.
`python -m benchmarks.media.upload [ROUNDS]`.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import psutil

from benchmarks.media.measuring import verdict
from cuepoint.client import CuepointClient, upload_file
from tests.support.product import call, running_product

SIZE = 256 * 1024**2
ROUNDS = 15
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
import socket, sys
import obstore, uvicorn
from obstore.store import LocalStore
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def put(request):
    await obstore.put_async(LocalStore(sys.argv[1]), "b", request.stream(), chunk_size=8 << 20)
    return Response()

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


def _put(source: Path, folder: Path) -> float:
    with source.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", _PUT, str(folder)], stdin=file, capture_output=True, check=True)
    return float(done.stdout)


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[tuple[psutil.Process, str]]:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVED, str(folder), stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        yield psutil.Process(server.pid), f"http://127.0.0.1:{int(await server.stdout.readline())}/"
    finally:
        server.terminate()
        await server.wait()


async def _pieces(source: Path) -> AsyncIterator[bytes]:
    with source.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, 1024**2):
            yield piece


async def _send(client: CuepointClient, project_id: str, path: Path) -> None:
    size = await asyncio.to_thread(os.path.getsize, path)
    given = {"projectId": project_id, "filename": path.name, "sizeBytes": size}
    created = await call(client, "CreateUpload", {"input": given})
    await upload_file(client, created["upload"]["url"], path)


def _warm(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(2 * SIZE // 1024**2):
            file.write(bytes(1024**2))
    path.unlink()


def _forget(folder: Path, source: Path) -> None:
    for path in folder.rglob("*"):
        if path != source and path.is_file() and path.stat().st_size >= SIZE:
            path.unlink()


async def run(rounds: int = ROUNDS) -> None:
    """The idle process is looked at first."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as name:
        folder = Path(name)
        source, small, store = folder / "film.mp4", folder / "small.mp4", folder / "store"
        store.mkdir()
        small.write_bytes(os.urandom(1024**2))
        with source.open("wb") as file:
            for _ in range(SIZE // 1024**2):
                file.write(os.urandom(1024**2))
        with running_product(folder / "home") as product:
            api = psutil.Process(product.pid_of("api"))
            async with (
                product.client() as client,
                _server(store) as (peer, address),
                httpx2.AsyncClient(timeout=None, trust_env=False) as plain,
            ):
                project = (await call(client, "CreateProject", {"input": {"name": "Upload"}}))["project"]["id"]
                await _send(client, project, small)
                idle, watch = api.memory_info().rss, _Watch(api)
                watch.start()

                async def upload() -> float:
                    before = _cpu(api)
                    await _send(client, project, source)
                    return _cpu(api) - before

                async def served() -> float:
                    before = _cpu(peer)
                    length = {"Content-Length": str(SIZE)}  # else the peer has chunks to put together
                    (await plain.put(address, content=_pieces(source), headers=length)).raise_for_status()
                    return _cpu(peer) - before

                async def put() -> float:
                    return await asyncio.to_thread(_put, source, store)

                found: dict[str, list[float]] = {}
                for _ in range(rounds):
                    for way in random.sample([upload, served, put], 3):
                        await asyncio.to_thread(_warm, store / "warm")
                        found.setdefault(way.__name__, []).append(await way() * 1024**3 / SIZE)
                        _forget(folder, source)
                watch.is_over = True
    for way_name, values in sorted(found.items()):
        print(f"{way_name:8} {statistics.median(values):.2f} s CPU a GiB, at least {min(values):.2f}")
    ours, theirs = statistics.median(found["upload"]), statistics.median(found["served"])
    verdict("upload / obstore's put of the request", ours / theirs, 1.2)
    verdict("upload: memory over idle", (watch.highest - idle) / 1024**2, 40, "MB")


if __name__ == "__main__":
    asyncio.run(run(*map(int, sys.argv[1:])))

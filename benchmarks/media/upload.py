"""CPU and memory of the API while a large file comes in over tus; targets: 1.2 times obstore's put, RSS +40 MB.

Sent in requests of 16 MiB, as `tus-js-client` does. The first peer reads the file by itself, in a process of its own:
nothing comes over a network, and nothing is hashed. The second one is the same put behind the same HTTP server, and
SHA-256 of the same bytes: what an upload costs that does nothing else. `python -m benchmarks.media.upload`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
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

SIZE = 1024**3
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


async def run(size: int = SIZE) -> None:
    """One file; the idle process is looked at first."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        source, other = Path(folder) / "film.mp4", Path(folder) / "store"
        other.mkdir()
        with source.open("wb") as file:
            for _ in range(size // 1024**2):
                file.write(os.urandom(1024**2))
        with running_product(Path(folder) / "home") as product:
            api = psutil.Process(product.pid_of("api"))
            async with product.client() as client:
                project = (await call(client, "CreateProject", {"input": {"name": "Upload"}}))["project"]["id"]
                small = Path(folder) / "small.mp4"
                small.write_bytes(os.urandom(1024**2))
                await _send(client, project, small)
                idle, before = api.memory_info().rss, _cpu(api)
                watch = _Watch(api)
                watch.start()
                await _send(client, project, source)
                watch.is_over = True
                spent = _cpu(api) - before
        floor = await asyncio.to_thread(_peer, source, other)
        served, hashing = await _served_peer(source, other), _hashing(source)
        gigabytes = size / 1024**3
        print(f"upload: {spent / gigabytes:.2f} s CPU a GiB; obstore's put {floor / gigabytes:.2f}, ", end="")
        print(f"behind HTTP {served / gigabytes:.2f}; SHA-256 {hashing / gigabytes:.2f}")
        verdict("upload / obstore's put", spent / floor, 1.2)
        verdict("upload / put behind HTTP and SHA-256", spent / (served + hashing), 1.2)
        verdict("upload: memory over idle", (watch.highest - idle) / 1024**2, 40, "MB")


if __name__ == "__main__":
    asyncio.run(run())

"""CPU a request of three servers, in rounds that take turns, so that what disturbs one disturbs all.

Prints a table in Markdown, for benchmarks/README.md. 5 rounds take 2 to 4 minutes.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx2
import orjson

from benchmarks.graphql.shapes import QUERIES
from benchmarks.graphql.world import World, make_world
from cuepoint.db.session import Database, create_engine
from tests.support.database import create_database, prepare_template
from tests.support.stack import SharedStack, shared_stack

REQUESTS = {"q1": 300, "q2": 100, "q3": 30, "q4": 150}
WARM_UP = 20
SERVERS = ("floor", "product", "plain")
# At most so many times the floor, and Strawberry as in its documentation at least so many times the product.
AT_MOST = {"q1": 5.0, "q2": 12.0, "q3": 17.0, "q4": 6.0}
AT_LEAST = 2.0
PACKAGES = ("strawberry-graphql", "graphql-core", "SQLAlchemy", "asyncpg", "starlette", "uvicorn", "uvloop", "orjson")
START_SECONDS = 60.0


@dataclass
class Running:
    """A server process that answers."""

    name: str
    pid: int
    url: str

    def cpu_seconds(self) -> float:
        """Of all its threads, to the nanosecond."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(int((one / "schedstat").read_text().split()[0]) for one in tasks.iterdir()) / 1e9


@contextmanager
def running(name: str, environment: dict[str, str]) -> Iterator[Running]:
    """One of the three servers, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m"]
    if name == "product":
        command += ["cuepoint.cli.main", "api"]
    else:
        command += ["uvicorn", f"benchmarks.graphql.{name}:app", "--loop", "uvloop", "--http", "httptools"]
        command += ["--no-access-log", "--log-level", "warning", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | environment | {"CUEPOINT_PORT": str(port)})
    try:
        found = Running(name, process.pid, f"http://127.0.0.1:{port}/graphql")
        _wait(found, process)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait(server: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx2.TransportError):
            httpx2.get(server.url, timeout=5)
            return
        time.sleep(0.1)
    raise RuntimeError(f"{server.name} did not start")


class Asker:
    """One kept-alive connection that asks one question after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._client = httpx2.AsyncClient(timeout=60)

    async def ask(self, server: Running, shape: str) -> bytes:
        """One answer, which must be without errors."""
        query = QUERIES[shape]
        name = query.split("(")[0].split("{")[0].split()[1]
        variables = {"id": self._world.video_id} if "$id" in query else {}
        body = orjson.dumps({"query": query, "operationName": name, "variables": variables})
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._world.token}"}
        response = await self._client.post(server.url, content=body, headers=headers)
        if response.status_code != 200 or b'"errors"' in response.content[:200]:
            raise RuntimeError(f"{server.name} {shape}: {response.text[:500]}")
        return response.content

    async def cpu(self, server: Running, shape: str) -> float:
        """Milliseconds of CPU that the server takes for one such request."""
        times = REQUESTS[shape]
        began = server.cpu_seconds()
        for _ in range(times):
            await self.ask(server, shape)
        return (server.cpu_seconds() - began) / times * 1000


async def measure(rounds: int, shapes: tuple[str, ...] = tuple(QUERIES)) -> None:
    """Print the table."""
    with (
        # The keeper of the servers ends by itself, a moment after its last user.
        tempfile.TemporaryDirectory(prefix="cuepoint-bench-", ignore_cleanup_errors=True) as folder,
        shared_stack(Path(folder)) as stack,
    ):
        url, world = await _prepare(stack, Path(folder))
        environment = {
            "DATABASE_URL": url,
            "CUEPOINT_DATABASE_URL": url,
            "CUEPOINT_REDIS_URL": stack.redis_url(),
            "CUEPOINT_HOME": folder,
            "CUEPOINT_RATE_LIMIT_PER_MINUTE": "0",
            "CUEPOINT_LOG_LEVEL": "WARNING",
        }
        with (
            running("floor", environment) as floor,
            running("product", environment) as product,
            running("plain", environment) as plain,
        ):
            await _rounds(Asker(world), [floor, product, plain], rounds, shapes)


async def _prepare(stack: SharedStack, folder: Path) -> tuple[str, World]:
    await prepare_template(stack, folder)
    url = stack.database_server_url(await create_database(stack))
    db = Database(create_engine(url))
    world = await make_world(db)
    async with db.engine.connect() as connection:
        await connection.exec_driver_sql("commit")
        await connection.exec_driver_sql("vacuum analyze")
    await db.close()
    return url, world


async def _rounds(asker: Asker, servers: list[Running], rounds: int, shapes: tuple[str, ...]) -> None:
    figures: dict[tuple[str, str], list[float]] = {}
    for shape in shapes:
        for server in servers:
            for _ in range(WARM_UP):
                await asker.ask(server, shape)
    for _ in range(rounds):
        for shape in shapes:
            for server in servers:
                figures.setdefault((server.name, shape), []).append(await asker.cpu(server, shape))
    _print_table(figures, rounds, shapes)


def _print_table(figures: dict[tuple[str, str], list[float]], rounds: int, shapes: tuple[str, ...]) -> None:
    """CPU of the server process, and the ratios of each round: medians, with the least and the most in brackets."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"CPU ms a request of the server process; {rounds} rounds, Python {platform.python_version()}, {packages}.\n")
    print(
        "| | floor | Cuepoint | Strawberry as documented | Cuepoint / floor | target | Strawberry / Cuepoint | target |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for shape in shapes:
        floor, product, plain = (figures[server, shape] for server in SERVERS)
        to_floor, to_plain = _ratios(product, floor), _ratios(plain, product)
        times = " | ".join(_cell(values, 3) for values in (floor, product, plain))
        above, below = AT_MOST[shape], AT_LEAST
        first = f"{_cell(to_floor, 1)} | at most {above:g}: {_met(statistics.median(to_floor) <= above)}"
        second = f"{_cell(to_plain, 1)} | at least {below:g}: {_met(statistics.median(to_plain) >= below)}"
        print(f"| {shape} | {times} | {first} | {second} |")


def _ratios(dividends: list[float], divisors: list[float]) -> list[float]:
    return [dividend / divisor for dividend, divisor in zip(dividends, divisors, strict=True)]


def _cell(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5, tuple(sys.argv[2:]) or tuple(QUERIES)))

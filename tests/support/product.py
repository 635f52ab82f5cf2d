"""The whole product as a user starts it: `cuepoint up` in a process of its own, driven through its public API."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuepoint.client import CuepointClient, upload_file, watch_job

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = ROOT / "frontend-schema/operations"
READY_SECONDS = 60.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class RunningProduct:
    """A product that answers."""

    home: Path
    url: str
    token: str

    @property
    def log(self) -> Path:
        """What its processes wrote."""
        return self.home.parent / f"{self.home.name}-up.log"

    def client(self) -> CuepointClient:
        """A client with the administrator's token."""
        return CuepointClient(self.url, self.token)

    def pid_of(self, name: str) -> int:
        """Process id of a part: api, worker, postgres, redis."""
        pids: dict[str, int] = json.loads((self.home / "run/stack.json").read_text())["pids"]
        return pids[name]


def product_environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a command on that home; no setting of the caller's own reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUEPOINT_")}
    changes = {"home": str(home), "port": "0", "log_format": "json", "lease_seconds": "3", **settings}
    return kept | {f"CUEPOINT_{name.upper()}": value for name, value in changes.items()}


@contextmanager
def running_product(home: Path, **settings: str) -> Iterator[RunningProduct]:
    """`cuepoint up` on that home; SIGTERM at the end, and its output in `up.log`."""
    home.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}-up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cuepoint.cli.main", "up"],
            env=product_environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_the_tests,  # noqa: PLW1509 - one call of the C library, loaded before
        )
        try:
            yield _when_ready(process, home, Path(log.name))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _end_with_the_tests() -> None:
    """SIGTERM when the thread that started the product is gone: pytest may be killed, and nobody would end it."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _when_ready(process: subprocess.Popen[bytes], home: Path, log: Path) -> RunningProduct:
    deadline = time.monotonic() + READY_SECONDS
    while "is ready after" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the product did not start: {log.read_text()[-3000:]}")
        time.sleep(0.05)
    url = json.loads((home / "run/stack.json").read_text())["api_url"]
    return RunningProduct(home, url, (home / "admin-token").read_text().strip())


def operation(name: str) -> str:
    """The text of an example operation."""
    return (OPERATIONS / f"{name}.graphql").read_text()


async def call(client: CuepointClient, name: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The root field of an example operation."""
    data = await client.execute(operation(name), variables)
    assert len(data) == 1
    value: dict[str, Any] = next(iter(data.values()))
    return value


async def send(client: CuepointClient, project_id: str, path: Path, **options: Any) -> dict[str, Any]:
    """Upload a file and register it; the payload of registerVideo."""
    size = (await asyncio.to_thread(path.stat)).st_size
    created = await call(
        client, "CreateUpload", {"input": {"projectId": project_id, "filename": path.name, "sizeBytes": size}}
    )
    await upload_file(client, created["upload"]["url"], path)
    return await call(client, "RegisterVideo", {"input": {"uploadId": created["upload"]["id"], **options}})


async def finish(client: CuepointClient, job_id: str, timeout: float = 120.0) -> dict[str, Any]:
    """The last update of a job."""
    last: dict[str, Any] = {}
    async with asyncio.timeout(timeout):
        async for update in watch_job(client, job_id):
            last = update
    return last

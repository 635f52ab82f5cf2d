"""One real Postgres with pgvector and one real Redis per test run, shared by all xdist workers.

    from tests.support.stack import shared_stack

    with shared_stack(directory) as stack:
        stack.database_server_url("postgres")  # any database of the server, by name
        stack.redis_url(3)                     # any of Redis' 16 databases, by number

`directory` is one that all processes of the run see and no other run uses: `tmp_path_factory.getbasetemp().parent`
under xdist, else `tmp_path_factory.getbasetemp()` (`run_directory(tmp_path_factory, worker_id)` answers this).
The role of the URLs may create databases; each new one has the extension `vector` (from template1).

The first user starts a keeper process, which runs `cuepoint.embedded` and ends when the last user is gone, however it
went: each user holds a shared file lock, and the keeper waits for the exclusive one.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cuepoint.embedded.stack import Stack

# Durability is what a test run does without; everything else is as in production.
TEST_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "300",
}
START_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class SharedStack:
    """Addresses of the run's servers."""

    database_url: str
    redis_base_url: str
    keeper_pid: int

    def database_server_url(self, database: str = "postgres") -> str:
        """URL of one database of the run's server."""
        return self.database_url.replace("/cuepoint?", f"/{database}?")

    def redis_url(self, number: int = 0) -> str:
        """URL of one of the 16 databases of the run's Redis (pub/sub is common to all)."""
        return self.redis_base_url.replace("?db=0", f"?db={number}")


def run_directory(factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The directory that is common to all processes of this run; `worker_id` is xdist's fixture, or "master"."""
    base = factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@contextlib.contextmanager
def shared_stack(directory: Path) -> Iterator[SharedStack]:
    """Use the servers of this run, starting them if nobody has."""
    home = directory / "stack"
    home.mkdir(exist_ok=True)
    with (home / "start").open("w") as start, (home / "users").open("w") as users:
        fcntl.flock(start, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper that had nobody left is ending
        stack = _read(home) or _start_keeper(home)
        fcntl.flock(start, fcntl.LOCK_UN)
        yield stack


def _read(home: Path) -> SharedStack | None:
    try:
        return SharedStack(**json.loads((home / "stack.json").read_text()))
    except FileNotFoundError:
        return None


def _start_keeper(home: Path) -> SharedStack:
    with (home / "keeper.log").open("a") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.stack", str(home)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT}"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C on the tests must not end the servers before the tests have
        )
    deadline = time.monotonic() + START_SECONDS
    while (stack := _read(home)) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the test servers did not start: {(home / 'keeper.log').read_text()[-2000:]}")
        time.sleep(0.01)
    keeper.returncode = 0  # it outlives this process on purpose: no ResourceWarning from Popen
    return stack


async def _keep(home: Path) -> None:
    async with Stack(home / "home", postgres_options=TEST_OPTIONS) as stack:
        assert stack.database_url is not None
        assert stack.redis_url is not None
        answer = {
            "database_url": stack.database_url,
            "redis_base_url": stack.redis_url,
            "keeper_pid": os.getpid(),
        }
        (home / "stack.json.new").write_text(json.dumps(answer))
        (home / "stack.json.new").replace(home / "stack.json")
        with (home / "users").open("w") as users:
            await asyncio.to_thread(fcntl.flock, users, fcntl.LOCK_EX)  # nobody is left
            (home / "stack.json").unlink()
            await stack.close()


if __name__ == "__main__":
    asyncio.run(_keep(Path(sys.argv[1])))

"""`cuepoint up` as people use it: ready, found by other commands, mends itself, and ends without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from cuepoint.cli.product import is_ready
from cuepoint.embedded.running import Running, read_file
from tests.support.stack import ROOT

pytestmark = pytest.mark.e2e


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Ours without any setting of Cuepoint, with these."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CUEPOINT_")}
    given = {f"CUEPOINT_{name.upper()}": value for name, value in settings.items()}
    return plain | {"PYTHONPATH": str(ROOT / "backend"), "CUEPOINT_HOME": str(home), "CUEPOINT_PORT": "0"} | given


def cuepoint(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    argv = [sys.executable, "-m", "cuepoint.cli.main", *arguments]
    return subprocess.run(
        argv, env=environment(home, **settings), capture_output=True, text=True, timeout=90, check=False
    )


@dataclass
class Up:
    """A running `cuepoint up`."""

    process: subprocess.Popen[str]
    said: str
    home: Path

    def running(self) -> Running:
        found = read_file(self.home)
        assert found is not None
        return found

    def port(self) -> int:
        return int(str(self.running().api_url).rpartition(":")[2])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def up(home: Path) -> Iterator[Up]:
    """Start it and wait until it says that it is ready."""
    argv = [sys.executable, "-m", "cuepoint.cli.main", "up"]
    with (home.parent / f"{home.name}.log").open("a") as log:
        process = subprocess.Popen(argv, env=environment(home), stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        said = ""
        while "stops it" not in said and (line := process.stdout.readline()):
            said += line
        assert "stops it" in said, (home.parent / f"{home.name}.log").read_text()[-3000:]
        yield Up(process, said, home)
    finally:
        process.terminate()
        process.communicate(timeout=60)


async def wait_ready(port: int) -> None:
    async with asyncio.timeout(30):
        while not await is_ready("127.0.0.1", port):  # noqa: ASYNC110  # another process: there is no event
            await asyncio.sleep(0.05)


class TestUp:
    async def test_says_where_things_are_and_other_commands_find_it(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        with up(home) as first:
            token = (home / "admin-token").read_text()

            assert f"{first.running().api_url}/graphql" in first.said
            assert str(home / "admin-token") in first.said
            assert (home / "admin-token").stat().st_mode & 0o777 == 0o600
            assert set(first.running().pids) == {"postgres", "redis", "api", "worker"}
            assert token.strip() not in first.said

            second = await asyncio.to_thread(cuepoint, home, "up")
            assert second.returncode == 2
            assert f"already runs on {home} (pid {first.process.pid}) at {first.running().api_url}" in second.stderr

            made = await asyncio.to_thread(cuepoint, home, "token")
            assert made.returncode == 0
            assert made.stdout != token
            assert re.fullmatch(r"cp_[\w-]{40,}\n", made.stdout)

            page = await asyncio.to_thread(cuepoint, home, "token", "--page")
            assert re.fullmatch(re.escape(first.running().api_url or "") + r"/v/#code=cpc_[\w-]{40,}\n", page.stdout)

            doctor = await asyncio.to_thread(cuepoint, home, "doctor")
            assert doctor.returncode == 0, doctor.stdout

            down = await asyncio.to_thread(cuepoint, home, "down")
            assert (down.returncode, down.stdout) == (0, "Stopped.\n")
            assert first.process.wait(10) == 0

        with up(home) as again:
            family = again.family()
            seconds = float(re.findall(r"ready after ([\d.]+) s", again.said)[0])
            assert (home / "admin-token").read_text() == token

            again.process.send_signal(signal.SIGTERM)
            assert again.process.wait(60) == 0
        assert seconds < 20  # 4 s on an idle machine; this one runs other tests as well
        assert len(family) >= 4
        assert psutil.wait_procs(family, timeout=1)[1] == []
        assert not (home / "run" / "stack.json").exists()
        assert token.strip() not in (tmp_path / "home.log").read_text()

    async def test_killed_parts_come_back_and_after_kill_9_of_all_the_next_start_works(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        with up(home) as first:
            port, before = first.port(), first.running().pids

            for name in ("api", "worker", "postgres", "redis"):
                os.kill(before[name], signal.SIGKILL)
            async with asyncio.timeout(30):
                while not set(before.values()).isdisjoint(first.running().pids.values()):  # noqa: ASYNC110  # processes
                    await asyncio.sleep(0.05)
            await wait_ready(port)
            assert first.port() == port

            family = first.family()
            first.process.kill()
            first.process.wait()
            with up(home) as second:
                assert second.running().pid == second.process.pid
        assert psutil.wait_procs(family, timeout=10)[1] == []


class TestOccupiedPort:
    def test_names_the_setting_and_starts_nothing(self, tmp_path: Path) -> None:
        with socket.socket() as occupied:
            occupied.bind(("127.0.0.1", 0))
            occupied.listen()
            port = occupied.getsockname()[1]

            done = cuepoint(tmp_path / "home", "up", port=str(port))

        assert done.returncode == 2
        assert done.stderr == (
            f"cuepoint: Port {port} on 127.0.0.1 cannot be used: address already in use. "
            "Set CUEPOINT_PORT to a free port (0 takes any) or CUEPOINT_HOST to an address of this machine.\n"
        )
        assert not (tmp_path / "home" / "postgres").exists()

    def test_a_stale_stack_file_is_not_believed(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        stale = {"pid": os.getpid(), "database_url": "postgresql://x@/y", "redis_url": "redis://x", "api_url": None}
        (tmp_path / "run" / "stack.json").write_text(json.dumps(stale | {"pids": {}}))

        done = cuepoint(tmp_path, "token")

        assert done.returncode == 2
        assert "no product runs on" in done.stderr

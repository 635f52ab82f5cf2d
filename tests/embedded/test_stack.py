"""The embedded servers on real processes: first start, crashes of every part, the lock, and a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

import asyncpg
import psutil
import pytest

from cuepoint.db.session import create_engine
from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.lock import HomeInUseError, is_locked
from cuepoint.embedded.running import read_file
from cuepoint.embedded.stack import Stack
from tests.support.stack import ROOT

HOLDER = """
import asyncio, sys
from pathlib import Path
from cuepoint.embedded.stack import Stack
from cuepoint.processes.supervisor import stop_on_signals

async def main():
    async with stop_on_signals() as stop, Stack(Path(sys.argv[1])) as stack:
        stack.publish(api_url="http://127.0.0.1:8000")
        print(stack.database_url, flush=True)
        await stop.wait()

asyncio.run(main())
"""


READER = """
import os, sys
from pathlib import Path
from cuepoint.embedded.lock import is_locked

if os.geteuid() == 0:
    os.setuid(65534)
is_locked(Path(sys.argv[1]))
"""


def _redis_pid() -> int:
    """The process id of our child Redis; 0 while there is none."""
    children = psutil.Process().children()
    return next((child.pid for child in children if "redis-server" in " ".join(_words(child))), 0)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def holder(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that runs a stack; with its database URL."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "backend")}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def family_of(pid: int) -> list[psutil.Process]:
    """All processes below `pid`."""
    return psutil.Process(pid).children(recursive=True)


def redis_socket(url: str) -> str:
    """The socket's path in the address of an embedded Redis."""
    return url.removeprefix("unix://").removesuffix("?db=0")


async def execute(url: str, statement: str) -> object:
    """Run one statement on its own connection."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def execute_when_up(url: str, statement: str) -> object:
    """The same, over and over until the server takes connections again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await execute(url, statement)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.02)


class TestFirstStart:
    async def test_database_with_pgvector_for_a_role_without_rights_over_the_server(self, tmp_path: Path) -> None:
        async with Stack(tmp_path) as stack:
            assert stack.database_url is not None
            vector = await execute(stack.database_url, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            is_super = await execute(stack.database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            settings = {
                name: await execute(stack.database_url, f"SHOW {name}")
                for name in ("fsync", "jit", "random_page_cost", "max_connections", "listen_addresses")
            }

        assert vector == "0.8.5"
        assert is_super is False
        assert settings == {
            "fsync": "on",
            "jit": "off",
            "random_page_cost": "1.1",
            "max_connections": "200",
            "listen_addresses": "",
        }

    async def test_sqlalchemy_reaches_it_by_the_same_url(self, tmp_path: Path) -> None:
        async with Stack(tmp_path, redis=False) as stack:
            assert stack.database_url is not None
            engine = create_engine(stack.database_url)
            async with engine.connect() as connection:
                row = (await connection.exec_driver_sql("SELECT current_database()")).scalar_one()
            await engine.dispose()

        assert row == "cuepoint"
        assert stack.redis_url is None

    async def test_a_home_far_down_has_a_short_socket_path(self, tmp_path: Path) -> None:
        home = tmp_path / ("a" * 100) / ("b" * 100)

        async with Stack(home, postgres=False) as stack:
            assert stack.redis_url is not None
            path = redis_socket(stack.redis_url)

        assert len(path) < 100

    async def test_secrets_and_media_are_for_the_owner_alone(self, tmp_path: Path) -> None:
        names = ("run/stack.json", "lock", "logs", "storage", "tmp")
        async with Stack(tmp_path, postgres=False):
            modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in names}

        assert modes == {"run/stack.json": 0o600, "lock": 0o600, "logs": 0o700, "storage": 0o700, "tmp": 0o700}

    async def test_an_interrupted_first_start_is_made_anew(self, tmp_path: Path) -> None:
        (tmp_path / "postgres.new" / "base").mkdir(parents=True)

        async with Stack(tmp_path, redis=False) as stack:
            assert stack.database_url is not None
            assert await execute(stack.database_url, "SELECT 1") == 1

        assert not (tmp_path / "postgres.new").exists()

    async def test_data_of_another_major_version_are_refused_untouched(self, tmp_path: Path) -> None:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")

        with pytest.raises(EmbeddedError, match=r"made by Postgres 16; this Cuepoint brings 18"):
            async with Stack(tmp_path):
                pass

        assert [path.name for path in (tmp_path / "postgres").iterdir()] == ["PG_VERSION"]
        assert not is_locked(tmp_path)

    async def test_a_server_that_refuses_to_be_made_ready_says_why(self, tmp_path: Path) -> None:
        refusing = {"default_transaction_read_only": "on"}  # in the place of a full disk

        with pytest.raises(EmbeddedError, match=r"refused to make its database ready: cannot execute .* read-only"):
            async with Stack(tmp_path, redis=False, postgres_options=refusing):
                pass

        assert not (tmp_path / "postgres" / "postmaster.pid").exists()


class TestCrashes:
    async def test_killed_servers_come_back_on_the_same_address_with_the_data(self, tmp_path: Path) -> None:
        async with Stack(tmp_path) as stack:
            assert stack.database_url is not None
            await execute(stack.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
            before = read_file(tmp_path)
            assert before is not None

            for name in ("postgres", "redis"):
                os.kill(before.pids[name], signal.SIGKILL)
            answer = await execute_when_up(stack.database_url, "SELECT answer FROM kept")
            after = before
            for _ in range(1000):
                after = read_file(tmp_path) or before
                if all(after.pids[name] != before.pids[name] for name in ("postgres", "redis")):
                    break
                await asyncio.sleep(0.02)

        assert answer == 42
        assert after.pids["postgres"] != before.pids["postgres"]
        assert after.pids["redis"] != before.pids["redis"]
        assert psutil.pid_exists(before.pids["postgres"]) is False

    async def test_after_kill_9_of_the_process_in_charge_the_next_one_starts_with_the_data(
        self, tmp_path: Path
    ) -> None:
        with holder(tmp_path) as (process, url):
            await execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
            family = family_of(process.pid)
            process.kill()
            async with Stack(tmp_path) as stack:
                assert stack.database_url == url
                answer = await execute(url, "SELECT answer FROM kept")

        assert answer == 42
        assert len(family) >= 2
        assert psutil.wait_procs(family, timeout=20)[1] == []

    async def test_the_redis_of_a_killed_predecessor_removes_no_socket(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (process, _):
            running = read_file(tmp_path)
            assert running is not None
            slow = psutil.Process(running.pids["redis"])
            slow.suspend()  # it handles its death signal only after the next Redis listens, if it may handle it at all
            process.kill()
            async with Stack(tmp_path) as stack:
                with suppress(psutil.NoSuchProcess):
                    slow.resume()
                psutil.wait_procs([slow], timeout=20)
                assert stack.redis_url is not None
                reader, writer = await asyncio.open_unix_connection(redis_socket(stack.redis_url))
                writer.write(b"PING\r\n")
                assert await reader.readline() == b"+PONG\r\n"
                writer.close()

    async def test_after_kill_9_of_everything_the_next_one_starts_with_the_data(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (process, url):
            await execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
            family = family_of(process.pid)
            process.send_signal(signal.SIGSTOP)  # it may not tidy up for the others
            for member in family:
                with suppress(psutil.NoSuchProcess):  # a server's children end with it
                    member.kill()
            process.kill()
            psutil.wait_procs(family, timeout=20)
            assert (tmp_path / "postgres" / "postmaster.pid").exists()

            async with Stack(tmp_path) as stack:
                answer = await execute(str(stack.database_url), "SELECT answer FROM kept")

        assert answer == 42

    async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(self, tmp_path: Path) -> None:
        async with Stack(tmp_path, redis=False):
            lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
        lines[0] = str(os.getpid())  # pids are used again, above all in containers
        (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")

        async with Stack(tmp_path, redis=False) as stack:
            assert await execute(str(stack.database_url), "SELECT 1") == 1

    async def test_servers_come_back_although_nobody_can_be_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Stack(tmp_path, postgres=False) as stack:
            assert stack.redis_url is not None
            rmtree(tmp_path / "run")
            (tmp_path / "run").touch()  # as a full disk: the file cannot be written
            pids = [_redis_pid()]
            for restarts in (1, 2):
                psutil.Process(pids[-1]).kill()
                async with asyncio.timeout(20):
                    while caplog.text.count("stack.json could not be written") < restarts:  # noqa: ASYNC110  # a log
                        await asyncio.sleep(0.02)
                pids.append(_redis_pid())

        assert not is_locked(tmp_path)
        assert 0 not in pids
        assert len(set(pids)) == 3


class TestEnd:
    def test_sigterm_leaves_no_process_and_no_files_of_a_running_one(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (process, url):
            family = family_of(process.pid)
            sockets = Path(url.partition("host=")[2])
            assert sockets.is_dir()

            process.send_signal(signal.SIGTERM)

            assert process.wait(20) == 0
            assert len(family) >= 2
            assert psutil.wait_procs(family, timeout=0.5)[1] == []
            assert not sockets.exists()
            assert not (tmp_path / "run" / "stack.json").exists()
            assert not (tmp_path / "postgres" / "postmaster.pid").exists()
            assert not is_locked(tmp_path)


class TestLock:
    async def test_whoever_has_it_is_named_from_the_first_moment(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "stack.json").write_text(json.dumps({"pid": 1}))  # of a predecessor that was killed
        stack = Stack(tmp_path, postgres=False)

        starting = asyncio.create_task(stack.__aenter__())
        while not is_locked(tmp_path):  # noqa: ASYNC110  # the kernel's lock: there is no event
            await asyncio.sleep(0)
        running = read_file(tmp_path)
        was_starting = not starting.done()
        await starting
        await stack.close()

        assert was_starting
        assert running is not None
        assert running.pid == os.getpid()

    def test_of_a_home_that_may_not_be_read_it_says_whose_fault_it_is(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir(mode=0)

        done = subprocess.run(
            [sys.executable, "-c", READER, str(home)],
            env=os.environ | {"PYTHONPATH": str(ROOT / "backend")},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.stderr.endswith(
            f"EmbeddedError: The data directory {home} cannot be read: it belongs to another user. "
            "Run the command as that user, or choose another directory with CUEPOINT_HOME.\n"
        )

    def test_a_home_that_is_a_file_is_not_locked(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        assert is_locked(tmp_path / "file") is False

    async def test_a_second_one_is_told_the_pid_and_the_address_of_the_first(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (process, url):
            with pytest.raises(HomeInUseError) as refused:
                async with Stack(tmp_path):
                    pass

            assert refused.value.pid == process.pid
            assert refused.value.url == "http://127.0.0.1:8000"
            assert str(process.pid) in str(refused.value)
            assert await execute(url, "SELECT 1") == 1

    def test_what_runs_can_be_read_by_others(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (process, url):
            running = read_file(tmp_path)

            assert running is not None
            assert running.pid == process.pid
            assert running.database_url == url
            assert set(running.pids) == {"postgres", "redis"}
            assert is_locked(tmp_path)

    def test_a_broken_file_counts_as_none(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "stack.json").write_text(json.dumps({"pid": 1, "colour": "blue"}))

        assert read_file(tmp_path) is None

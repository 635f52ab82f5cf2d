"""`cuepoint migrate` on a real, empty database: forwards, where it stands, backwards."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner, Result

from cuepoint.cli.main import cli
from cuepoint.cli.probes import database_facts
from cuepoint.db.revision import newest_revision
from tests.support.database import alembic_config, create_database, drop_database
from tests.support.stack import SharedStack

Cuepoint = Callable[..., Result]


@pytest.fixture
async def empty_url(stack: SharedStack) -> AsyncIterator[str]:
    """A database without a single table of ours."""
    name = await create_database(stack, template="template1")
    yield stack.database_server_url(name)
    await drop_database(stack, name)


@pytest.fixture
def cuepoint(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cuepoint:
    """The command on that database; call it from a thread, as it runs a loop of its own."""
    monkeypatch.setenv("CUEPOINT_DATABASE_URL", empty_url)
    monkeypatch.setenv("CUEPOINT_HOME", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(cli, list(arguments), catch_exceptions=False)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


class TestNewestRevision:
    def test_is_the_head_that_alembic_finds(self) -> None:
        assert newest_revision() == ScriptDirectory.from_config(alembic_config("")).get_current_head()


class TestMigrate:
    async def test_brings_an_empty_database_to_the_newest_and_back(self, cuepoint: Cuepoint, empty_url: str) -> None:
        newest = newest_revision()

        forwards = await asyncio.to_thread(cuepoint, "migrate")
        again = await asyncio.to_thread(cuepoint, "migrate")
        current = await asyncio.to_thread(cuepoint, "migrate", "current")
        backwards = await asyncio.to_thread(cuepoint, "migrate", "downgrade", "base")

        assert forwards.output == f"The database is at {newest}.\n"
        assert again.output == forwards.output
        assert current.output == f"{newest} (newest: {newest})\n"
        assert backwards.output == "The database is at base.\n"
        assert (await database_facts(empty_url)).revision is None

    async def test_a_database_of_a_newer_version_is_left_alone(self, cuepoint: Cuepoint, empty_url: str) -> None:
        await asyncio.to_thread(cuepoint, "migrate")
        await _execute(empty_url, "update alembic_version set version_num = '9999'")

        for command in (["migrate"], ["migrate", "downgrade", "0012"], ["token"]):
            refused = await asyncio.to_thread(cuepoint, *command)

            assert refused.exit_code == 2
            assert refused.output == (
                f"cuepoint: The database is at migration 9999, this version needs {newest_revision()}. A newer version "
                "made it: run that one, or restore a backup from before the upgrade.\n"
            )
        assert (await database_facts(empty_url)).revision == "9999"

    async def test_what_the_role_may_not_read_is_one_line(self, cuepoint: Cuepoint, empty_url: str) -> None:
        await _execute(empty_url, "create table alembic_version (version_num text)")
        await _execute(empty_url, "revoke all on alembic_version from current_user")

        refused = await asyncio.to_thread(cuepoint, "migrate")

        assert refused.exit_code == 1
        assert refused.output == "cuepoint: Postgres refused: permission denied for table alembic_version.\n"

    @pytest.mark.parametrize("command", ["token", "worker", "api"])
    async def test_nothing_runs_on_a_database_that_was_not_migrated(
        self, empty_url: str, tmp_path: Path, command: str
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cuepoint.cli.main", command),
            env=os.environ
            | {"CUEPOINT_DATABASE_URL": empty_url, "CUEPOINT_HOME": str(tmp_path), "CUEPOINT_PORT": "0"}
            | {"CUEPOINT_REDIS_URL": "redis://127.0.0.1:1/0"},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            _, said = await process.communicate()

        assert process.returncode == 2
        assert said.decode() == (
            f"cuepoint: The database is at migration none, this version needs {newest_revision()}. "
            "Run `cuepoint migrate` to bring it there.\n"
        )

    async def test_an_unknown_revision_is_one_line(self, cuepoint: Cuepoint) -> None:
        refused = await asyncio.to_thread(cuepoint, "migrate", "upgrade", "77")

        assert refused.exit_code == 2
        assert refused.output.endswith("'77'. `cuepoint migrate history` lists the revisions.\n")

    async def test_two_at_once_take_turns(self, empty_url: str, tmp_path: Path) -> None:
        environment = os.environ | {"CUEPOINT_DATABASE_URL": empty_url, "CUEPOINT_HOME": str(tmp_path)}
        argv = [sys.executable, "-m", "cuepoint.cli.main", "migrate"]
        processes = [await asyncio.create_subprocess_exec(*argv, env=environment) for _ in range(2)]

        codes = [await process.wait() for process in processes]

        assert codes == [0, 0]
        assert (await database_facts(empty_url)).revision == newest_revision()

    async def test_history_names_every_migration(self, cuepoint: Cuepoint) -> None:
        result = await asyncio.to_thread(cuepoint, "migrate", "history")

        assert result.output.splitlines()[0].startswith(str(newest_revision()))
        assert result.output.splitlines()[-1].startswith("0001  ")

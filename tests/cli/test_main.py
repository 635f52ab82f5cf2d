"""The command line itself: quick, complete, and with one clear line where something is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cuepoint.cli.main import COMMANDS, cli
from tests.support.stack import ROOT


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`cuepoint` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cuepoint.cli.main", *arguments],
        env={k: v for k, v in os.environ.items() if not k.startswith("CUEPOINT_")}
        | {"PYTHONPATH": str(ROOT / "backend"), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


class TestHelp:
    def test_lists_every_command_without_importing_what_they_need(self) -> None:
        script = (
            "import sys; from cuepoint.cli.main import cli\n"
            "try: cli(['--help'])\n"
            "except SystemExit: pass\n"
            "print([m for m in ('pydantic', 'sqlalchemy', 'strawberry', 'asyncpg', 'asyncio') if m in sys.modules])"
        )

        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

        assert [name for name in COMMANDS if f"\n  {name} " not in done.stdout] == []
        assert done.stdout.endswith("[]\n")

    @pytest.mark.parametrize("name", list(COMMANDS))
    def test_every_command_can_be_loaded_and_explains_itself(self, name: str) -> None:
        command = cli.get_command(click.Context(cli), name)

        assert command is not None
        assert command.name == name
        assert command.help or command.short_help
        result = CliRunner().invoke(cli, [name, "--help"])
        assert result.exit_code == 0, result.output

    def test_an_unknown_command_is_named(self) -> None:
        result = CliRunner().invoke(cli, ["fly"])

        assert result.exit_code == 2
        assert "No such command 'fly'" in result.output


class TestMistakes:
    @pytest.mark.parametrize("command", [["up"], ["api"], ["worker"], ["migrate"], ["doctor"], ["config", "check"]])
    def test_a_wrong_setting_is_one_line_and_exit_2(self, command: list[str]) -> None:
        done = run(*command, CUEPOINT_PROT="1")

        assert done.returncode == 2
        assert done.stderr == "cuepoint: Unknown setting CUEPOINT_PROT. Did you mean CUEPOINT_PORT?\n"
        assert done.stdout == ""

    @pytest.mark.parametrize("command", ["token", "migrate", "api", "worker"])
    def test_without_a_database_it_says_how_to_get_one(self, command: str, tmp_path: Path) -> None:
        done = run(command, CUEPOINT_HOME=str(tmp_path))

        assert done.returncode == 2
        assert done.stderr == (
            f"cuepoint: CUEPOINT_DATABASE_URL is not set, and no product runs on {tmp_path}. Start one with "
            f"`cuepoint up` (or `make up`), or set the address of a real "
            f"{'Postgres' if command in ('token', 'migrate') else 'server'}.\n"
        )

    @pytest.mark.parametrize("command", [["token"], ["migrate"], ["worker", "--healthy"], ["up"]], ids=" ".join)
    def test_a_postgres_that_does_not_answer_is_one_line(self, command: list[str], tmp_path: Path) -> None:
        done = run(
            *command,
            CUEPOINT_HOME=str(tmp_path),
            CUEPOINT_PORT="0",
            CUEPOINT_DATABASE_URL="postgresql://a@127.0.0.1:1/b",
            CUEPOINT_REDIS_URL="redis://127.0.0.1:1/0",
        )

        assert done.returncode == 1
        assert done.stdout == ""
        assert re.fullmatch(
            r"cuepoint: Postgres does not answer \(.*Connect call failed.*\)\. Check CUEPOINT_DATABASE_URL\.\n",
            done.stderr,
        )

    @pytest.mark.parametrize("command", [["api"], ["config", "check"]], ids=" ".join)
    @pytest.mark.parametrize(
        ("setting", "value", "said"),
        [
            ("CUEPOINT_OPERATIONS_ALLOWLIST", "/nope", "/nope cannot be read as operations"),
            ("CUEPOINT_STORAGE_URL", "s3://bucket", "Set CUEPOINT_S3_ACCESS_KEY_ID"),
        ],
        ids=["list", "bucket"],
    )
    def test_what_a_setting_names_and_is_not_there_is_one_line(
        self, command: list[str], setting: str, value: str, said: str, tmp_path: Path
    ) -> None:
        done = run(
            *command,
            CUEPOINT_HOME=str(tmp_path),
            CUEPOINT_PORT="0",
            CUEPOINT_DATABASE_URL="postgresql://a@127.0.0.1:1/b",
            CUEPOINT_REDIS_URL="redis://127.0.0.1:1/0",
            **{setting: value},
        )

        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(rf"cuepoint: .*{re.escape(said)}.*\n", done.stderr)

    def test_a_key_that_cannot_be_kept_names_the_settings(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        done = run(
            "api",
            CUEPOINT_HOME=str(tmp_path / "file" / "home"),
            CUEPOINT_DATABASE_URL="postgresql://a@127.0.0.1:1/b",
            CUEPOINT_REDIS_URL="redis://127.0.0.1:1/0",
        )

        assert done.returncode == 2
        assert done.stderr == (
            f"cuepoint: The key of signed URLs cannot be kept in {tmp_path}/file/home (Not a directory). "
            "Set CUEPOINT_SECRET_KEY, or CUEPOINT_HOME to a directory that can be written.\n"
        )

    def test_a_server_that_does_not_answer_is_one_line_with_what_to_do(self, tmp_path: Path) -> None:
        done = run("jobs", CUEPOINT_HOME=str(tmp_path), CUEPOINT_PORT="1", CUEPOINT_API_TOKEN="cp_none")

        assert done.returncode == 1
        assert done.stderr.startswith("cuepoint: http://127.0.0.1:1/graphql did not answer: ")
        assert done.stderr.endswith(". Start it with `cuepoint up` or `cuepoint api`, or set CUEPOINT_PUBLIC_URL.\n")

    def test_down_without_anything_running_is_no_error(self, tmp_path: Path) -> None:
        done = run("down", CUEPOINT_HOME=str(tmp_path))

        assert (done.returncode, done.stdout) == (0, f"Nothing runs on {tmp_path}.\n")


class TestReset:
    def test_deletes_a_home_that_is_ours(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / "CUEPOINT_HOME").touch()
        (home / "postgres").mkdir()

        done = run("reset", "--yes", CUEPOINT_HOME=str(home))

        assert (done.returncode, done.stdout) == (0, f"Deleted {home}.\n")
        assert not home.exists()

    def test_asks_before_it_does(self, tmp_path: Path) -> None:
        (tmp_path / "CUEPOINT_HOME").touch()

        done = run("reset", CUEPOINT_HOME=str(tmp_path))

        assert done.returncode == 1
        assert (tmp_path / "CUEPOINT_HOME").exists()

    def test_leaves_a_directory_that_is_not_ours(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")

        done = run("reset", "--yes", CUEPOINT_HOME=str(tmp_path))

        assert done.returncode == 1
        assert done.stderr.startswith(f"cuepoint: {tmp_path} was not made by Cuepoint")
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

"""The command `cuepoint`: finds a sub-command's module only when that command is called, so that --help is quick."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from cuepoint import __version__
from cuepoint.cli.errors import UnreachableError
from cuepoint.embedded.errors import EmbeddedError
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

# Name of the command: its module in this package, and its line in --help. The function is called `command`.
COMMANDS = {
    "up": ("up", "Run the whole product here: database, Redis, API and worker."),
    "down": ("down", "Stop the product that runs on this data directory."),
    "reset": ("reset", "Delete this data directory: database, media, secrets."),
    "demo": ("demo", "Send a video through the product and show what comes out."),
    "api": ("api", "Run the API process alone."),
    "worker": ("worker", "Run the job process alone."),
    "migrate": ("migrate", "Bring the database schema up to date."),
    "jobs": ("jobs", "Show what runs, waits or failed."),
    "queues": ("queues", "Show what waits in each queue."),
    "workers": ("workers", "Show the worker processes."),
    "retry": ("retry", "Run a failed job again."),
    "token": ("token", "Make a new admin API key."),
    "doctor": ("doctor", "Check every part and say what to do."),
    "config": ("config", "Show or check the settings."),
    "schema": ("schema", "Print, write or check the GraphQL schema (SDL)."),
}
EXIT_REFUSED = 1
EXIT_MISCONFIGURED = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they run; `--help` reads their lines from the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of `cmd_name`."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"cuepoint.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in --help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what Cuepoint raises on purpose becomes one line on stderr."""
        try:
            return super().invoke(ctx)
        except EmbeddedError as error:
            fail(str(error), EXIT_MISCONFIGURED)
        except CuepointError as error:
            code = EXIT_MISCONFIGURED if error.code is ErrorCode.MISCONFIGURED else EXIT_REFUSED
            fail(f"{error.message} {error.hint or ''}".strip(), code)
        except (AdapterError, UnreachableError) as error:
            fail(str(error), EXIT_REFUSED)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong on stderr, in one line, and exit with `code`."""
    click.echo(f"cuepoint: {message}", err=True)
    sys.exit(code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cuepoint")
def cli() -> None:
    """Cuepoint: a self-hosted video-understanding backend behind one GraphQL API.

    Settings are environment variables (CUEPOINT_...); `cuepoint config show` lists them.
    """


if __name__ == "__main__":
    cli(prog_name="cuepoint")

"""`cuepoint config`: the settings as they are, without their secrets."""

from __future__ import annotations

import os

import click
from pydantic import SecretStr

from cuepoint.cli.environment import console, open_settings, try_files
from cuepoint.config import PREFIX, Settings
from cuepoint.logs import MASK, mask


@click.group("config", help="Show or check the settings.")
def command() -> None:
    """Two sub-commands."""


@command.command("check")
def check() -> None:
    """Say whether every CUEPOINT_ variable is known and fits; exit code 2 if not."""
    settings = open_settings()
    try_files(settings)
    given = sum(PREFIX + name.upper() in os.environ for name in type(settings).model_fields)
    click.echo(f"The settings are fine ({given} set, the rest defaults).")


@command.command("show")
def show() -> None:
    """Print every setting with its value and what it means; secrets are masked."""
    from rich.table import Table

    settings = open_settings()
    table = Table("Setting", "Value", "Meaning", box=None, pad_edge=False)
    for name, field in type(settings).model_fields.items():
        mark = "[bold]" if PREFIX + name.upper() in os.environ else ""
        table.add_row(f"{mark}{PREFIX}{name.upper()}", shown(settings, name), field.description)
    console().print(table)


@command.command("example")
def example() -> None:
    """Print what .env.example holds: every setting with its meaning and default."""
    click.echo(example_file(), nl=False)


def example_file() -> str:
    """The text of .env.example."""
    lines = [
        "# Every setting of Cuepoint with its default. They are read from the environment only:",
        "# docker-compose.yml is filled from a file named .env; a shell reads it with: set -a; . ./.env; set +a",
    ]
    for name, field in Settings.model_fields.items():
        lines += ["", f"# {field.description}", f"#{PREFIX}{name.upper()}={written(field.default)}"]
    return "\n".join(lines) + "\n"


def written(value: object) -> str:
    """A default as one writes it into the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def shown(settings: Settings, name: str) -> str:
    """A setting's value for people: of a secret only that it is set, of an address all but its password."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return mask(text) if "://" in text else MASK
    return written(value)

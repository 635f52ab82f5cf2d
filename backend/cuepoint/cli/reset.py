"""`cuepoint reset`: deletes the data directory, if it is one of ours and the person means it."""

from __future__ import annotations

import shutil

import click

from cuepoint.cli.down import stop_product
from cuepoint.cli.environment import open_settings
from cuepoint.cli.main import EXIT_REFUSED, fail
from cuepoint.config import MARKER


@click.command("reset", help="Delete this data directory: database, media, secrets. A real server is left alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(yes: bool) -> None:
    """Stop the product, then delete."""
    settings = open_settings()
    home = settings.home
    if not home.exists():
        click.echo(f"There is no {home}.")
        return
    if not (home / MARKER).is_file():
        fail(f"{home} was not made by Cuepoint (it has no file {MARKER}); nothing is deleted.", EXIT_REFUSED)
    if not yes:
        click.confirm(f"Delete {home} with everything in it?", abort=True)
    stop_product(settings)
    shutil.rmtree(home)
    click.echo(f"Deleted {home}.")

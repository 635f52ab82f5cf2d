"""`cuepoint token`: a new API key of the administrator, shown once."""

from __future__ import annotations

import asyncio

import click

from cuepoint.cli.environment import database_settings, open_settings


@click.command("token", help="Make a new admin API key and print it. It is shown this once; revoke it with the API.")
@click.option("--name", default="cuepoint token", show_default=True, help="What the key is for; shown in lists.")
def command(name: str) -> None:
    """Print the secret alone on stdout, so that a script can take it."""
    from cuepoint.cli.product import make_admin_key

    click.echo(asyncio.run(make_admin_key(database_settings(open_settings()), name)))

"""`cuepoint migrate`: the database schema, forwards, backwards, and where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import click

from cuepoint.cli.environment import database_settings, open_settings
from cuepoint.cli.main import EXIT_MISCONFIGURED, EXIT_REFUSED, fail


@click.group(
    "migrate",
    invoke_without_command=True,
    help="Bring the database schema up to date (or see the sub-commands).",
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Without a sub-command: upgrade to the newest."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(upgrade)


@command.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str = "head") -> None:
    """Run the pending migrations."""
    from cuepoint.cli import migrations

    _move(migrations.upgrade, revision)


@command.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take migrations back to REVISION (`base`: all of them, with their data)."""
    from cuepoint.cli import migrations

    _move(migrations.downgrade, revision)


@command.command("current")
def current() -> None:
    """Print the revision of the database, and the newest."""
    from cuepoint.db.revision import newest_revision

    click.echo(f"{_current(database_settings(open_settings()))} (newest: {newest_revision()})")


@command.command("new")
@click.argument("message")
def new(message: str) -> None:
    """Draft a migration from the difference between the models and the running database."""
    from cuepoint.cli import migrations

    if not message.strip():
        fail('A migration needs a few words: make migration m="add a title to clips"', EXIT_MISCONFIGURED)
    click.echo(f"Wrote {migrations.draft(database_settings(open_settings()), message)}; read it before you use it.")


@command.command("history")
def history() -> None:
    """List all migrations, newest first."""
    from alembic.script import ScriptDirectory

    from cuepoint.cli import migrations

    for script in ScriptDirectory.from_config(migrations.alembic_config()).walk_revisions():
        click.echo(f"{script.revision}  {script.doc.splitlines()[0]}")


def _move(migration: Callable[[str, str], None], revision: str) -> None:
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    from cuepoint.cli.product import checked_facts
    from cuepoint.db.revision import mismatch, newest_revision

    url = database_settings(open_settings())
    present, newest = asyncio.run(checked_facts(url)).revision, newest_revision()
    if present is not None and present > newest:
        fail(str(mismatch(present, newest)), EXIT_MISCONFIGURED)
    try:
        migration(url, revision)
    except CommandError as error:
        fail(f"{error}. `cuepoint migrate history` lists the revisions.", EXIT_MISCONFIGURED)
    except DBAPIError as error:
        fail(f"Postgres refused: {error.orig}. The database is at {_current(url)}.", EXIT_REFUSED)
    click.echo(f"The database is at {_current(url)}.")


def _current(url: str) -> str:
    from cuepoint.cli.probes import database_facts

    return asyncio.run(database_facts(url)).revision or "base"

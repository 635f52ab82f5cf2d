"""`cuepoint token`: a new API key of the administrator, or a one-time address of the player page; shown once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from cuepoint.cli.environment import database_settings, open_settings
from cuepoint.viewer import Scope

if TYPE_CHECKING:
    from cuepoint.client import CuepointClient

PAGE = """
mutation ConsolePage($id: ID) {
  createPageCode(input: { videoId: $id }) { url errors { code message } }
}
"""


@click.command("token", help="Make a new admin API key and print it. It is shown this once; revoke it with the API.")
@click.option("--name", default="cuepoint token", show_default=True, help="What the key is for; shown in lists.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.MANAGE.value,
    show_default=True,
    help="The most that the key may do: look, change projects, or everything.",
)
@click.option("--page", is_flag=True, help="Print an address that signs one browser in to the player page instead.")
@click.argument("video", required=False)
def command(name: str, scope: str, page: bool, video: str | None) -> None:
    """Print the secret alone on stdout, so that a script can take it."""
    if video is not None and not page:
        raise click.UsageError("A video goes with --page.")
    if page:
        click.echo(_page_address(video))
        return
    click.echo(asyncio.run(_key(database_settings(open_settings()), name, Scope(scope))))


async def _key(url: str, name: str, scope: Scope) -> str:
    from cuepoint.cli.product import make_admin_key, require_schema

    await require_schema(url)
    return await make_admin_key(url, name, scope)


def _page_address(video: str | None) -> str:
    from cuepoint.cli.remote import converse

    async def ask(client: CuepointClient) -> str:
        return str((await client.execute(PAGE, {"id": video}))["createPageCode"]["url"])

    return converse(ask)

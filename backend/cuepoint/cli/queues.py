"""`cuepoint queues`: what waits in each queue, who works on it, and whether it is paused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from cuepoint.cli.environment import console

if TYPE_CHECKING:
    from rich.table import Table

    from cuepoint.client import CuepointClient

QUEUES = "query ConsoleQueues { queues { name queued running scheduled oldestAgeSeconds isPaused workerCount slots } }"


@click.command("queues", help="Show what waits in each queue, and who works on it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def command(as_json: bool) -> None:
    """Ask the API, as any client could."""
    from cuepoint.cli.remote import converse

    async def talk(client: CuepointClient) -> Any:
        return (await client.execute(QUEUES))["queues"]

    queues = converse(talk)
    if as_json:
        click.echo(json.dumps(queues, indent=2))
        return
    console().print(queues_table(queues))


def queues_table(queues: Sequence[dict[str, Any]]) -> Table:
    """The answer as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("QUEUE", "QUEUED", "RUNNING", "SCHEDULED", "OLDEST", "WORKERS", "SLOTS", ""):
        table.add_column(name, justify="left" if name in ("QUEUE", "") else "right", no_wrap=True)
    for queue in queues:
        oldest = queue["oldestAgeSeconds"]
        table.add_row(
            queue["name"],
            *(str(queue[name]) for name in ("queued", "running", "scheduled")),
            "" if oldest is None else f"{oldest:.0f} s",
            str(queue["workerCount"]),
            str(queue["slots"]),
            state_of(queue),
        )
    return table


def state_of(queue: dict[str, Any]) -> str:
    """What an operator should see at once."""
    if queue["isPaused"]:
        return "[yellow]paused[/]"
    return "[red]no worker[/]" if queue["workerCount"] == 0 else ""

"""`cuepoint workers`: the worker processes, what they run, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from cuepoint.cli.environment import console

if TYPE_CHECKING:
    from rich.table import Table

    from cuepoint.client import CuepointClient

COLOURS = {"LIVE": "green", "DRAINING": "yellow", "LOST": "red"}
ALL = ("LIVE", "DRAINING", "GONE", "LOST")
WORKERS = """
query ConsoleWorkers($states: [WorkerState!]) {
  workers(states: $states, first: 100) {
    id host pid version state lanes slots startedAt lastHeartbeatAt warnings currentJobs { id title progress }
  }
}
"""


@click.command("workers", help="Show the worker processes, what they run, and what is wrong with them.")
@click.option("--all", "with_ended", is_flag=True, help="Those of the last week that have ended, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def command(with_ended: bool, as_json: bool) -> None:
    """Ask the API, as any administrator could."""
    from cuepoint.cli.remote import converse

    async def talk(client: CuepointClient) -> Any:
        return (await client.execute(WORKERS, {"states": list(ALL) if with_ended else None}))["workers"]

    workers = converse(talk)
    if as_json:
        click.echo(json.dumps(workers, indent=2, ensure_ascii=False))
        return
    console().print(workers_table(workers) if workers else "No worker is alive; `cuepoint worker` starts one.")


def workers_table(workers: Sequence[dict[str, Any]]) -> Table:
    """The answer as a table."""
    from rich.markup import escape
    from rich.table import Table

    from cuepoint.cli.jobs import age

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("WORKER", "HOST", "STATE", "QUEUES", "SLOTS", "UP", "BEAT", "RUNS"):
        width = max(len(worker["id"]) for worker in workers) if name == "WORKER" else None  # ids are never cut
        table.add_column(name, no_wrap=name != "RUNS", min_width=width)
    for worker in workers:
        jobs = [f"{job['title']} {job['progress'] * 100:.0f} %" for job in worker["currentJobs"]]
        table.add_row(
            worker["id"],
            escape(f"{worker['host'] or '?'}:{worker['pid'] or '?'}"),
            f"[{COLOURS.get(worker['state'], 'dim')}]{worker['state']}[/]",
            ",".join(worker["lanes"]),
            str(worker["slots"] if worker["slots"] is not None else ""),
            age(worker["startedAt"]),
            age(worker["lastHeartbeatAt"]),
            escape(", ".join(jobs)) + "".join(f"\n[yellow]{escape(text)}[/]" for text in worker["warnings"]),
        )
    return table

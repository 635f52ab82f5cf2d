"""`cuepoint jobs`: what runs, waits or failed, once or as a live table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from cuepoint.cli.environment import console

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from cuepoint.client import CuepointClient

EVERY_SECONDS = 1.0
STATUSES = ("BLOCKED", "SCHEDULED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
COLOURS = {"RUNNING": "cyan", "SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow"}
JOBS = """
query ConsoleJobs($filter: JobFilterInput, $first: Int!) {
  jobs(filter: $filter, first: $first) {
    totalCount
    nodes {
      id title kind status lane priority progress stage etaSeconds attempt maxAttempts createdAt startedAt finishedAt
      project { name }
      error { code message }
      waitReason { code message }
      cancelledBy { id }
    }
  }
}
"""


@click.command("jobs", help="Show the newest jobs: what runs, waits or failed, and why.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, and show what changes.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES, case_sensitive=False))
@click.option("--first", type=click.IntRange(1, 100), default=25, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def command(watch: bool, statuses: Sequence[str], first: int, as_json: bool) -> None:
    """Ask the API, as any client could."""
    from cuepoint.cli.remote import converse

    if watch and as_json:
        raise click.UsageError("--watch shows a table: leave out --json.")
    variables = {"filter": {"status": [status.upper() for status in statuses]}, "first": first}

    async def talk(client: CuepointClient) -> None:
        if watch:
            await _watch(client, variables)
            return
        answer = (await client.execute(JOBS, variables))["jobs"]
        if as_json:
            click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        else:
            console().print(jobs_table(answer))

    converse(talk)


async def _watch(client: CuepointClient, variables: dict[str, Any]) -> None:
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        while True:
            live.update(jobs_table((await client.execute(JOBS, variables))["jobs"]), refresh=True)
            await asyncio.sleep(EVERY_SECONDS)


def jobs_table(answer: dict[str, Any]) -> RenderableType:
    """The answer as a table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("JOB", "WHAT", "STATUS", "DONE", "TRY", "AGE", "PROJECT", "DETAIL"):
        # What `retry` needs is never cut.
        width = max((len(job["id"]) for job in answer["nodes"]), default=None) if name == "JOB" else None
        table.add_column(name, no_wrap=name != "DETAIL", min_width=width)
    for job in answer["nodes"]:
        colour = COLOURS.get(job["status"], "dim")
        table.add_row(
            job["id"],
            escape(job["title"]),
            f"[{colour}]{job['status']}[/]",
            f"{job['progress'] * 100:.0f} %" if job["status"] == "RUNNING" else "",
            f"{job['attempt']}/{job['maxAttempts']}",
            age(job["createdAt"]),
            escape((job["project"] or {}).get("name", "-")),
            escape(detail(job)),
        )
    return _with_total(table, answer)


def _with_total(table: Table, answer: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    shown, total = len(answer["nodes"]), answer["totalCount"]
    return Group(table, Text(f"{shown} of {total} jobs", style="dim")) if total else Text("No jobs.", style="dim")


def detail(job: dict[str, Any]) -> str:
    """Why it waits, what it does, or what went wrong."""
    if job["status"] == "RUNNING":
        left = f", {job['etaSeconds']:.0f} s left" if job["etaSeconds"] is not None else ""
        return f"{job['stage'] or ''}{left}".lstrip(", ")
    if job["waitReason"] is not None:
        return str(job["waitReason"]["message"])
    if job["cancelledBy"] is not None:
        return f"It required {job['cancelledBy']['id']}, which did not succeed."
    return f"{job['error']['code']}: {job['error']['message']}" if job["error"] is not None else ""


def age(since: str | None) -> str:
    """Time since then, in its largest unit."""
    if since is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"

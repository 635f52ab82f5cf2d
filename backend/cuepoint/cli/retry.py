"""`cuepoint retry`: run a failed or cancelled job again, or all that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cuepoint.client import CuepointClient

RETRY = """
mutation ConsoleRetry($id: ID!) {
  retryJob(input: { id: $id }) { job { id title status } changed errors { code message } }
}
"""
RETRY_FAILED = """
mutation ConsoleRetryFailed {
  retryFailed(input: { filter: {} }) { jobs { id title status } skippedCount hasMore errors { code message } }
}
"""


@click.command("retry", help="Run the job ID again, with what was cancelled because of it; or all that failed.")
@click.argument("id", required=False)
@click.option("--failed", is_flag=True, help="All failed jobs instead of one.")
def command(id: str | None, failed: bool) -> None:
    """Ask the API, as any client could."""
    from cuepoint.cli.remote import converse

    if (id is None) is not failed:
        raise click.UsageError("Name one job, or pass --failed.")

    async def one(client: CuepointClient) -> list[str]:
        done = (await client.execute(RETRY, {"id": id}))["retryJob"]
        job = done["job"]
        kept = "" if done["changed"] else "  (it has not failed: nothing was changed)"
        return [f"{job['id']}  {job['title']}  {job['status']}{kept}"]

    async def all_failed(client: CuepointClient) -> list[str]:
        lines: list[str] = []
        skipped = 0
        while True:
            done = (await client.execute(RETRY_FAILED))["retryFailed"]
            lines += [f"{job['id']}  {job['title']}  {job['status']}" for job in done["jobs"]]
            skipped = max(skipped, done["skippedCount"])
            if not done["hasMore"] or not done["jobs"]:
                break
        ending = f", {skipped} left: see `cuepoint jobs --status FAILED`" if skipped else ""
        return [*lines, f"{len(lines)} retried{ending}."]

    for line in converse(all_failed if failed else one):
        click.echo(line)

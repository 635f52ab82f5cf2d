"""`cuepoint up`: the product in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from cuepoint.cli.environment import open_settings

if TYPE_CHECKING:
    from cuepoint.config import Settings


@click.command("up", help="Run the whole product here: database, Redis, API and worker. Ctrl-C stops it.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
def command(workers: int) -> None:
    """Start what the settings do not name elsewhere, and wait."""
    sys.exit(asyncio.run(_up(workers)))


async def _up(workers: int) -> int:
    from cuepoint.logs import configure_logging
    from cuepoint.processes.supervisor import stop_on_signals

    settings = open_settings()
    configure_logging(settings, "up")
    async with stop_on_signals() as stop:
        work = asyncio.create_task(_serve(settings, workers))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if work.done():
            return work.result()
        click.echo(f"Stopping; running jobs get {settings.drain_seconds:.0f} s to end.", err=True)
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        return 0


async def _serve(settings: Settings, workers: int) -> int:
    """Run the product until it ends by itself or this task is cancelled."""
    from cuepoint.cli.product import product

    began = time.monotonic()
    async with product(settings, workers=workers) as running:
        click.echo(
            f"Cuepoint is ready after {time.monotonic() - began:.1f} s.\n"
            f"  GraphiQL     {running.api_url}/graphql\n"
            f"  Admin token  {running.token_file} (send it as: Authorization: Bearer <token>)\n"
            f"  Data         {settings.home}\n"
            "Ctrl-C, or `cuepoint down` (or `make down`) elsewhere, stops it."
        )
        await asyncio.wait({running.ended})
        return running.ended.result()

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
    from cuepoint.cli.product import Product
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
        seconds = time.monotonic() - began
        click.echo(ready_lines(running, settings, seconds, shows_token=sys.stdout.isatty()))
        await asyncio.wait({running.ended})
        return running.ended.result()


def ready_lines(running: Product, settings: Settings, seconds: float, *, shows_token: bool) -> str:
    """What the operator reads. A token goes to a terminal only, and once: what else takes these lines keeps them."""
    lines = [
        f"Cuepoint is ready after {seconds:.1f} s.",
        f"  GraphiQL     {running.api_url}/graphql",
        f"  Admin token  {running.token_file} (send it as: Authorization: Bearer <token>)",
        f"  Data         {settings.home}",
        "Ctrl-C, or `cuepoint down` (or `make down`) elsewhere, stops it.",
    ]
    if shows_token and running.new_token is not None:
        lines.insert(3, f"               {running.new_token} (shown this once)")
    return "\n".join(lines)

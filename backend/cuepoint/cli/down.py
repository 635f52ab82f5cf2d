"""`cuepoint down`: asks the product that runs on this data directory to stop, and waits until it has."""

from __future__ import annotations

import os
import signal
import time

import click

from cuepoint.cli.environment import open_settings, running_product
from cuepoint.cli.main import EXIT_REFUSED, fail
from cuepoint.config import Settings
from cuepoint.embedded.lock import is_locked

MARGIN_SECONDS = 45.0  # the worker's own margin, the API, and a fast shutdown of Postgres
POLL_SECONDS = 0.05


@click.command("down", help="Stop the product that runs on this data directory.")
def command() -> None:
    """SIGTERM, then wait."""
    settings = open_settings()
    click.echo("Stopped." if stop_product(settings) else f"Nothing runs on {settings.home}.")


def stop_product(settings: Settings) -> bool:
    """Whether something ran; afterwards nothing does."""
    running = running_product(settings.home)
    if running is None:
        return False
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError:
        fail(f"Process {running.pid} belongs to another user; stop it as that user.", EXIT_REFUSED)
    deadline = time.monotonic() + settings.drain_seconds + MARGIN_SECONDS
    while is_locked(settings.home):
        if time.monotonic() > deadline:
            fail(f"Process {running.pid} has not stopped; `kill -9 {running.pid}` ends it.", EXIT_REFUSED)
        time.sleep(POLL_SECONDS)
    return True

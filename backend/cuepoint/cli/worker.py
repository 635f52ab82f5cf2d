"""`cuepoint worker`: the job process, or several of them under one supervisor."""

from __future__ import annotations

import asyncio
import platform
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from cuepoint.cli.environment import child_variables, connected_settings, database_settings, open_settings
from cuepoint.cli.errors import UnreachableError

if TYPE_CHECKING:
    from cuepoint.config import Settings


@click.command("worker", help="Run the job process alone. Needs CUEPOINT_DATABASE_URL and CUEPOINT_REDIS_URL, or `up`.")
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="Worker processes.")
@click.option("--healthy", is_flag=True, help="Run nothing: exit 0 if a worker of this host renews its lease, else 1.")
def command(processes: int, healthy: bool) -> None:
    """Work until SIGTERM; running jobs get CUEPOINT_DRAIN_SECONDS to end."""
    from cuepoint.logs import configure_logging

    if healthy:
        sys.exit(0 if asyncio.run(_is_alive(database_settings(open_settings()))) else 1)
    settings = connected_settings(open_settings())
    configure_logging(settings, "worker")
    _check_schema(settings)
    sys.exit(_single(settings) if processes == 1 else asyncio.run(_several(settings, processes)))


def _check_schema(settings: Settings) -> None:
    """Refuse to work over a schema that is not this version's. A Postgres that is away is waited for."""
    from cuepoint.cli.product import require_schema

    assert settings.database_url is not None
    with suppress(UnreachableError):
        asyncio.run(require_schema(settings.database_url.get_secret_value()))


def _single(settings: Settings) -> int:
    import uvloop

    from cuepoint.worker.main import run_worker

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code: int = runner.run(run_worker(settings))
        return code


async def _several(settings: Settings, processes: int) -> int:
    from cuepoint.cli.product import worker_program
    from cuepoint.processes.supervisor import Supervisor, stop_on_signals

    variables = child_variables(settings)
    programs = [worker_program(f"worker-{number}", settings, variables) for number in range(1, processes + 1)]
    async with stop_on_signals() as stop:
        return await Supervisor(programs).run(stop)


async def _is_alive(database_url: str) -> bool:
    """For the container's health check: it must cost next to nothing."""
    from cuepoint.cli.probes import live_workers

    return await live_workers(database_url, platform.node()) > 0

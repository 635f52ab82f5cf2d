"""`cuepoint api`: the web process."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import TYPE_CHECKING

import click

from cuepoint.cli.environment import connected_settings, open_settings, try_files
from cuepoint.cli.errors import UnreachableError
from cuepoint.cli.main import fail

if TYPE_CHECKING:
    from cuepoint.api.server import Server
    from cuepoint.config import Settings

EXIT_STARTUP = 3  # as uvicorn's own command


@click.command("api", help="Run the API process alone. Needs CUEPOINT_DATABASE_URL and CUEPOINT_REDIS_URL, or `up`.")
@click.option("--fd", type=int, hidden=True, help="An inherited listening socket.")
def command(fd: int | None) -> None:
    """Serve until SIGTERM."""
    from cuepoint.cli.product import listen, local_url
    from cuepoint.logs import configure_logging
    from cuepoint.processes.memory import keep_freed_memory

    keep_freed_memory()
    settings = connected_settings(open_settings())
    try_files(settings)
    listener = listen(settings.host, settings.port) if fd is None else socket.socket(fileno=fd)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    configure_logging(settings, "api")
    _check_schema(settings)
    server = _server(settings)
    logging.getLogger(__name__).info("Serving at %s", settings.public_url or local_url(settings.host, settings.port))
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))
    sys.exit(0 if server.started else EXIT_STARTUP)


def _server(settings: Settings) -> Server:
    from cuepoint.api.app import create_app
    from cuepoint.api.server import make_server

    return make_server(create_app(settings), settings)


def _check_schema(settings: Settings) -> None:
    """Refuse to serve over a schema that is not this version's."""
    from cuepoint.cli.product import require_schema

    assert settings.database_url is not None
    try:
        asyncio.run(require_schema(settings.database_url.get_secret_value()))
    except UnreachableError as error:
        fail(str(error), EXIT_STARTUP)

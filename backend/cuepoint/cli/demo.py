"""`cuepoint demo`: a real video through the whole product, as a client would send it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cuepoint.cli.environment import TOKEN_FILE, open_settings, running_product
from cuepoint.cli.main import EXIT_REFUSED, fail

if TYPE_CHECKING:
    from cuepoint.config import Settings

SAMPLE = Path(__file__).parent / "sample" / "four_short_stories.mp4"


@click.command("demo", help="Send FILE (the bundled sample by default) through the product; show what comes out.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(file: Path | None, as_json: bool) -> None:
    """Drive the public API with one video."""
    from cuepoint.client import ClientError

    try:
        sys.exit(asyncio.run(_demo(file, as_json)))
    except ClientError as error:
        fail(str(error), EXIT_REFUSED)
    except KeyboardInterrupt:
        fail("Stopped.", EXIT_REFUSED)


async def _demo(file: Path | None, as_json: bool) -> int:
    from cuepoint.cli.demo_flow import SAMPLE_SEARCHES, run
    from cuepoint.cli.demo_view import JsonView, TerminalView
    from cuepoint.client import CuepointClient

    settings = open_settings()
    view = JsonView() if as_json else TerminalView()
    running = running_product(settings.home)
    searches = SAMPLE_SEARCHES if file is None else ()
    async with _server(settings, view.note) as (url, token), CuepointClient(url, token) as client:
        report = await run(client, file or SAMPLE, view, searches=searches, folder=settings.home / "demo")
    if running is None:
        view.show(report, f"http://{settings.host}:{settings.port}/graphql once `make up` (or `cuepoint up`) runs")
    else:
        view.show(report, f"{url}/graphql")
    return EXIT_REFUSED if report.missing else 0


@asynccontextmanager
async def _server(settings: Settings, note: Callable[[str], None]) -> AsyncIterator[tuple[str, str]]:
    """URL and token of the product on this home: the one that runs, or one for the time of the demo."""
    from cuepoint.cli.product import product

    running = running_product(settings.home)
    if running is not None and running.api_url is not None:
        token = await asyncio.to_thread((settings.home / TOKEN_FILE).read_text)
        yield running.api_url, token.strip()
        return
    note("Starting Postgres, Redis, the API and a worker")
    logs = settings.home / "logs"
    async with product(settings.model_copy(update={"port": 0}), logs=logs) as started:
        token = await asyncio.to_thread(started.token_file.read_text)
        yield started.api_url, token.strip()

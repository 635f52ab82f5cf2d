"""The way of console commands to a server: where it is, with which token, and its answers as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from cuepoint.cli.environment import TOKEN_FILE, open_settings, running_product
from cuepoint.cli.main import EXIT_MISCONFIGURED, EXIT_REFUSED, fail

if TYPE_CHECKING:
    from cuepoint.client import CuepointClient
    from cuepoint.config import Settings

T = TypeVar("T")


def find_server() -> tuple[str, str]:
    """URL and token: of the product that runs on this home, else of CUEPOINT_PUBLIC_URL or the address of the API.

    CUEPOINT_API_TOKEN goes before the administrator's token of the home; with neither the process ends with 2.
    """
    settings = open_settings()
    return _url(settings), _token(settings)


def _url(settings: Settings) -> str:
    from cuepoint.cli.product import local_url

    running = running_product(settings.home)
    if running is not None and running.api_url is not None:
        return running.api_url
    return settings.public_url or local_url(settings.host, settings.port)


def _token(settings: Settings) -> str:
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    try:
        return (settings.home / TOKEN_FILE).read_text().strip()
    except OSError:
        fail(
            f"There is no token: set CUEPOINT_API_TOKEN (`cuepoint token` makes one), or run `cuepoint up` on "
            f"{settings.home}.",
            EXIT_MISCONFIGURED,
        )


def converse(talk: Callable[[CuepointClient], Awaitable[T]]) -> T:
    """What `talk` returns after speaking with the server; a refusal becomes one line on stderr and exit code 1."""
    from cuepoint.client import ClientError, CuepointClient, RequestFailure

    url, token = find_server()

    async def run() -> T:
        async with CuepointClient(url, token) as client:
            return await talk(client)

    try:
        return asyncio.run(run())
    except RequestFailure as error:
        fail(f"{error}. Start it with `cuepoint up` or `cuepoint api`, or set CUEPOINT_PUBLIC_URL.", EXIT_REFUSED)
    except ClientError as error:
        fail(str(error), EXIT_REFUSED)
    except KeyboardInterrupt:
        fail("Stopped.", EXIT_REFUSED)

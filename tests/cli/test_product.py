"""When the product counts as started, by what the API says of its parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cuepoint.cli.product import Product, failing_parts, is_ready, until_ready
from cuepoint.cli.up import ready_lines
from cuepoint.config import Settings
from cuepoint.embedded.running import Running


@asynccontextmanager
async def api(body: bytes) -> AsyncIterator[int]:
    """The port of a server that answers everything with this body."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def said(*failing: str) -> bytes:
    """The body of /readyz."""
    return json.dumps({"status": "x", "failing": failing}).encode()


class TestUntilReady:
    async def test_a_full_disk_does_not_keep_it_from_starting(
        self, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = asyncio.create_task(asyncio.sleep(60, 0))
        async with api(said("STORAGE")) as port, asyncio.timeout(5):
            await until_ready(settings.model_copy(update={"port": port}), running)
        running.cancel()

        assert "Storage does not work" in caplog.text

    async def test_other_parts_are_waited_for(self, settings: Settings) -> None:
        running = asyncio.create_task(asyncio.sleep(60, 0))
        async with api(said("STORAGE", "POSTGRES")) as port:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await until_ready(settings.model_copy(update={"port": port}), running)
        running.cancel()


class TestFailingParts:
    async def test_are_what_the_api_says(self) -> None:
        async with api(said()) as port:
            assert await failing_parts("127.0.0.1", port) == []
            assert await is_ready("127.0.0.1", port)

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"], ids=["html", "list", "empty"])
    async def test_another_program_is_no_api(self, body: bytes) -> None:
        async with api(body) as port:
            assert await failing_parts("127.0.0.1", port) is None
            assert not await is_ready("127.0.0.1", port)


class TestReadyLines:
    @pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
    @pytest.mark.parametrize("new_token", ["cp_new", None], ids=["first-start", "later"])
    async def test_a_new_token_goes_to_a_terminal_only(
        self, settings: Settings, is_terminal: bool, new_token: str | None
    ) -> None:
        ended = asyncio.create_task(asyncio.sleep(0, 0))
        product = Product(settings, Running(1), "http://here", Path("/home/admin-token"), new_token, ended)

        lines = ready_lines(product, settings, 1.25, shows_token=is_terminal)

        assert ("cp_new (shown this once)" in lines) == (is_terminal and new_token is not None)
        assert "Admin token  /home/admin-token" in lines
        assert await ended == 0

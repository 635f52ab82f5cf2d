"""Files of any size go in and out with flat memory: the API holds some blocks of a file, never the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.product import RunningProduct, call, running_product, send
from tests.support.speech import VIDEO

pytestmark = [pytest.mark.e2e, pytest.mark.long]

SIZE = 3 << 30
ALLOWED = 40 << 20  # over idle, whatever the size of the file


@contextmanager
def most_memory(pid: int) -> Iterator[list[int]]:
    """The list's only entry is the most resident memory of the process during the block, in bytes."""
    process, most, is_over = psutil.Process(pid), [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.02):
            most[0] = max(most[0], process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        is_over.set()
        watching.join()


@pytest.fixture
def product(tmp_path: Path) -> Iterator[RunningProduct]:
    with running_product(tmp_path / "home") as running:
        yield running


class TestThreeGigabytes:
    async def test_go_in_and_out_with_flat_memory(self, product: RunningProduct, tmp_path: Path) -> None:
        film = tmp_path / "film.mp4"
        with film.open("wb") as file:
            file.truncate(SIZE)
        api = product.pid_of("api")
        async with product.client() as client:
            project = (await call(client, "CreateProject", {"input": {"name": "Large"}}))["project"]["id"]
            await send(client, project, VIDEO, autoStart=False)  # what every first request loads is loaded
            idle = psutil.Process(api).memory_info().rss

            with most_memory(api) as taking_in:
                registered = await send(client, project, film, autoStart=False)
            url = (await call(client, "Video", {"id": registered["video"]["id"]}))["url"]
            received = 0
            with most_memory(api) as giving_out:
                async with client.http.stream("GET", url) as answer:
                    async for piece in answer.aiter_bytes():
                        received += len(piece)

        assert registered["video"]["id"]
        assert received == SIZE
        assert taking_in[0] - idle <= ALLOWED
        assert giving_out[0] - idle <= ALLOWED

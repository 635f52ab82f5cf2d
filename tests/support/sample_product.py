"""The whole product with the sample video taken in, and a program of another language run against it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.product import RunningProduct, call, finish, running_product, send
from tests.support.speech import VIDEO

LOG_CHARACTERS = 3000


@contextmanager
def product_with_sample(folder: Path) -> Iterator[dict[str, str]]:
    """A product below that folder, and where to find everything, as environment variables."""
    with running_product(folder / "home") as product:
        yield asyncio.run(_take_in(product))


def run_against_sample(command: Sequence[str], directory: Path) -> int:
    """Run a command in that directory with the environment of `product_with_sample`; its exit status.

    If it fails, the end of the product's own log follows its output.
    """
    with tempfile.TemporaryDirectory(prefix="cuepoint-") as folder:
        with product_with_sample(Path(folder)) as environment:
            status = subprocess.run(command, cwd=directory, env=os.environ | environment, check=False).returncode
        if status:
            print("--- the product's log\n" + (Path(folder) / "home-up.log").read_text()[-LOG_CHARACTERS:])  # noqa: T201
        return status


async def _take_in(product: RunningProduct) -> dict[str, str]:
    async with product.client() as client:
        project = (await call(client, "CreateProject", {"input": {"name": "Four short stories"}}))["project"]
        registered = await send(client, project["id"], VIDEO)
        ends = await asyncio.gather(*[finish(client, job["id"]) for job in registered["jobs"]])
    if {end["status"] for end in ends} != {"SUCCEEDED"}:
        raise RuntimeError(f"the sample did not pass its pipeline: {ends}")
    return {
        "CUEPOINT_HOME": str(product.home),
        "CUEPOINT_URL": product.url,
        "CUEPOINT_TOKEN": product.token,
        "PROJECT_ID": project["id"],
        "VIDEO_ID": registered["video"]["id"],
        "SAMPLE": str(VIDEO),
    }

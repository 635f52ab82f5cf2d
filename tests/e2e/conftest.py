"""One product for all end-to-end tests, and the sample video taken through it once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from cuepoint.client import CuepointClient
from tests.support.product import RunningProduct, call, finish, running_product, send
from tests.support.speech import VIDEO


@dataclass(frozen=True)
class Sample:
    """The sample video after its pipeline."""

    project_id: str
    video_id: str
    jobs: dict[str, str]  # kind -> id


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProduct]:
    """A product on a home of its own."""
    imports = {"fetch_allowed_hosts": "127.0.0.1", "import_roots": str(VIDEO.parent)}
    with running_product(tmp_path_factory.mktemp("e2e") / "home", **imports) as running:
        yield running


@pytest.fixture(scope="session")
async def client(product: RunningProduct) -> AsyncIterator[CuepointClient]:
    """The administrator."""
    async with product.client() as connected:
        yield connected


@pytest.fixture(scope="session")
async def sample(client: CuepointClient) -> Sample:
    """The bundled sample, processed."""
    project = (await call(client, "CreateProject", {"input": {"name": "End to end"}}))["project"]
    registered = await send(client, project["id"], VIDEO)
    ends = await asyncio.gather(*[finish(client, job["id"]) for job in registered["jobs"]])
    assert {end["status"] for end in ends} == {"SUCCEEDED"}
    return Sample(project["id"], registered["video"]["id"], {job["kind"]: job["id"] for job in registered["jobs"]})

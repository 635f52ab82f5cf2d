"""The console on the product: what an operator reads at a terminal comes through the public API."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from uuid import UUID

import pytest

from cuepoint.client import CuepointClient
from cuepoint.graphql.scalars import encode_id
from tests.e2e.conftest import Sample
from tests.support.product import RunningProduct, product_environment

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.media]


async def console(product: RunningProduct, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Exit code and both outputs of a command on the product's home."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cuepoint.cli.main",
        *arguments,
        env=product_environment(product.home, **settings) | {"COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class TestConsole:
    async def test_jobs_are_listed_and_filtered(self, product: RunningProduct, sample: Sample) -> None:
        code, out, _ = await console(product, "jobs", "--status", "succeeded", "--first", "100")
        _, none, _ = await console(product, "jobs", "--status", "blocked")

        assert code == 0
        assert sample.jobs["TRANSCRIPTION"] in out
        assert "Transcribe" in out
        assert none == "No jobs.\n"

    async def test_queues_and_workers(self, product: RunningProduct, sample: Sample) -> None:
        _, table, _ = await console(product, "queues")
        _, text, _ = await console(product, "workers", "--json")
        code, shown, _ = await console(product, "workers")

        assert [line.split()[0] for line in table.splitlines()] == ["QUEUE", "cpu", "gpu", "io", "llm"]
        [worker] = json.loads(text)
        assert worker["state"] == "LIVE"
        assert code == 0
        assert worker["id"] in shown

    async def test_a_retry_that_is_refused_says_why_and_ends_with_1(
        self, product: RunningProduct, sample: Sample
    ) -> None:
        code, out, err = await console(product, "retry", encode_id("Job", UUID(int=0)))
        left_alone = await console(product, "retry", sample.jobs["PROBE"])
        all_failed = await console(product, "retry", "--failed")  # other tests may have left some

        assert (code, out) == (1, "")
        assert "No such job" in err
        assert left_alone[0] == 0
        assert "SUCCEEDED  (it has not failed: nothing was changed)" in left_alone[1]
        assert (all_failed[0], all_failed[2]) == (0, "")
        assert re.fullmatch(r"(?s)(.* QUEUED\n)*\d+ retried\.\n", all_failed[1])

    async def test_a_wrong_token_and_a_missing_one(
        self, product: RunningProduct, client: CuepointClient, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        wrong = await console(product, "queues", api_token="cp_nonsense")
        elsewhere = RunningProduct(tmp_path_factory.mktemp("nowhere"), "", "")
        missing = await console(elsewhere, "queues")

        assert wrong[0] == 1
        assert "unknown, expired or revoked" in wrong[2]
        assert missing[0] == 2
        assert "CUEPOINT_API_TOKEN" in missing[2]

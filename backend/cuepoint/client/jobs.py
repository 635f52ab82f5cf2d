"""Watching a job to its end, over broken connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from cuepoint.client.errors import RequestFailure
from cuepoint.client.http import CuepointClient

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
RETRY_SECONDS = 0.5
TRIES = 20  # in a row without a single message: 10 s

JOB_PROGRESS = """
subscription JobProgress($jobId: ID!, $after: Int) {
  jobProgress(jobId: $jobId, after: $after) {
    type seq status attempt progress stage processedSeconds totalSeconds etaSeconds
    event { type error { code message hint } }
  }
}
"""


async def watch_job(client: CuepointClient, job_id: str) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of a job until it is final; after a broken connection it goes on behind the last event seen.

    Raises RequestFailure when the server stays away.
    """
    after: int | None = None
    failures = 0
    while True:
        try:
            async with aclosing(client.subscribe(JOB_PROGRESS, {"jobId": job_id, "after": after})) as answers:
                async for data in answers:
                    failures = 0
                    update: dict[str, Any] = data["jobProgress"]
                    # A snapshot tells the newest state; the events between `after` and it still follow.
                    if update["type"] != "SNAPSHOT" or after is None:
                        after = update["seq"]
                    yield update
                    if update["status"] in FINAL and update["seq"] == after:
                        return
        except RequestFailure:
            failures += 1
            if failures >= TRIES:
                raise
            await asyncio.sleep(RETRY_SECONDS)

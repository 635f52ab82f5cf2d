"""Watching a job to its end, over broken connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from cuepoint.client.http import CuepointClient
from cuepoint.client.resuming import resumed

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})

JOB_PROGRESS = """
subscription JobProgress($jobId: ID!, $after: Int) {
  jobProgress(jobId: $jobId, after: $after) {
    type seq status attempt progress stage processedSeconds totalSeconds etaSeconds
    event { type error { code message hint } }
  }
}
"""


async def watch_job(
    client: CuepointClient, job_id: str, *, after: int | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of a job until it is final; after a broken connection it goes on behind the last event seen.

    Keep `seq` to go on in another process. Raises RequestFailure when the server stays away, GraphQLFailure when it
    refuses.
    """
    async with aclosing(resumed(client, JOB_PROGRESS, {"jobId": job_id}, _ByNumber(after))) as updates:
        async for update in updates:
            yield update


@dataclass
class _ByNumber:
    after: int | None

    def note(self, update: Mapping[str, Any]) -> bool:
        """A snapshot tells the newest state; the events between `after` and it still follow."""
        if update["type"] != "SNAPSHOT" or self.after is None:
            self.after = update["seq"]
        return update["status"] in FINAL and update["seq"] == self.after

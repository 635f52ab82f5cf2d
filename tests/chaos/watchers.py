"""Subscribers of a chaos run: each writes down the numbers that it was told, over whatever connection there was."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from cuepoint.client import CuepointClient
from cuepoint.client.errors import GraphQLFailure, RequestFailure
from cuepoint.client.feeds import PROJECT_EVENTS
from cuepoint.client.jobs import FINAL, JOB_PROGRESS
from cuepoint.client.resuming import OUTAGES

PAUSE_SECONDS = 0.3
# Connections are dropped by the client too, after so long at most.
LONGEST_CONNECTION_SECONDS = 6.0


@dataclass
class Watcher:
    """One subscriber of one job, or of the whole project when `job_id` is None."""

    clients: Sequence[CuepointClient]
    chance: random.Random
    project_id: str
    job_id: str | None = None
    told: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    connections: int = 0
    refusals: list[str] = field(default_factory=list)
    after: Any = None
    is_done: bool = False
    is_steady: bool = False  # drops no connection any more: the faults are over

    async def run(self) -> None:
        """Subscribe again and again: to a job until its end, to the project until cancelled."""
        self.after = 0 if self.job_id is not None else None
        while not self.is_done:
            client = self.chance.choice(self.clients)
            seconds = None if self.is_steady else self.chance.uniform(0.2, LONGEST_CONNECTION_SECONDS)
            try:
                async with asyncio.timeout(seconds):
                    self.connections += 1
                    await self._listen(client)
            except TimeoutError:
                continue
            except RequestFailure:
                await asyncio.sleep(PAUSE_SECONDS)
            except GraphQLFailure as failure:
                if not OUTAGES.issuperset(failure.codes):
                    self.refusals.append(str(failure))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self, client: CuepointClient) -> None:
        document = JOB_PROGRESS if self.job_id is not None else PROJECT_EVENTS
        variables = {"jobId": self.job_id} if self.job_id is not None else {"projectId": self.project_id}
        async with aclosing(client.subscribe(document, {**variables, "after": self.after})) as answers:
            async for data in answers:
                [update] = data.values()
                if self.job_id is not None:
                    self._note_progress(update)
                else:
                    self._note_feed(update)
                if self.is_done:
                    return

    def _note_progress(self, update: dict[str, Any]) -> None:
        if update["type"] == "EVENT":
            assert self.job_id is not None
            self.told[self.job_id].append(update["seq"])
            self.after = update["seq"]
        is_end = update["status"] in FINAL and update["seq"] == self.after
        self.is_done = self.is_done or (is_end and update["type"] != "PROGRESS")

    def _note_feed(self, update: dict[str, Any]) -> None:
        self.after = update["cursor"]
        if update["update"] is not None and update["update"]["type"] == "EVENT":
            self.told[update["jobId"]].append(update["update"]["seq"])

    def violations(self, last: dict[str, int]) -> list[str]:
        """Numbers that are not 1 to n. `last` is the number of each job's newest event."""
        wanted = [self.job_id] if self.job_id is not None else list(last)
        found = [f"a subscriber was refused: {words}" for words in self.refusals]
        for job_id in wanted:
            told = self.told.get(job_id, [])
            if told != list(range(1, last[job_id] + 1)):
                found.append(f"a subscriber of {self.job_id or 'the project'} was told {told} of 1..{last[job_id]}")
        return found

"""What follows a committed transition: bells for lanes, event messages for watchers, word to a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.live.base import Live
from cuepoint.db.session import Dispatch, Effect, after_commit
from cuepoint.features.jobs.backpressure import forget_counts

JOBS_CHANNEL = "cp:jobs"  # events and progress of all jobs
MOST_ITEMS = 200  # in one message


@dataclass(frozen=True)
class Change:
    """One event of one job as it was written, with what its announcement needs."""

    job_id: UUID
    project_id: UUID | None
    lane: str
    seq: int
    at: datetime
    type: str
    attempt: int
    data: dict[str, Any]

    @classmethod
    def from_row(cls, row: Any) -> Change:
        """From a row of `job_change`. UUIDs become the standard library's: asyncpg's own do not serialise."""
        project = row["project_id"]
        return cls(
            UUID(int=row["job_id"].int),
            UUID(int=project.int) if project is not None else None,
            row["lane"],
            row["seq"],
            row["at"],
            row["type"],
            row["attempt"],
            row["data"],
        )

    @property
    def status(self) -> str:
        """Status of the job after this event."""
        return str(self.data["status"])

    def item(self) -> dict[str, Any]:
        """The event as it travels."""
        return {
            "job_id": self.job_id,
            "project_id": self.project_id,
            "seq": self.seq,
            "at": self.at,
            "type": self.type,
            "attempt": self.attempt,
            "data": self.data,
        }


@dataclass(frozen=True)
class RingLane:
    """Wake a fetcher of this lane."""

    lane: str


@dataclass(frozen=True)
class PublishEvents:
    """Send these events to whoever watches their jobs or projects."""

    changes: tuple[Change, ...]


@dataclass(frozen=True)
class TellWorker:
    """Tell a worker that a job it runs was cancelled."""

    worker_id: UUID
    job_id: UUID
    attempt: int


def control_channel(worker_id: UUID) -> str:
    """Channel on which a worker is told to stop a job now."""
    return f"cp:ctl:{worker_id}"


def effects_of(changes: Sequence[Change]) -> list[Effect]:
    """The effects that announce these changes."""
    effects: list[Effect] = [RingLane(lane) for lane in sorted({c.lane for c in changes if c.status == "QUEUED"})]
    if changes:
        effects.append(PublishEvents(tuple(changes)))
    return effects


def announce(session: AsyncSession, changes: Sequence[Change]) -> None:
    """Ring and publish for these changes once the session's transaction has committed, and count anew what they have
    brought back."""
    for effect in effects_of(changes):
        after_commit(session, effect)
    if any(change.type == "RETRIED" for change in changes):
        forget_counts(session)


def job_messages(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, bytes]]:
    """Events and progress as (channel, payload) pairs: all that is told at once in one message, as a JSON list.

    One channel for all jobs: every API process listens to all of them anyway, and a message costs Redis and whoever
    hears it more than what it holds.
    """
    parts = (items[start : start + MOST_ITEMS] for start in range(0, len(items), MOST_ITEMS))
    return [(JOBS_CHANNEL, orjson.dumps(part)) for part in parts]


def dispatcher(live: Live) -> Dispatch:
    """Sends the effects of one transaction in two round trips at most; equal bells ring once."""

    async def dispatch(effects: Sequence[Effect]) -> None:
        lanes = sorted({effect.lane for effect in effects if isinstance(effect, RingLane)})
        told = [c.item() for effect in effects if isinstance(effect, PublishEvents) for c in effect.changes]
        messages = job_messages(told)
        messages += [
            (control_channel(e.worker_id), orjson.dumps({"cancel": e.job_id, "attempt": e.attempt}))
            for e in effects
            if isinstance(e, TellWorker)
        ]
        if lanes:
            await live.ring(lanes)
        if messages:
            await live.publish(messages)

    return dispatch

"""Back-pressure: how much work may wait, for one project and in all, and when a refused caller should come back.

The limits travel in `session.info`: the API's sessions carry them, the workers' do not, so that what runs already is
never refused its own follow-up.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.errors import QueueFullError

LONGEST_RETRY_SECONDS = 60.0  # an estimate further ahead than this is none
# A count is not made again before so many jobs could have come that it would matter: ten connections have created
# 3,177 jobs/s (facts of the design); and not for longer than this, whatever the room.
CREATED_PER_SECOND = 4000.0
LONGEST_TRUST_SECONDS = 2.0
# A count that took long is made at most a tenth of the time: with 94,000 unfinished jobs it takes 62 ms.
SHARE_OF_COUNTING = 0.1
QUICK_SECONDS = 0.005  # a shorter one is made whenever it is asked for
MOST_KNOWN = 10_000  # projects whose counts are remembered


@dataclass(frozen=True)
class Known:
    """What a count said of a project, and until when it is believed; the message of a refusal, None = there is room."""

    until: float
    refusal: str | None
    retry_after_seconds: float = 0.0


@dataclass(frozen=True)
class QueueLimits:
    """Unfinished jobs beyond which new ones are refused; 0 = any number."""

    per_project: int
    in_all: int
    known: dict[UUID | None, Known] = field(default_factory=dict, compare=False)


def queue_limits(settings: Settings) -> dict[Any, Any]:
    """What sessions carry so that `require_room` counts."""
    return {QueueLimits: QueueLimits(settings.queue_max_per_project, settings.queue_max)}


# The condition is that of the partial index of dedupe keys, which therefore holds exactly the unfinished jobs; a count
# stops right above its limit.
_COUNT = text("""
select
  (select count(*) from (
    select from jobs where project_id = :project_id and status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')
    limit :per_project) x) as mine,
  (select count(*) from (
    select from jobs where status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')
    limit :in_all) x) as every
""")
_PACE = text("select coalesce(avg(cost), 30) as seconds, count(*) as running from jobs where status = 'RUNNING'")


async def require_room(session: AsyncSession, project_id: UUID | None) -> None:
    """Pass if the jobs of this transaction still fit, or raise QueueFullError.

    Asked once a project and transaction: a pipeline whose first job fits is made whole. Two transactions at once do
    not see each other, and a process believes its last count for a moment: the limits may be passed by as many jobs
    as are created meanwhile. What is counted again and when follows from the room that was left.
    """
    limits = session.info.get(QueueLimits)
    asked = session.info.setdefault(require_room, set())
    if limits is None or project_id in asked:
        return
    asked.add(project_id)
    known = limits.known.get(project_id)
    if known is None or time.monotonic() >= known.until:
        if len(limits.known) >= MOST_KNOWN:
            limits.known.clear()
        known = limits.known[project_id] = await _count(session, limits, project_id)
    if known.refusal is not None:
        raise QueueFullError(known.refusal, retry_after_seconds=known.retry_after_seconds)


async def _count(session: AsyncSession, limits: QueueLimits, project_id: UUID | None) -> Known:
    began = time.monotonic()
    bounds = {"per_project": limits.per_project + 1, "in_all": limits.in_all + 1}
    found = (await session.execute(_COUNT, {"project_id": project_id, **bounds})).one()
    now = time.monotonic()
    counts = ((limits.per_project, found.mine), (limits.in_all, found.every))
    room = min((limit - count for limit, count in counts if limit), default=None)
    until = now + trust_seconds(room, now - began)
    if room is None or room >= 0:
        return Known(until, None)
    if limits.per_project and found.mine > limits.per_project:
        message = f"This project has {limits.per_project} unfinished jobs, which is all it may have."
    else:
        message = f"This instance has {limits.in_all} unfinished jobs, which is all it takes."
    seconds = await _retry_after(session)
    return Known(until, f"{message} Send it again in {seconds:.0f} s.", seconds)


def trust_seconds(room: int | None, took_seconds: float) -> float:
    """How long a count that took so long is believed. `room` is how many jobs fit; negative: none, None: any number."""
    if room is None:
        return LONGEST_TRUST_SECONDS
    if room >= 0:
        return min(LONGEST_TRUST_SECONDS, room / CREATED_PER_SECOND)
    return 0.0 if took_seconds < QUICK_SECONDS else took_seconds / SHARE_OF_COUNTING


async def _retry_after(session: AsyncSession) -> float:
    """A slot is free again when one of the running jobs ends: their expected time, shared by their number."""
    pace = (await session.execute(_PACE)).one()
    return float(min(LONGEST_RETRY_SECONDS, max(1, math.ceil(pace.seconds / max(1, pace.running)))))

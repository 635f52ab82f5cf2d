"""Back-pressure: how much work may wait, for one project and in all, and when a refused caller should come back.

The limits travel in `session.info`: the API's sessions carry them, the workers' do not, so that what runs already is
never refused its own follow-up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.errors import QueueFullError

LONGEST_RETRY_SECONDS = 60.0  # an estimate further ahead than this is none


@dataclass(frozen=True)
class QueueLimits:
    """Unfinished jobs beyond which new ones are refused; 0 = any number."""

    per_project: int
    in_all: int


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
    not see each other: the limits may be passed by as many jobs as are created at one moment.
    """
    limits = session.info.get(QueueLimits)
    asked = session.info.setdefault(require_room, set())
    if limits is None or project_id in asked:
        return
    asked.add(project_id)
    bounds = {"per_project": limits.per_project + 1, "in_all": limits.in_all + 1}
    found = (await session.execute(_COUNT, {"project_id": project_id, **bounds})).one()
    if limits.per_project and found.mine > limits.per_project:
        await _refuse(session, f"This project has {limits.per_project} unfinished jobs, which is all it may have.")
    if limits.in_all and found.every > limits.in_all:
        await _refuse(session, f"This instance has {limits.in_all} unfinished jobs, which is all it takes.")


async def _refuse(session: AsyncSession, message: str) -> None:
    """A slot is free again when one of the running jobs ends: their expected time, shared by their number."""
    pace = (await session.execute(_PACE)).one()
    seconds = float(min(LONGEST_RETRY_SECONDS, max(1, math.ceil(pace.seconds / max(1, pace.running)))))
    raise QueueFullError(f"{message} Send it again in {seconds:.0f} s.", retry_after_seconds=seconds)

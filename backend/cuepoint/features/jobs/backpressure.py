"""Back-pressure: how much work may wait, for one project and in all, and when a refused caller should come back.

The limits travel in `session.info`: the API's sessions carry them, the workers' do not, so that what runs already is
never refused its own follow-up.

To count a hundred thousand jobs takes tens of milliseconds. So a whole count is made once, and what was created after
it added to it, which reads only that: too many rather than too few, as some of it is over by now. Only when that sum
passes a limit the whole is counted again, and never more than a tenth of the time is spent with it;
and now and then anyway, for what no sum sees.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.errors import QueueFullError

LONGEST_RETRY_SECONDS = 60.0  # an estimate further ahead than this is none
# A count is not looked at again before so many jobs could have come that it would matter: ten connections have created
# 3,177 jobs/s (facts of the design); and not for longer than this, whatever the room.
CREATED_PER_SECOND = 4000.0
LONGEST_TRUST_SECONDS = 2.0
SHARE_OF_COUNTING = 0.1  # of the time
# Jobs that are run again, and those whose transaction took long, are no newer than what was counted: a sum misses them.
STALE_SECONDS = 10.0
COUNT_SECONDS = 0.062 / 94_000  # for one of many unfinished jobs, measured
MOST_KNOWN = 10_000  # projects whose counts are remembered
EVERY = UUID(int=0)  # stands for all projects among them


@dataclass(frozen=True)
class Known:
    """At most so many jobs are unfinished, of which `newest` is the last that was counted. Believed until a time, and
    not counted as a whole before another, but again after `stale_after`; `refusal` is the message of one, None = there
    is room."""

    number: int
    newest: UUID
    until: float
    whole_after: float
    stale_after: float
    refusal: str | None = None
    retry_after_seconds: float = 0.0


@dataclass(frozen=True)
class QueueLimits:
    """Unfinished jobs beyond which new ones are refused; 0 = any number."""

    per_project: int
    in_all: int
    known: dict[UUID, Known] = field(default_factory=dict, compare=False)


def queue_limits(settings: Settings) -> dict[Any, Any]:
    """What sessions carry so that `require_room` counts."""
    return {QueueLimits: QueueLimits(settings.queue_max_per_project, settings.queue_max)}


# The condition is that of the partial index of dedupe keys, which therefore holds exactly the unfinished jobs; a count
# stops right above its limit.
_UNFINISHED = "status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"
_WHOLE = """
select (select count(*) from (select from jobs where {which}{unfinished} limit :most) x) as number,
  (select id from jobs order by id desc limit 1) as newest
"""
_SINCE = """
with s as (select id from jobs where {which}id > :newest order by id limit :most)
select (select count(*) from s) as number, (select id from s order by id desc limit 1) as newest
"""
_OF_PROJECT = "project_id = :project_id and "


def _statements(which: str) -> tuple[TextClause, TextClause]:
    return text(_WHOLE.format(which=which, unfinished=_UNFINISHED)), text(_SINCE.format(which=which))


_COUNTS = {False: _statements(_OF_PROJECT), True: _statements("")}  # of one project, of every one
_PACE = text("select coalesce(avg(cost), 30) as seconds, count(*) as running from jobs where status = 'RUNNING'")


async def require_room(session: AsyncSession, project_id: UUID | None) -> None:
    """Pass if the jobs of this transaction still fit, or raise QueueFullError.

    Asked once a project and transaction: a pipeline whose first job fits is made whole. Two transactions at once do
    not see each other, and a process believes its last count for a moment: the limits may be passed by as many jobs
    as are created meanwhile.
    """
    limits = session.info.get(QueueLimits)
    asked = session.info.setdefault(require_room, set())
    if limits is None or project_id in asked:
        return
    asked.add(project_id)
    for scope, limit in ((project_id, limits.per_project), (EVERY, limits.in_all)):
        if limit and scope is not None:
            known = await _known(session, limits, scope, limit)
            if known.refusal is not None:
                raise QueueFullError(known.refusal, retry_after_seconds=known.retry_after_seconds)


def forget_counts(session: AsyncSession) -> None:
    """Jobs are brought back by this transaction, which no sum of new ones contains: what this process knows is counted
    anew once it has committed."""
    limits = session.info.get(QueueLimits)
    if limits is not None:
        event.listen(session.sync_session, "after_commit", lambda _: limits.known.clear(), once=True)


async def _known(session: AsyncSession, limits: QueueLimits, scope: UUID, limit: int) -> Known:
    """What holds for a project, or for EVERY."""
    now = time.monotonic()
    known = limits.known.get(scope)
    if known is not None and now < known.until:
        return known
    if len(limits.known) >= MOST_KNOWN:
        limits.known.clear()
    if known is not None:
        limits.known[scope] = replace(known, until=now + LONGEST_TRUST_SECONDS)  # others need not look meanwhile
    if known is not None and known.number <= limit and now < known.stale_after:
        added = await _with_those_since(session, scope, limit, known)
        if added.number <= limit or now < added.whole_after:
            limits.known[scope] = added
            return added
    limits.known[scope] = await _whole(session, scope, limit)
    return limits.known[scope]


async def _with_those_since(session: AsyncSession, scope: UUID, limit: int, known: Known) -> Known:
    _, since = _COUNTS[scope == EVERY]
    found = (await session.execute(since, _named(scope, limit - known.number) | {"newest": known.newest})).one()
    number = known.number + found.number
    until = time.monotonic() + trust_seconds(max(0, limit - number))
    if number > limit:  # perhaps: the whole is counted when its turn comes
        return replace(known, number=limit + 1, until=known.whole_after)
    return replace(known, number=number, newest=found.newest or known.newest, until=until)


async def _whole(session: AsyncSession, scope: UUID, limit: int) -> Known:
    whole, _ = _COUNTS[scope == EVERY]
    found = (await session.execute(whole, _named(scope, limit))).one()
    now = time.monotonic()
    whole_after = now + rest_seconds(found.number)
    stale_after = max(whole_after, now + STALE_SECONDS)
    if found.number <= limit:
        return Known(found.number, found.newest, now + trust_seconds(limit - found.number), whole_after, stale_after)
    whose = "This instance has" if scope == EVERY else "This project has"
    most = "takes" if scope == EVERY else "may have"
    seconds = await _retry_after(session)
    message = f"{whose} {limit} unfinished jobs, which is all it {most}. Send it again in {seconds:.0f} s."
    return Known(found.number, found.newest, whole_after, whole_after, stale_after, message, seconds)


def _named(scope: UUID, room: int) -> dict[str, Any]:
    """Parameters of a count, which stops right above the room."""
    return {"most": room + 1} | ({} if scope == EVERY else {"project_id": scope})


def trust_seconds(room: int) -> float:
    """How long nobody looks again where so many more jobs fit."""
    return min(LONGEST_TRUST_SECONDS, room / CREATED_PER_SECOND)


def rest_seconds(number: int) -> float:
    """How long no other whole count is made after one of so many."""
    return number * COUNT_SECONDS / SHARE_OF_COUNTING


async def _retry_after(session: AsyncSession) -> float:
    """A slot is free again when one of the running jobs ends: their expected time, shared by their number."""
    pace = (await session.execute(_PACE)).one()
    return float(min(LONGEST_RETRY_SECONDS, max(1, math.ceil(pace.seconds / max(1, pace.running)))))

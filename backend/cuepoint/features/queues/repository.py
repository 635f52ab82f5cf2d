"""Statements on lanes and workers, whose tables belong to the job layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.jobs.models import Worker, WorkerState


@dataclass(frozen=True)
class LaneState:
    """What waits and works in one lane. `slots` are the jobs that its live workers run at a time."""

    name: str
    is_paused: bool
    queued: int
    running: int
    scheduled: int
    oldest_seconds: float | None
    workers: int
    slots: int


# Each count reads the partial index that a transition of that status keeps anyway (claim, worker, run_at). The newest
# event of a queued job is the one that queued it; of a long queue it is read for the thousand oldest jobs.
_LANES = text(
    """
select l.name, l.is_paused,
  (select count(*) from jobs j where j.lane = l.name and j.status = 'QUEUED') as queued,
  (select count(*) from jobs j where j.lane = l.name and j.status = 'RUNNING') as running,
  (select count(*) from jobs j where j.lane = l.name and j.status = 'SCHEDULED') as scheduled,
  (select extract(epoch from job_now() - min(e.at))::float8
   from (select id, seq from jobs where lane = l.name and status = 'QUEUED' order by id limit 1000) j
   join job_events e on e.job_id = j.id and e.seq = j.seq) as oldest_seconds,
  w.workers, w.slots
from lanes l, lateral (
  select count(*) as workers, coalesce(sum(coalesce((info -> 'slots' ->> l.name)::integer, 1)), 0)::integer as slots
  from workers where l.name = any (lanes) and state = 'LIVE' and lease_until > job_now()
) w
where :name::text is null or l.name = :name
order by l.name
""".replace(":name::text", "cast(:name as text)")
)


async def lane_states(session: AsyncSession, name: str | None = None) -> Sequence[LaneState]:
    """Every lane, or the one of that name."""
    rows = await session.execute(_LANES, {"name": name})
    return [LaneState(**row) for row in rows.mappings()]


_SET_PAUSED = text("""
update lanes set is_paused = :is_paused where name = :name and is_paused <> :is_paused returning name
""")


async def set_paused(session: AsyncSession, name: str, *, is_paused: bool) -> bool:
    """Pause a lane, or let it go on; False if it was so already."""
    found = await session.execute(_SET_PAUSED, {"name": name, "is_paused": is_paused})
    return found.one_or_none() is not None


@dataclass(frozen=True)
class WorkerRow:
    """A worker as it is stored, with the silence of its lease by the database's clock."""

    id: UUID
    lanes: list[str]
    info: dict[str, Any]
    state: WorkerState
    lease_until: datetime
    started_at: datetime
    seconds_left: float


def _workers() -> Select[tuple[Any, ...]]:
    left = func.extract("epoch", Worker.lease_until - func.job_now()).label("seconds_left")
    columns = (Worker.id, Worker.lanes, Worker.info, Worker.state, Worker.lease_until, Worker.started_at)
    return select(*columns, left)


def _to_row(row: Any) -> WorkerRow:
    left = float(row.seconds_left)
    return WorkerRow(row.id, row.lanes, row.info, row.state, row.lease_until, row.started_at, left)


async def list_workers(session: AsyncSession, states: Sequence[WorkerState], limit: int) -> Sequence[WorkerRow]:
    """Workers in these states: those that are alive first, then the newest."""
    alive = case((Worker.state.in_([WorkerState.LIVE, WorkerState.DRAINING]), 0), else_=1)
    statement = _workers().where(Worker.state.in_(states)).order_by(alive, Worker.started_at.desc(), Worker.id)
    return [_to_row(row) for row in await session.execute(statement.limit(limit))]


async def find_worker(session: AsyncSession, worker_id: UUID) -> WorkerRow | None:
    """One worker."""
    row = (await session.execute(_workers().where(Worker.id == worker_id))).one_or_none()
    return None if row is None else _to_row(row)


async def workers_by_id(session: AsyncSession, worker_ids: Sequence[UUID]) -> dict[UUID, WorkerRow]:
    """Those of the workers that exist."""
    rows = await session.execute(_workers().where(Worker.id.in_(worker_ids)))
    return {worker.id: worker for worker in map(_to_row, rows)}

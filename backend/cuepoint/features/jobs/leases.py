"""Transitions without a fence: promote and lost by the ticker, leases of workers, slots of schedules.

No worker clock enters a decision: every time comes from `job_now()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import Statements, to_json

PROMOTE_AT_ONCE = 1000  # bounds one transaction of the ticker


_PROMOTE = """
with c as (
  select id from jobs where status = 'SCHEDULED' and run_at <= job_now() order by run_at limit $1::integer
  for update skip locked
), u as (
  update jobs j set status = 'QUEUED', due = coalesce(j.due, job_place(j.project_id, j.lane, j.priority)),
    seq = j.seq + 1
  from c, (select job_now() as t) clock where j.id = c.id
  returning j.id, j.project_id, j.lane, j.seq, clock.t as at, 'QUEUED' as type, j.attempt,
    jsonb_build_object('status', j.status, 'reason', 'DUE') as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, at, type, attempt, data from u
)
select id as job_id, project_id, lane, seq, at, type, attempt, data from u
"""


async def promote(statements: Statements) -> list[Change]:
    """Queue the scheduled jobs whose time has come."""
    return [Change.from_row(row) for row in await statements.fetch(_PROMOTE, PROMOTE_AT_ONCE)]


_REAP = """
update workers set state = 'LOST' where state in ('LIVE', 'DRAINING') and lease_until < job_now() returning id
"""

_LOST = """
with c as (
  select j.id, j.worker_id as lost_id, clock.t, case
      when w.id is null or w.state not in ('LIVE', 'DRAINING') then 'LEASE'
      when j.cancel_requested_at is not null then 'CANCEL_IGNORED'
      else 'TIMEOUT' end as reason,
    case
      when j.cancel_requested_at is not null then 'CANCELLED'
      when j.losses + 1 >= j.max_losses then 'FAILED'
      else 'QUEUED' end as status
  from jobs j left join workers w on w.id = j.worker_id, (select job_now() as t) clock
  where j.status = 'RUNNING' and (
    w.id is null or w.state not in ('LIVE', 'DRAINING')
    or j.cancel_requested_at < clock.t - $1::float8 * interval '1 second'
    or j.started_at + (j.timeout_seconds + $2::float8) * interval '1 second' < clock.t)
  order by j.id for update of j skip locked
), u as (
  update jobs j set
    status = c.status, losses = j.losses + 1, worker_id = null, ended_by = null,
    finished_at = case when c.status <> 'QUEUED' then c.t end,
    error = $3::jsonb, error_code = $3::jsonb ->> 'code', seq = j.seq + 1
  from c where j.id = c.id
  returning j.id, j.project_id, j.lane, j.seq, c.t as at, j.attempt, j.status,
    case when j.status = 'QUEUED' then 'LOST' else j.status end as type,
    jsonb_build_object(
      'status', j.status, 'worker_id', c.lost_id, 'reason', c.reason, 'losses', j.losses, 'error', $3::jsonb) as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, at, type, attempt, data from u
)
select id as job_id, project_id, lane::text as lane, seq, at, type::text as type, attempt, data from u
union all
select * from job_cascade(array(select id from u where status in ('CANCELLED', 'FAILED')))
"""


async def lost(
    statements: Statements, *, stop_seconds: float, lease_seconds: float, error: dict[str, Any]
) -> list[Change]:
    """Take back the jobs of workers that are silent, missing or over, and jobs that outlived a cancel or time-out.

    Not only those of workers reaped just now: a claim may commit after its worker was declared lost. `error` is what
    the job says afterwards.
    """
    await statements.fetch(_REAP)
    rows = await statements.fetch(_LOST, stop_seconds, lease_seconds, to_json(error))
    return [Change.from_row(row) for row in rows]


_REGISTER = """
insert into workers (id, lanes, info, state, lease_until, started_at)
select $1::uuid, $2::text[], $3::jsonb, 'LIVE', t + $4::float8 * interval '1 second', t
from (select job_now() as t) clock
"""


async def register_worker(
    statements: Statements, worker_id: UUID, *, lanes: Sequence[str], info: dict[str, Any], lease_seconds: float
) -> None:
    """A new worker, LIVE for one lease."""
    await statements.fetch(_REGISTER, worker_id, list(lanes), to_json(info), lease_seconds)


_DRAIN = "update workers set state = 'DRAINING' where id = $1::uuid and state = 'LIVE' returning id"


async def drain_worker(statements: Statements, worker_id: UUID) -> bool:
    """The worker claims nothing any more; it learns so with its next renewal. False: it was not LIVE."""
    return bool(await statements.fetch(_DRAIN, worker_id))


async def remove_worker(statements: Statements, worker_id: UUID) -> None:
    """The worker is over."""
    await statements.fetch(
        "update workers set state = 'GONE' where id = $1::uuid and state in ('LIVE', 'DRAINING')", worker_id
    )


_FORGET_WORKERS = """
delete from workers where state in ('GONE', 'LOST') and lease_until < job_now() - interval '7 days'
"""


async def forget_workers(statements: Statements) -> None:
    """Remove the rows of workers that ended a week ago; events keep their ids."""
    await statements.fetch(_FORGET_WORKERS)


@dataclass(frozen=True)
class Renewal:
    """Answer to a heartbeat: whether the worker is still known, which of its jobs to stop, and whether to drain."""

    is_alive: bool
    gone: tuple[UUID, ...]
    cancelled: tuple[UUID, ...]
    is_draining: bool = False


_RENEW = """
with r as (
  update workers set lease_until = job_now() + $2::float8 * interval '1 second'
  where id = $1::uuid and state in ('LIVE', 'DRAINING') returning id, state
)
select null::uuid as job_id, exists (select from r) as is_alive, false as is_cancelled,
  exists (select from r where state = 'DRAINING') as is_draining
union all
select h.id, true, j.id is not null, false
from unnest($3::uuid[], $4::integer[]) as h (id, attempt)
left join jobs j on j.id = h.id and j.attempt = h.attempt and j.worker_id = $1::uuid and j.status = 'RUNNING'
where j.id is null or j.cancel_requested_at is not null
"""


async def renew(
    statements: Statements, worker_id: UUID, *, lease_seconds: float, held: Sequence[tuple[UUID, int]]
) -> Renewal:
    """Prolong the lease, and learn in the same round trip what became of the (job, attempt) pairs held."""
    rows = await statements.fetch(_RENEW, worker_id, lease_seconds, [i for i, _ in held], [a for _, a in held])
    jobs = [row for row in rows if row["job_id"] is not None]
    return Renewal(
        is_alive=any(row["job_id"] is None and row["is_alive"] for row in rows),
        gone=tuple(UUID(int=row["job_id"].int) for row in jobs if not row["is_cancelled"]),
        cancelled=tuple(UUID(int=row["job_id"].int) for row in jobs if row["is_cancelled"]),
        is_draining=any(row["is_draining"] for row in rows),
    )


@dataclass(frozen=True)
class Slot:
    """A schedule whose next slot has come."""

    name: str
    cron: str
    kind: str
    args: dict[str, Any]
    next_at: datetime
    now: datetime
    project_id: UUID | None = None


_DUE_SCHEDULES = """
select name, cron, kind, args, next_at, job_now() as now, project_id from schedules
where is_enabled and next_at <= job_now() and kind = any ($1::text[]) order by name for update skip locked
"""


async def due_schedules(statements: Statements) -> list[Slot]:
    """The schedules whose slot has come, locked until the end of the transaction. Those of kinds that this version does
    not know wait for a worker of that version."""
    rows = await statements.fetch(_DUE_SCHEDULES, [kind.value for kind in JobKind])
    return [
        Slot(r["name"], r["cron"], r["kind"], r["args"], r["next_at"], r["now"], _uuid(r["project_id"])) for r in rows
    ]


def _uuid(value: Any) -> UUID | None:
    return None if value is None else UUID(int=value.int)


async def advance_schedule(statements: Statements, name: str, next_at: datetime) -> None:
    """The slot has been made; the next one is at `next_at`."""
    await statements.fetch(
        "update schedules set next_at = $2::timestamptz where name = $1::text returning name", name, next_at
    )

"""Transitions of workers: claim, progress, succeed, end of an attempt. `leases.py` has those of tickers.

A worker touches a running job only under its fence (id, attempt, worker); no row back means that it was not its own.
No worker clock enters a decision: every time comes from `job_now()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.statements import Statements, to_json


@dataclass(frozen=True)
class Fence:
    """The right to touch a running job. The worker belongs to it: a claim that a crash of Postgres forgot leaves its
    attempt number to another worker."""

    job_id: UUID
    attempt: int
    worker_id: UUID


@dataclass(frozen=True)
class Claimed:
    """A job that this worker runs from now on."""

    fence: Fence
    kind: str
    lane: str
    args: dict[str, Any]
    project_id: UUID | None
    video_id: UUID | None
    timeout_seconds: int
    failures: int
    change: Change


_CLAIM = """
with c as (
  select id from jobs
  where lane = $1::text and status = 'QUEUED' and ($4::text[] is null or kind = any ($4::text[]))
    and exists (select from workers w where w.id = $2::uuid and w.state = 'LIVE')
    and not exists (select from lanes l where l.name = $1::text and l.is_paused)
  order by due, id limit $3::integer for update skip locked
), u as (
  update jobs j set
    status = 'RUNNING', attempt = j.attempt + 1, worker_id = $2::uuid, started_at = job_now(), run_at = null,
    progress = 0, stage = null, processed_ms = null, total_ms = null, ended_by = null, seq = j.seq + 1
  from c where j.id = c.id
  returning j.*, jsonb_build_object('status', 'RUNNING', 'worker_id', $2::uuid) as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data)
  select id, seq, started_at, 'STARTED', attempt, data from u
), v as (
  update lanes l set virtual_now = x.v
  from (select max(due + priority * interval '5 minutes' + cost * interval '1 second') as v from u) x
  where l.name = $1::text and l.virtual_now < x.v
)
select id as job_id, kind, lane, args, project_id, video_id, timeout_seconds, failures, attempt, seq,
  started_at as at, 'STARTED' as type, data
from u order by due, id
"""


async def claim(
    statements: Statements, *, lane: str, worker_id: UUID, limit: int, kinds: Sequence[str] | None = None
) -> list[Claimed]:
    """Take the next jobs of a lane: smallest `due` first, none while the lane is paused or the worker not LIVE.

    `kinds` are those that the worker knows (None = all): in a rolling deployment a job of a newer version waits for a
    worker of that version, whatever else is queued before or behind it.
    """
    rows = await statements.fetch(_CLAIM, lane, worker_id, limit, None if kinds is None else list(kinds))
    return [
        Claimed(
            Fence(change.job_id, change.attempt, worker_id),
            row["kind"],
            row["lane"],
            row["args"],
            change.project_id,
            UUID(int=row["video_id"].int) if row["video_id"] is not None else None,
            row["timeout_seconds"],
            row["failures"],
            change,
        )
        for row in rows
        for change in (Change.from_row(row),)
    ]


@dataclass(frozen=True)
class Progress:
    """How far an attempt is: a value, not an event."""

    fence: Fence
    fraction: float
    stage: str | None
    processed_ms: int | None
    total_ms: int | None


_PROGRESS = """
with c as (
  select j.id, p.progress, p.stage, p.processed_ms, p.total_ms
  from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::float8[], $5::text[], $6::integer[], $7::integer[])
    as p (id, attempt, worker_id, progress, stage, processed_ms, total_ms)
  join jobs j on j.id = p.id and j.attempt = p.attempt and j.worker_id = p.worker_id and j.status = 'RUNNING'
  order by j.id for update of j skip locked
)
update jobs j set
  progress = greatest(j.progress, c.progress), stage = coalesce(c.stage, j.stage),
  processed_ms = coalesce(c.processed_ms, j.processed_ms), total_ms = coalesce(c.total_ms, j.total_ms)
from c where j.id = c.id
returning j.id, j.cancel_requested_at is not null as is_cancelled
"""


async def save_progress(statements: Statements, items: Sequence[Progress]) -> list[UUID]:
    """Write the newest progress of many jobs at once; the jobs among them whose cancel was asked.

    A row that someone else has locked at this moment is left out: its next value comes within a second.
    """
    rows = await statements.fetch(
        _PROGRESS,
        [i.fence.job_id for i in items],
        [i.fence.attempt for i in items],
        [i.fence.worker_id for i in items],
        [i.fraction for i in items],
        [i.stage for i in items],
        [i.processed_ms for i in items],
        [i.total_ms for i in items],
    )
    return [UUID(int=row["id"].int) for row in rows if row["is_cancelled"]]


_HOLD = """
select cancel_requested_at is not null as is_cancelled from jobs
where id = $1::uuid and attempt = $2::integer and worker_id = $3::uuid and status = 'RUNNING'
for no key update
"""


class Held(Enum):
    """What the fence says."""

    MINE = "MINE"
    CANCELLED = "CANCELLED"
    LOST = "LOST"


async def hold(statements: Statements, fence: Fence) -> Held:
    """Lock the job until the end of the transaction, so that nobody else ends or takes it meanwhile."""
    rows = await statements.fetch(_HOLD, fence.job_id, fence.attempt, fence.worker_id)
    if not rows:
        return Held.LOST
    return Held.CANCELLED if rows[0]["is_cancelled"] else Held.MINE


_SUCCEED = """
with c as (
  select j.id, f.worker_id, f.result
  from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::jsonb[]) as f (id, attempt, worker_id, result)
  join jobs j on j.id = f.id and j.attempt = f.attempt and j.worker_id = f.worker_id
    and j.status = 'RUNNING' and j.cancel_requested_at is null
  order by j.id for update of j
), u as (
  update jobs j set
    status = 'SUCCEEDED', worker_id = null, ended_by = c.worker_id, result = c.result, progress = 1,
    finished_at = clock.t, error = null, error_code = null, seq = j.seq + 1
  from c, (select job_now() as t) clock where j.id = c.id
  returning j.id, j.project_id, j.lane, j.seq, clock.t as at, 'SUCCEEDED' as type, j.attempt,
    jsonb_build_object('status', j.status, 'worker_id', j.ended_by) as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, at, type, attempt, data from u
)
select id as job_id, project_id, lane::text as lane, seq, at, type, attempt, data from u
union all
select * from job_unblock(array(select id from u))
"""


async def succeed(statements: Statements, items: Sequence[tuple[Fence, dict[str, Any] | None]]) -> list[Change]:
    """End attempts well, with their results; what waited for them is unblocked in the same statement.

    A job without a SUCCEEDED change among the answers was not ours any more, or its cancel was asked.
    """
    fences = [fence for fence, _ in items]
    rows = await statements.fetch(
        _SUCCEED,
        [f.job_id for f in fences],
        [f.attempt for f in fences],
        [f.worker_id for f in fences],
        [to_json(result) for _, result in items],
    )
    return [Change.from_row(row) for row in rows]


class Outcome(Enum):
    """How an attempt ended, other than well."""

    ERROR = "ERROR"
    PERMANENT = "PERMANENT"
    SNOOZE = "SNOOZE"
    RELEASE = "RELEASE"
    STOPPED = "STOPPED"


_END_ATTEMPT = """
with u as (
  update jobs j set
    status = x.status,
    failures = j.failures + ($4::text in ('ERROR', 'PERMANENT'))::integer,
    worker_id = null, ended_by = $3::uuid,
    finished_at = case when x.status in ('CANCELLED', 'FAILED') then x.t end,
    cancel_reason = case when x.status = 'CANCELLED' then coalesce(j.cancel_reason, 'USER') else j.cancel_reason end,
    run_at = case when x.status = 'SCHEDULED' then x.t + $5::float8 * interval '1 second' end,
    error = coalesce($6::jsonb, j.error),
    error_code = coalesce($6::jsonb ->> 'code', j.error_code),
    seq = j.seq + 1
  from (
    select c.id, clock.t, case
      when c.cancel_requested_at is not null or $4::text = 'STOPPED' then 'CANCELLED'
      when $4::text = 'PERMANENT' or ($4::text = 'ERROR' and c.failures + 1 >= c.max_attempts) then 'FAILED'
      when $5::float8 > 0 then 'SCHEDULED'
      else 'QUEUED' end as status
    from (
      select id, cancel_requested_at, failures, max_attempts from jobs
      where id = $1::uuid and attempt = $2::integer and worker_id = $3::uuid and status = 'RUNNING'
      for update
    ) c, (select job_now() as t) clock
  ) x
  where j.id = x.id
  returning j.id, j.project_id, j.lane, j.seq, x.t as at, j.attempt, j.status, case
      when j.status in ('CANCELLED', 'FAILED') then j.status
      when $4::text = 'SNOOZE' then 'SNOOZED'
      when $4::text = 'RELEASE' then 'RELEASED'
      else 'ERROR' end as type,
    jsonb_strip_nulls(jsonb_build_object(
      'status', j.status, 'worker_id', $3::uuid, 'run_at', j.run_at, 'error', $6::jsonb)) as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, at, type, attempt, data from u
)
select id as job_id, project_id, lane::text as lane, seq, at, type::text as type, attempt, data from u
union all
select * from job_cascade(array(select id from u where status in ('CANCELLED', 'FAILED')))
"""


async def end_attempt(
    statements: Statements,
    fence: Fence,
    outcome: Outcome,
    *,
    delay_seconds: float = 0.0,
    error: dict[str, Any] | None = None,
) -> list[Change]:
    """End an attempt that did not succeed. Empty: it was not ours any more."""
    rows = await statements.fetch(
        _END_ATTEMPT, fence.job_id, fence.attempt, fence.worker_id, outcome.value, delay_seconds, to_json(error)
    )
    return [Change.from_row(row) for row in rows]


@dataclass(frozen=True)
class AttemptState:
    """What became of an attempt, read after a commit whose outcome is unknown."""

    is_mine: bool
    has_succeeded: bool
    is_cancelled: bool


_STATE = """
select status = 'RUNNING' and attempt = $2::integer and worker_id = $3::uuid as is_mine,
  status = 'SUCCEEDED' and attempt = $2::integer and ended_by = $3::uuid as has_succeeded,
  cancel_requested_at is not null as is_cancelled
from jobs where id = $1::uuid
"""


async def attempt_state(statements: Statements, fence: Fence) -> AttemptState:
    """Whether the attempt is still ours, or has been ended well by us."""
    rows = await statements.fetch(_STATE, fence.job_id, fence.attempt, fence.worker_id)
    if not rows:
        return AttemptState(is_mine=False, has_succeeded=False, is_cancelled=False)
    row = rows[0]
    return AttemptState(bool(row["is_mine"]), bool(row["has_succeeded"]), bool(row["is_cancelled"]))

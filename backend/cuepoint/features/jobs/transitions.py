"""Transitions that clients ask for - create, cancel, retry - each one compare-and-set with its events.

They run in the caller's transaction. What workers and tickers do is in `claims.py`; what follows a transition among
dependents (unblock, cascade, revive) in SQL functions beside the migrations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.statements import Statements, to_json

LIVE = "('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"


@dataclass(frozen=True)
class NewJob:
    """A job to be created. `depends_on` are (job id, is required) pairs; with `stays_in_project` jobs of another
    project are as unknown to it as those that do not exist."""

    kind: JobKind
    lane: str
    timeout_seconds: int
    max_attempts: int
    cost: float
    priority: int = 5
    args: dict[str, Any] = field(default_factory=dict)
    depends_on: Sequence[tuple[UUID, bool]] = ()
    run_at: datetime | None = None
    project_id: UUID | None = None
    video_id: UUID | None = None
    created_by_id: UUID | None = None
    batch_id: UUID | None = None
    root_id: UUID | None = None
    parent_id: UUID | None = None
    system_key: str | None = None
    dedupe_key: str | None = None
    stays_in_project: bool = False


@dataclass(frozen=True)
class Created:
    """The job that exists now: its row as it was inserted. No change and no row: it existed already, under a key."""

    job_id: UUID
    changes: tuple[Change, ...] = ()
    row: Mapping[str, Any] | None = None


class UnknownDependencyError(Exception):
    """A dependency does not exist."""


_LOCK_DEPENDENCIES = "select id, status, project_id from jobs where id = any ($1::uuid[]) order by id for share"

# Named, not *: a column that a later version adds must not change what a prepared statement answers.
_COLUMNS = ", ".join(column.name for column in Job.__table__.columns)

_CREATE = f"""
with x as (
  select t, case
    when $21::uuid is not null then 'CANCELLED'
    when $20::integer > 0 then 'BLOCKED'
    when $9::timestamptz > t then 'SCHEDULED'
    else 'QUEUED' end as status
  from (select job_now() as t) clock
), j as (
  insert into jobs (
    id, kind, lane, args, priority, max_attempts, timeout_seconds, cost, run_at, created_by_id, project_id, video_id,
    batch_id, root_id, parent_id, system_key, dedupe_key, created_at, status, finished_at, cancel_reason,
    cancelled_by_id, dependencies_left, due, seq)
  select $1::uuid, $2::text, $3::text, $4::jsonb, $5::integer, $6::integer, $7::integer, $8::float8,
    $9::timestamptz, $10::uuid, $11::uuid, $12::uuid, $13::uuid, $14::uuid, $15::uuid, $16::text, $17::text,
    x.t, x.status,
    case when x.status = 'CANCELLED' then x.t end, case when x.status = 'CANCELLED' then 'DEPENDENCY' end,
    $21::uuid, $20::integer,
    case when x.status = 'QUEUED' then job_place($11::uuid, $3::text, $5::integer) end, 1
  from x
  on conflict do nothing
  returning {_COLUMNS}, id as job_id, created_at as at, 'CREATED' as type,
    jsonb_strip_nulls(jsonb_build_object(
      'status', status, 'kind', kind, 'priority', priority, 'reason', cancel_reason,
      'cancelled_by_id', cancelled_by_id)) as data
), d as (
  insert into job_dependencies (dependency_id, job_id, is_required)
  select edge.dependency_id, j.id, edge.is_required
  from j, unnest($18::uuid[], $19::boolean[]) as edge (dependency_id, is_required)
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data)
  select id, seq, at, type, attempt, data from j
)
select {_COLUMNS}, job_id, at, type, data from j
"""  # noqa: S608 - names of columns

_EXISTING = f"""
select id from jobs where system_key = $1::text or (dedupe_key = $2::text and status in {LIVE})
order by created_at limit 1
"""  # noqa: S608 - a constant of this module


async def create(statements: Statements, new: NewJob) -> Created:
    """Create a job in the caller's transaction, or find the one that has its key.

    Its dependencies stay locked FOR SHARE until the commit, so that none of them settles unseen. Raises
    UnknownDependencyError.
    """
    edges = _merged(new.depends_on)
    settled = await _settle(statements, edges, new.project_id if new.stays_in_project else None)
    while True:
        job_id = uuid7()
        rows = await statements.fetch(_CREATE, *_create_arguments(job_id, new, edges, settled))
        if rows:
            return Created(job_id, (Change.from_row(rows[0]),), rows[0])
        existing = await statements.fetch(_EXISTING, new.system_key, new.dedupe_key)
        if existing:
            return Created(UUID(int=existing[0]["id"].int))
        # the job that had the key ended between the two statements: create again


def _merged(depends_on: Sequence[tuple[UUID, bool]]) -> dict[UUID, bool]:
    """One edge per dependency; required wins."""
    edges: dict[UUID, bool] = {}
    for dependency_id, is_required in depends_on:
        edges[dependency_id] = edges.get(dependency_id, False) or is_required
    return edges


@dataclass(frozen=True)
class _Settled:
    left: int
    bad: UUID | None


async def _settle(statements: Statements, edges: dict[UUID, bool], project_id: UUID | None) -> _Settled:
    """How many dependencies are unsettled, and a required one that will never succeed by itself. All of them must
    belong to this project, or to none; None: to any."""
    if not edges:
        return _Settled(0, None)
    rows = await statements.fetch(_LOCK_DEPENDENCIES, list(edges))
    foreign = [row for row in rows if project_id is not None and row["project_id"] not in (None, project_id)]
    if foreign or len(rows) != len(edges):
        raise UnknownDependencyError
    left = 0
    bad = None
    for row in rows:
        status = JobStatus(row["status"])
        is_required = edges[row["id"]]
        if is_required and status in (JobStatus.FAILED, JobStatus.CANCELLED):
            bad = bad or row["id"]
        if status != JobStatus.SUCCEEDED if is_required else not status.is_final:
            left += 1
    return _Settled(left, bad)


def _create_arguments(job_id: UUID, new: NewJob, edges: dict[UUID, bool], settled: _Settled) -> tuple[Any, ...]:
    return (
        job_id,
        new.kind.value,
        new.lane,
        to_json(new.args),
        new.priority,
        new.max_attempts,
        new.timeout_seconds,
        new.cost,
        new.run_at,
        new.created_by_id,
        new.project_id,
        new.video_id,
        new.batch_id,
        new.root_id,
        new.parent_id,
        new.system_key,
        new.dedupe_key,
        list(edges),
        list(edges.values()),
        settled.left,
        settled.bad,
    )


_LOCK = """
select id, status, worker_id, attempt, cancel_requested_at from jobs where id = any ($1::uuid[]) order by id for update
"""

_CANCEL = f"""
with u as (
  update jobs j set
    status = case when j.status = 'RUNNING' then 'RUNNING' else 'CANCELLED' end,
    finished_at = case when j.status = 'RUNNING' then null else clock.t end,
    cancel_requested_at = clock.t, cancel_reason = 'USER', seq = j.seq + 1
  from (select job_now() as t) clock
  where j.id = any ($1::uuid[]) and j.status in {LIVE} and j.cancel_requested_at is null
  returning j.id, j.project_id, j.lane, j.seq, clock.t as at, j.attempt, j.status,
    case when j.status = 'RUNNING' then 'CANCEL_REQUESTED' else 'CANCELLED' end as type,
    jsonb_build_object('status', j.status, 'reason', 'USER') as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, at, type, attempt, data from u
)
select id as job_id, project_id, lane::text as lane, seq, at, type, attempt, data from u
union all
select * from job_cascade(array(select id from u where status = 'CANCELLED'))
"""  # noqa: S608 - a constant of this module

_KEEP_CANCELLED = """
with u as (
  update jobs j set cancel_requested_at = clock.t, cancel_reason = 'USER', cancelled_by_id = null, seq = j.seq + 1
  from (select job_now() as t) clock
  where j.id = any ($1::uuid[]) and j.status = 'CANCELLED' and j.cancel_reason = 'DEPENDENCY'
  returning j.id, j.project_id, j.lane, j.seq, clock.t as at, 'CANCELLED' as type, j.attempt,
    jsonb_build_object('status', j.status, 'reason', 'USER') as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, at, type, attempt, data from u
)
select id as job_id, project_id, lane, seq, at, type, attempt, data from u
"""


@dataclass(frozen=True)
class Running:
    """A job that a worker runs at this moment."""

    job_id: UUID
    worker_id: UUID
    attempt: int


@dataclass(frozen=True)
class Cancelled:
    """What a cancel did, and which of the jobs still run and have to be told."""

    changes: tuple[Change, ...]
    running: tuple[Running, ...]


async def cancel(statements: Statements, job_ids: Sequence[UUID]) -> Cancelled:
    """Cancel jobs: waiting ones end now, running ones are asked to; what requires them is cancelled too.

    A job that was cancelled because of a dependency becomes the user's cancel: a retry of the dependency does not
    bring it back. Jobs that are over otherwise, or asked already, do not change.
    """
    locked = await statements.fetch(_LOCK, list(job_ids))
    changes = [Change.from_row(row) for row in await statements.fetch(_CANCEL, list(job_ids))]
    already = [row["id"] for row in locked if row["status"] == JobStatus.CANCELLED.value]
    if already:
        changes += [Change.from_row(row) for row in await statements.fetch(_KEEP_CANCELLED, already)]
    running = tuple(
        Running(UUID(int=row["id"].int), UUID(int=row["worker_id"].int), row["attempt"])
        for row in locked
        if row["status"] == JobStatus.RUNNING.value
    )
    return Cancelled(tuple(changes), running)


async def retry(statements: Statements, job_id: UUID) -> tuple[Change, ...]:
    """Run a failed or cancelled job again, and bring back what was cancelled because of it. Empty: refused."""
    rows = await statements.fetch("select * from job_retry($1::uuid)", job_id)
    return tuple(Change.from_row(row) for row in rows)

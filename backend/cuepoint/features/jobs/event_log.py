"""Statements that read the log across jobs: the watermark, what happened since one, and the jobs as they are now.

A watermark is a time up to which everything is known: no transaction that is still open can commit an event at or
before it. Transactions commit out of order, so it is the begin of the oldest one that may have written an event, not
the newest event's time; the server itself says which are open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import IDLE_IN_TRANSACTION_MS
from cuepoint.features.jobs.cursors import Position
from cuepoint.features.jobs.models import JobEventType, JobKind, JobStatus
from cuepoint.features.jobs.progress import JobUpdate, LoggedEvent, UpdateType, eta_from_start
from cuepoint.features.jobs.statements import InSession

PAGE = 500
LIVE_ROWS = 2000  # more events than these between two reads are left to each feed, which pages through them
# Against a clock of the database that is set back by less; it costs this many seconds of positions in each cursor.
SLACK_SECONDS = 1.0
# A statement that has run for so long without a transaction id, and waits for no lock, only reads.
READER_SECONDS = 10.0
# A foreign session may leave a transaction open for ever; ours are ended after a minute idle.
PIN_SECONDS = 300.0

# job_now() beside clock_timestamp(): tests move the first. `statement_timestamp()` is from before the sessions are
# looked at, so that whoever begins in between is above the watermark.
_WATERMARK = f"""
select job_now() - (clock_timestamp() - greatest(
    least(statement_timestamp(), min(open.since)), clock_timestamp() - interval '{PIN_SECONDS} seconds'))
  - interval '{SLACK_SECONDS} seconds'
from (
  select case
    when state is null or state = 'disabled' then clock_timestamp() - interval '{IDLE_IN_TRANSACTION_MS} milliseconds'
    when backend_xid is not null then xact_start
    when state = 'active' and (wait_event_type = 'Lock'
      or query_start > clock_timestamp() - interval '{READER_SECONDS} seconds') then query_start
    end as since
  from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
) open
"""  # noqa: S608 - constants of this module

_JOB = """
j.id, j.kind, j.lane, j.project_id, j.video_id, j.batch_id, j.created_by_id, j.created_at, j.finished_at, j.error_code,
  j.seq, j.status, j.attempt, j.progress, j.stage, j.processed_ms, j.total_ms,
  job_now() as now, extract(epoch from job_now() - j.started_at)::float8 as elapsed
"""
_EVENT = "e.seq as event_seq, e.at as event_at, e.type as event_type, e.attempt as event_attempt, e.data as event_data"


@dataclass(frozen=True)
class Scope:
    """The jobs of these projects; None = of all, and those without a project. `video_id` narrows to one video."""

    project_ids: tuple[UUID, ...] | None
    video_id: UUID | None = None

    def has_project(self, project_id: UUID | None) -> bool:
        """Whether jobs of this project may be among them."""
        return self.project_ids is None or project_id in self.project_ids

    def contains(self, job: LoggedJob) -> bool:
        """Whether the job is among them."""
        return self.has_project(job.project_id) and self.video_id in (None, job.video_id)


@dataclass(frozen=True)
class LoggedJob:
    """A job as it is now, and one event of it where the statement reads events."""

    id: UUID
    kind: JobKind
    lane: str
    project_id: UUID | None
    video_id: UUID | None
    batch_id: UUID | None
    created_by_id: UUID | None
    created_at: datetime
    finished_at: datetime | None
    error_code: str | None
    state: JobUpdate
    event: LoggedEvent | None = None


@dataclass(frozen=True)
class LiveRead:
    """What one read brought: new events, the jobs that were asked for, and the watermark for the next read."""

    events: Sequence[LoggedJob]
    jobs: Sequence[LoggedJob]
    watermark: datetime

    @property
    def is_too_much(self) -> bool:
        """Whether events are missing because they were too many."""
        return len(self.events) > LIVE_ROWS


async def watermark(session: AsyncSession) -> datetime:
    """A time up to which whatever a later statement of this session reads is complete."""
    [row] = await InSession(session).fetch(f"select ({_WATERMARK}) as watermark")
    at: datetime = row["watermark"]
    return at


async def database_now(session: AsyncSession) -> datetime:
    """The database's clock, which every event's time is of."""
    [row] = await InSession(session).fetch("select job_now() as now")
    at: datetime = row["now"]
    return at


_LIVE_READ = f"""
with found as (
  (select e.job_id, e.seq from job_events e join jobs j on j.id = e.job_id
   where e.at > $1::timestamptz and ($2::boolean or j.project_id = any ($3::uuid[])) limit {LIVE_ROWS + 1})
  union all
  select id, null from jobs j
  where id = any ($4::uuid[]) or (j.status = 'RUNNING' and ($2::boolean or j.project_id = any ($3::uuid[])))
)
select mark.watermark, {_JOB}, {_EVENT}
from (select ({_WATERMARK}) as watermark) mark
left join (found join jobs j on j.id = found.job_id
  left join job_events e on e.job_id = found.job_id and e.seq = found.seq) on true
order by j.id, e.seq nulls last
"""  # noqa: S608 - constants of this module


async def read_live(
    session: AsyncSession, since: datetime, projects: Sequence[UUID] | None, jobs: Sequence[UUID]
) -> LiveRead:
    """One statement for a whole process: events above `since` of these projects (None = of all), in order for each
    job; the jobs named, and those that run in these projects."""
    arguments = (since, projects is None, list(projects or ()), list(jobs))
    rows = await InSession(session).fetch(_LIVE_READ, *arguments)
    found = [_job(row) for row in rows if row["id"] is not None]
    events = [job for job in found if job.event is not None]
    return LiveRead(events, [job for job in found if job.event is None], rows[0]["watermark"])


# What comes before a later event of its job belongs to the pass even if its own time is above: two transactions that
# waited for each other's lock may note their times in the other order.
_PAGE = f"""
select {_JOB}, {_EVENT}
from job_events e join jobs j on j.id = e.job_id
where e.at > $1::timestamptz and (e.job_id, e.seq) > ($2::uuid, $3::integer)
  and ($4::timestamptz is null or e.at <= $4::timestamptz
    or exists (select from job_events l where l.job_id = e.job_id and l.seq > e.seq and l.at <= $4::timestamptz))
  and ($5::boolean or j.project_id = any ($6::uuid[])) and ($7::uuid is null or j.video_id = $7::uuid)
order by e.job_id, e.seq limit {PAGE}
"""  # noqa: S608 - constants of this module


async def read_page(
    session: AsyncSession, scope: Scope, since: datetime, until: datetime | None, key: tuple[UUID, int]
) -> list[LoggedJob]:
    """At most PAGE events above `since` and not above `until`, behind `key`, in the order of (job, number)."""
    rows = await InSession(session).fetch(_PAGE, since, *key, until, *_scope(scope))
    return [_job(row) for row in rows]


_STATES = f"""
select {_JOB}, {_EVENT}
from jobs j join job_events e on e.job_id = j.id and e.seq = j.seq
where j.id > $1::uuid and (j.finished_at is null or j.finished_at > $2::timestamptz)
  and ($3::boolean or j.project_id = any ($4::uuid[])) and ($5::uuid is null or j.video_id = $5::uuid)
order by j.id limit {PAGE}
"""  # noqa: S608 - constants of this module


async def read_states(session: AsyncSession, scope: Scope, since: datetime, after: UUID) -> list[LoggedJob]:
    """At most PAGE jobs behind `after` that are not final, or became so above `since`, with their newest events."""
    rows = await InSession(session).fetch(_STATES, after, since, *_scope(scope))
    return [_job(row) for row in rows]


_JOBS = f"select {_JOB} from jobs j where j.id = any ($1::uuid[])"  # noqa: S608


async def read_jobs(session: AsyncSession, job_ids: Sequence[UUID]) -> list[LoggedJob]:
    """These jobs as they are now."""
    rows = await InSession(session).fetch(_JOBS, list(job_ids))
    return [_job(row) for row in rows]


_FORGOTTEN = """
select j.id
from unnest($1::uuid[], $2::integer[], $3::timestamptz[]) as seen (id, seq, at) join jobs j on j.id = seen.id
where j.finished_at is null
  and not exists (select from job_events e where e.job_id = j.id and e.seq = seen.seq and e.at <= seen.at)
"""


async def read_forgotten(session: AsyncSession, seen: Mapping[UUID, Position]) -> frozenset[UUID]:
    """The unfinished jobs among these whose event is in the log no more: a crash of Postgres forgot it."""
    numbers, times = [place.seq for place in seen.values()], [place.at for place in seen.values()]
    rows = await InSession(session).fetch(_FORGOTTEN, list(seen), numbers, times)
    return frozenset(UUID(int=row["id"].int) for row in rows)


async def project_of_video(session: AsyncSession, video_id: UUID) -> UUID | None:
    """The project of a video; None when it is not there, or deleted. Videos are a later feature: hence SQL."""
    rows = await InSession(session).fetch(
        "select project_id from videos where id = $1::uuid and deleted_at is null", video_id
    )
    return _uuid(rows[0]["project_id"]) if rows else None


def _scope(scope: Scope) -> tuple[bool, list[UUID], UUID | None]:
    return scope.project_ids is None, list(scope.project_ids or ()), scope.video_id


def _job(row: Any) -> LoggedJob:
    job_id = UUID(int=row["id"].int)
    event = None
    if row.get("event_seq") is not None:
        kind = JobEventType(row["event_type"])
        event = LoggedEvent(row["event_seq"], row["event_at"], kind, row["event_attempt"], row["event_data"])
    return LoggedJob(
        id=job_id,
        kind=JobKind(row["kind"]),
        lane=row["lane"],
        project_id=_uuid(row["project_id"]),
        video_id=_uuid(row["video_id"]),
        batch_id=_uuid(row["batch_id"]),
        created_by_id=_uuid(row["created_by_id"]),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        error_code=row["error_code"],
        state=_state(job_id, row),
        event=event,
    )


def _state(job_id: UUID, row: Any) -> JobUpdate:
    status = JobStatus(row["status"])
    # A later attempt may have resumed in the middle: its speed is not known from here.
    is_first = status is JobStatus.RUNNING and row["attempt"] == 1
    return JobUpdate(
        type=UpdateType.SNAPSHOT,
        job_id=job_id,
        seq=row["seq"],
        at=row["now"],
        status=status,
        attempt=row["attempt"],
        progress=row["progress"],
        stage=row["stage"],
        processed_ms=row["processed_ms"],
        total_ms=row["total_ms"],
        eta_seconds=eta_from_start(row["progress"], row["elapsed"]) if is_first else None,
    )


def _uuid(value: Any) -> UUID | None:
    return None if value is None else UUID(int=value.int)

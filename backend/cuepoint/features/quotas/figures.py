"""What a quota's scope has used and reserved, counted from the rows themselves: nothing can drift from the truth.

Jobs, videos, uploads and files belong to later features: hence SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.quotas.metering import metering_of
from cuepoint.features.quotas.models import Quota

# What tidies up, or is made by the system, takes nobody's place.
UNCOUNTED = "('VIDEO_DELETION', 'PROJECT_DELETION', 'STORAGE_WIPE', 'MAINTENANCE', 'FILE_REMOVAL')"
LIVE = "('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"  # the condition of the partial index on unfinished jobs


@dataclass(frozen=True)
class Figure:
    """How much of one limit is taken, in its unit. `limit` None: there is none."""

    used: int
    reserved: int
    limit: int | None
    resets_at: datetime | None = None

    @property
    def is_passed(self) -> bool:
        """Whether more is taken than allowed."""
        return self.limit is not None and self.used + self.reserved > self.limit

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.limit is not None and self.used + self.reserved >= self.limit


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """Begin and end of the month, UTC."""
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ahead = start.replace(year=start.year + 1, month=1) if start.month == 12 else start.replace(month=start.month + 1)
    return start, ahead


def _scope(quota: Quota, project: str, user: str) -> str:
    """The condition on these two columns; `:scope` is the id."""
    if quota.project_id is not None:
        return f"{project} = :scope"
    return f"{user} = :scope" if quota.user_id is not None else "true"


def _values(quota: Quota) -> dict[str, UUID]:
    scope = quota.project_id or quota.user_id
    return {} if scope is None else {"scope": scope}


async def job_figure(session: AsyncSession, quota: Quota) -> Figure:
    """Jobs that run, and as reserved those that wait."""
    statement = f"""
      select count(*) filter (where status = 'RUNNING') as used, count(*) filter (where status <> 'RUNNING') as reserved
      from jobs where status in {LIVE} and kind not in {UNCOUNTED} and {_scope(quota, "project_id", "created_by_id")}
    """  # noqa: S608 - constants of this module
    row = (await session.execute(text(statement), _values(quota))).one()
    return Figure(row.used, row.reserved, quota.concurrent_jobs)


async def media_figure(session: AsyncSession, quota: Quota, *, up_to: UUID | None = None) -> Figure:
    """Playing time transcribed this month, and as reserved that of unfinished transcriptions whose length is known.

    `up_to`: of the reserved only jobs that were created no later than this one, which has its place before others.
    """
    start, ahead = month_of(datetime.now(UTC))
    statement = f"""
      select
        (select coalesce(sum(media_ms), 0) from media_usage where at >= :start
         and {_scope(quota, "project_id", "user_id")}) as used,
        (select coalesce(sum(v.duration_ms), 0) from jobs j join videos v on v.id = j.video_id
         where j.status in {LIVE} and j.kind = 'TRANSCRIPTION' and (cast(:up_to as uuid) is null or j.id <= :up_to)
         and {_scope(quota, "j.project_id", "j.created_by_id")}) as reserved
    """  # noqa: S608 - constants of this module
    values = {**_values(quota), "start": start, "up_to": up_to}
    row = (await session.execute(text(statement), values)).one()
    return Figure(int(row.used), int(row.reserved), quota.media_ms_per_month, ahead)


@dataclass(frozen=True)
class UsageFigures:
    """Tokens and their cost this month. `unpriced`: models without a price that these jobs would call."""

    tokens: Figure
    cost: Figure
    unpriced: tuple[str, ...] = ()


async def usage_figures(session: AsyncSession, quota: Quota, *, up_to: UUID | None = None) -> UsageFigures:
    """Tokens taken this month with their cost in millionths, and as reserved what unfinished jobs that call paid models
    are expected to take by the length of their media, beside what each took already. `up_to` as of `media_figure`."""
    start, ahead = month_of(datetime.now(UTC))
    paid = metering_of(session)
    whose = _scope(quota, "project_id", "user_id")
    values = {**_values(quota), "start": start}
    statement = f"""
      select coalesce(sum(tokens_in + tokens_out), 0) as tokens, coalesce(sum(cost_micros), 0) as cost
      from model_usage where created_at >= :start and {whose}
    """  # noqa: S608 - constants of this module
    used = (await session.execute(text(statement), values)).one()
    statement = f"""
      with taken as (
        select job_id, sum(tokens_in + tokens_out) as tokens, coalesce(sum(cost_micros), 0) as cost
        from model_usage where created_at >= :start and {whose} and job_id is not null group by job_id
      )
      select j.kind, coalesce(sum(v.duration_ms), 0) as media_ms, coalesce(t.tokens, 0) as tokens,
        coalesce(t.cost, 0) as cost
      from jobs j join videos v on v.id = j.video_id left join taken t on t.job_id = j.id
      where j.status in {LIVE} and j.kind = any(:kinds) and (cast(:up_to as uuid) is null or j.id <= :up_to)
      and {_scope(quota, "j.project_id", "j.created_by_id")} group by j.kind, t.job_id, t.tokens, t.cost
    """  # noqa: S608 - constants of this module
    values |= {"kinds": sorted(paid.models), "up_to": up_to}
    rows = (await session.execute(text(statement), values)).all() if paid.models else []
    demands = [(paid.demand(row.kind, int(row.media_ms)), row) for row in rows]
    priced = [(use, row, paid.price_of(use.model)) for use, row in demands]
    tokens = sum(max(0, use.tokens_in - int(row.tokens)) for use, row in demands)
    cost = sum(max(0, price.micros(use) - int(row.cost)) for use, row, price in priced if price)
    return UsageFigures(
        Figure(int(used.tokens), tokens, quota.tokens_per_month, ahead),
        Figure(int(used.cost), cost, quota.cost_micros_per_month, ahead),
        tuple(sorted({use.model for use, _, price in priced if price is None})),
    )


async def storage_figure(session: AsyncSession, quota: Quota) -> Figure:
    """Bytes of files, and as reserved those that open uploads have declared, or received so far.

    A user's are the files of their videos.
    """
    if quota.user_id is not None:
        used = """select coalesce(sum(f.size_bytes), 0) from stored_files f join videos v on v.id = f.video_id
                  where v.created_by_id = :scope"""
    else:
        used = f"select coalesce(sum(bytes), 0) from storage_tallies where {_scope(quota, 'project_id', '')}"  # noqa: S608
    statement = f"""
      select ({used}) as used,
        (select coalesce(sum(coalesce(size_bytes, offset_bytes)), 0) from uploads
         where status in ('WAITING', 'RECEIVING', 'COMPLETE') and starts_with(storage_key, 'uploads/')
         and expires_at > now() and {_scope(quota, "project_id", "created_by_id")}) as reserved
    """  # noqa: S608 - constants of this module
    row = (await session.execute(text(statement), _values(quota))).one()
    return Figure(int(row.used), int(row.reserved), quota.storage_bytes)

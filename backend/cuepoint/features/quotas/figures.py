"""What a quota's scope has used and reserved, counted from the rows themselves: nothing can drift from the truth.

Jobs, videos, uploads and files belong to later features: hence SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.quotas.metering import Metering, metering_of
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


# The scopes of the quotas that are asked about, in their order; the instance's has no id.
_SCOPES = "unnest(cast(:scopes as uuid[])) with ordinality as s (id, place)"


def _is_in(quotas: Sequence[Quota], project: str, user: str) -> str:
    """The condition on these two columns of what is in the scope `s`. The quotas are of one kind."""
    if quotas[0].project_id is not None:
        return f"{project} = s.id"
    return f"{user} = s.id" if quotas[0].user_id is not None else "true"


def _scopes(quotas: Sequence[Quota]) -> dict[str, list[UUID | None]]:
    return {"scopes": [quota.project_id or quota.user_id for quota in quotas]}


async def job_figures(session: AsyncSession, *quotas: Quota) -> list[Figure]:
    """Jobs that run, and as reserved those that wait, in the scope of each of these quotas of one kind."""
    statement = f"""
      select f.used, f.reserved from {_SCOPES} cross join lateral (
        select count(*) filter (where status = 'RUNNING') as used,
          count(*) filter (where status <> 'RUNNING') as reserved
        from jobs where status in {LIVE} and kind not in {UNCOUNTED}
        and {_is_in(quotas, "project_id", "created_by_id")}
      ) f order by s.place
    """  # noqa: S608 - constants of this module
    rows = (await session.execute(text(statement), _scopes(quotas))).all()
    return [Figure(row.used, row.reserved, quota.concurrent_jobs) for quota, row in zip(quotas, rows, strict=True)]


async def media_figures(session: AsyncSession, *quotas: Quota, up_to: UUID | None = None) -> list[Figure]:
    """Playing time transcribed this month, and as reserved that of unfinished transcriptions whose length is known.

    `up_to`: of the reserved only jobs that were created no later than this one, which has its place before others.
    """
    start, ahead = month_of(datetime.now(UTC))
    statement = f"""
      select
        (select coalesce(sum(media_ms), 0) from media_usage where at >= :start
         and {_is_in(quotas, "project_id", "user_id")}) as used,
        (select coalesce(sum(v.duration_ms), 0) from jobs j join videos v on v.id = j.video_id
         where j.status in {LIVE} and j.kind = 'TRANSCRIPTION' and (cast(:up_to as uuid) is null or j.id <= :up_to)
         and {_is_in(quotas, "j.project_id", "j.created_by_id")}) as reserved
      from {_SCOPES} order by s.place
    """  # noqa: S608 - constants of this module
    values = {**_scopes(quotas), "start": start, "up_to": up_to}
    rows = (await session.execute(text(statement), values)).all()
    return [
        Figure(int(row.used), int(row.reserved), quota.media_ms_per_month, ahead)
        for quota, row in zip(quotas, rows, strict=True)
    ]


@dataclass(frozen=True)
class UsageFigures:
    """Tokens and their cost this month. `unpriced`: models without a price that these jobs would call."""

    tokens: Figure
    cost: Figure
    unpriced: tuple[str, ...] = ()


async def usage_figures(session: AsyncSession, *quotas: Quota, up_to: UUID | None = None) -> list[UsageFigures]:
    """Tokens taken this month with their cost in millionths, and as reserved what unfinished jobs that call paid models
    are expected to take by the length of their media, beside what each took already. `up_to` as of `media_figures`."""
    start, ahead = month_of(datetime.now(UTC))
    paid = metering_of(session)
    whose = _is_in(quotas, "project_id", "user_id")
    values = {**_scopes(quotas), "start": start}
    statement = f"""
      select f.tokens, f.cost from {_SCOPES} cross join lateral (
        select coalesce(sum(tokens_in + tokens_out), 0) as tokens, coalesce(sum(cost_micros), 0) as cost
        from model_usage where created_at >= :start and {whose}
      ) f order by s.place
    """  # noqa: S608 - constants of this module
    used = (await session.execute(text(statement), values)).all()
    statement = f"""
      with taken as (
        select s.place, job_id, sum(tokens_in + tokens_out) as tokens, coalesce(sum(cost_micros), 0) as cost
        from {_SCOPES} join model_usage on created_at >= :start and {whose} and job_id is not null
        group by s.place, job_id
      )
      select s.place, j.kind, coalesce(sum(v.duration_ms), 0) as media_ms, coalesce(t.tokens, 0) as tokens,
        coalesce(t.cost, 0) as cost
      from {_SCOPES} join jobs j on {_is_in(quotas, "j.project_id", "j.created_by_id")}
      join videos v on v.id = j.video_id left join taken t on t.place = s.place and t.job_id = j.id
      where j.status in {LIVE} and j.kind = any(:kinds) and (cast(:up_to as uuid) is null or j.id <= :up_to)
      group by s.place, j.kind, t.job_id, t.tokens, t.cost
    """  # noqa: S608 - constants of this module
    values |= {"kinds": sorted(paid.models), "up_to": up_to}
    demands = (await session.execute(text(statement), values)).all() if paid.models else []
    return [
        _usage(quota, ahead, taken, [row for row in demands if row.place == place], paid)
        for place, (quota, taken) in enumerate(zip(quotas, used, strict=True), 1)
    ]


def _usage(quota: Quota, ahead: datetime, used: Row[Any], rows: Sequence[Row[Any]], paid: Metering) -> UsageFigures:
    """The figures of a quota: what is `used`, and as reserved what the jobs of these rows are expected to take."""
    demands = [(paid.demand(row.kind, int(row.media_ms)), row) for row in rows]
    priced = [(use, row, paid.price_of(use.model)) for use, row in demands]
    tokens = sum(max(0, use.tokens_in - int(row.tokens)) for use, row in demands)
    cost = sum(max(0, price.micros(use) - int(row.cost)) for use, row, price in priced if price)
    return UsageFigures(
        Figure(int(used.tokens), tokens, quota.tokens_per_month, ahead),
        Figure(int(used.cost), cost, quota.cost_micros_per_month, ahead),
        tuple(sorted({use.model for use, _, price in priced if price is None})),
    )


async def storage_figures(session: AsyncSession, *quotas: Quota) -> list[Figure]:
    """Bytes of files, and as reserved those that open uploads have declared, or received so far.

    A user's are the files of their videos.
    """
    if quotas[0].user_id is not None:
        used = """select coalesce(sum(f.size_bytes), 0) from stored_files f join videos v on v.id = f.video_id
                  where v.created_by_id = s.id"""
    else:
        used = f"select coalesce(sum(bytes), 0) from storage_tallies where {_is_in(quotas, 'project_id', '')}"  # noqa: S608
    statement = f"""
      select ({used}) as used,
        (select coalesce(sum(coalesce(size_bytes, offset_bytes)), 0) from uploads
         where status in ('WAITING', 'RECEIVING', 'COMPLETE') and starts_with(storage_key, 'uploads/')
         and expires_at > now() and {_is_in(quotas, "project_id", "created_by_id")}) as reserved
      from {_SCOPES} order by s.place
    """  # noqa: S608 - constants of this module
    rows = (await session.execute(text(statement), _scopes(quotas))).all()
    return [
        Figure(int(row.used), int(row.reserved), quota.storage_bytes) for quota, row in zip(quotas, rows, strict=True)
    ]

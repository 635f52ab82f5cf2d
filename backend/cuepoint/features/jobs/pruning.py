"""Old jobs go, if the instance says so: those that ended long ago, and that nothing is read from any more."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database
from cuepoint.features.jobs.event_log import database_now
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.repository import CLOCK_SLACK, first_id_at

LOOKED_AT_ONCE = 1000  # bounds one transaction; events, dependencies and logs go along

# Of a video that is there these stay: the newest job of each step, which its state is read from; the newest success,
# which says what is fresh; and whatever is no step, as a clip shows its job. Whoever is still waited for, or was
# waited for by a job that stays, stays as well: so the last of a pipeline go first, and the others in a later pass.
_PRUNE = text("""
with looked as (
  select id, kind, status, video_id, finished_at from jobs where id > :behind and id < :end order by id limit :most
), gone as (
  delete from jobs j using looked l
  where j.id = l.id and j.status in ('SUCCEEDED', 'FAILED', 'CANCELLED') and j.finished_at < :before
    and not exists (select from job_dependencies d where d.dependency_id = j.id)
    and not (j.kind = 'REEL_RENDERING' and exists (select from reels r where r.job_id = j.id))
    and not (j.kind = 'INGEST' and exists (select from imports i where i.job_id = j.id))
    and (j.video_id is null or (j.kind = any(:steps) and exists (
      select from jobs n where n.video_id = j.video_id and n.kind = j.kind and n.created_at > j.created_at
        and (j.status <> 'SUCCEEDED' or n.status = 'SUCCEEDED'))))
  returning j.id
)
select (select count(*) from gone) as gone, (select max(id::text) from looked) as last
""")


async def prune_jobs(db: Database, *, keep: timedelta) -> int:
    """Jobs that ended longer ago than `keep` are gone with their events and logs; how many. One batch a transaction."""
    async with db.read() as session:
        before = await database_now(session) - keep
    pruned = 0
    while True:
        in_pass = await _pass(db, {"before": before, "end": first_id_at(before, CLOCK_SLACK)})
        pruned += in_pass
        if not in_pass:
            return pruned


async def _pass(db: Database, bounds: dict[str, object]) -> int:
    behind, pruned = UUID(int=0), 0
    while True:
        async with db.write() as session:
            count, last = await _batch(session, {**bounds, "behind": behind})
        pruned += count
        if last is None:
            return pruned
        behind = last


async def _batch(session: AsyncSession, bounds: dict[str, object]) -> tuple[int, UUID | None]:
    steps = [kind.value for kind in PIPELINE]
    row = (await session.execute(_PRUNE, {**bounds, "steps": steps, "most": LOOKED_AT_ONCE})).one()
    return row.gone, None if row.last is None else UUID(row.last)

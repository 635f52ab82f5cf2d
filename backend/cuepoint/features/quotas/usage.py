"""Write down what was used up of a month's limits: media, and tokens of paid models."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

from sqlalchemy import Row, event, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.quotas.metering import metering_of
from cuepoint.features.quotas.models import ModelUsage
from cuepoint.processes.metering import Meter, Use

# Jobs are a later feature: hence SQL.
_WHOSE = text("select kind, project_id, created_by_id from jobs where id = :job_id")


async def whose_job(session: AsyncSession, job_id: UUID) -> Row[str, UUID | None, UUID | None] | None:
    """The kind of a job, its project and who asked for it."""
    return (await session.execute(_WHOSE, {"job_id": job_id})).one_or_none()


async def settle(session: AsyncSession, meter: Meter, job_id: UUID) -> None:
    """What the job has taken from paid models counts, if and only if the transaction commits; else the meter has it
    back. A failed attempt's counts as well: it was paid for."""
    uses = meter.take()
    if not uses:
        return
    event.listen(session.sync_session, "after_rollback", lambda _: meter.put_back(uses), once=True)
    asked = await whose_job(session, job_id)
    owner = (None, None) if asked is None else (asked.project_id, asked.created_by_id)
    await record_uses(session, uses, job_id=job_id, project_id=owner[0], user_id=owner[1])


async def record_uses(
    session: AsyncSession, uses: Sequence[Use], *, job_id: UUID | None, project_id: UUID | None, user_id: UUID | None
) -> None:
    """These tokens count for their month, with what they cost by the prices of now; each call once, also where nobody
    knows whether the commit before, whose connection broke, has gone through."""
    rows = [
        {
            "id": uuid5(use.id, use.model),
            "job_id": job_id,
            "project_id": project_id,
            "user_id": user_id,
            "model": use.model,
            "tokens_in": use.tokens_in,
            "tokens_out": use.tokens_out,
            "cost_micros": None if price is None else price.micros(use),
        }
        for use in uses
        for price in [metering_of(session).price_of(use.model)]
    ]
    await session.execute(insert(ModelUsage).values(rows).on_conflict_do_nothing())


async def record_media(session: AsyncSession, job_id: UUID, media_ms: int) -> None:
    """The transcription counts for its month; a second run counts once."""
    await session.execute(_RECORD, {"job_id": job_id, "media_ms": media_ms})


_RECORD = text("""
insert into media_usage (job_id, project_id, user_id, media_ms)
select id, project_id, created_by_id, :media_ms from jobs where id = :job_id
on conflict do nothing
""")

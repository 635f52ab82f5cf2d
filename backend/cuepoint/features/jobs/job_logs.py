"""Statements on what attempts said: stored beside the job once a second, 64 KiB of it at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cuepoint.features.jobs.statements import Statements

MAX_LOG_BYTES = 64 * 1024  # of one job: the newest lines of an attempt, and older attempts as far as there is room


@dataclass(frozen=True)
class Said:
    """The tail of one attempt."""

    job_id: UUID
    attempt: int
    text: str
    is_cut: bool


_SAVE = """
insert into job_logs (job_id, attempt, text, is_cut, updated_at)
select s.job_id, s.attempt, s.text, s.is_cut, job_now()
from unnest($1::uuid[], $2::integer[], $3::text[], $4::boolean[]) as s (job_id, attempt, text, is_cut)
where exists (select from jobs j where j.id = s.job_id for key share)
on conflict (job_id, attempt) do update
set text = excluded.text, is_cut = excluded.is_cut, updated_at = excluded.updated_at
"""

_TRIM = """
delete from job_logs l using (
  select job_id, attempt, sum(octet_length(text)) over (partition by job_id order by attempt desc) as size
  from job_logs where job_id = any ($1::uuid[])
) x
where l.job_id = x.job_id and l.attempt = x.attempt and x.size > $2::integer
"""


async def save_logs(statements: Statements, said: Sequence[Said]) -> None:
    """The newest tails of these attempts are stored; of earlier attempts whatever has no room is gone.

    No fence: an attempt that has lost its job writes under its own number, and tells what it did meanwhile.
    """
    await statements.fetch(
        _SAVE,
        [s.job_id for s in said],
        [s.attempt for s in said],
        [s.text for s in said],
        [s.is_cut for s in said],
    )
    await statements.fetch(_TRIM, [s.job_id for s in said], MAX_LOG_BYTES)

"""One more transition of clients: a job that has not started waits for more than it did when it was created.

`startPipeline` needs it: a stage that still waits must not run before the stages in front of it that are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.models import JobStatus
from cuepoint.features.jobs.statements import Statements

# Lock order: dependencies before dependents, order by id.
_LOCK_DEPENDENCIES = "select id, status from jobs where id = any ($1::uuid[]) order by id for share"

_WAIT = """
with c as (
  select id, status from jobs where id = $1::uuid and status in ('BLOCKED', 'SCHEDULED', 'QUEUED') for update
), d as (
  insert into job_dependencies (dependency_id, job_id, is_required)
  select needed.id, c.id, needed.is_required from c, unnest($2::uuid[], $4::boolean[]) as needed (id, is_required)
  on conflict do nothing
  returning dependency_id
), n as (
  select count(*)::integer as more from d where dependency_id = any ($3::uuid[])
), u as (
  update jobs j set
    dependencies_left = j.dependencies_left + n.more,
    status = case when n.more > 0 then 'BLOCKED' else j.status end,
    due = case when n.more > 0 then null else j.due end,
    seq = j.seq + (n.more > 0 and c.status <> 'BLOCKED')::integer
  from c, n where j.id = c.id
  returning j.id, j.project_id, j.lane, j.seq, job_now() as at, j.attempt,
    j.status = 'BLOCKED' and c.status <> 'BLOCKED' as has_changed,
    jsonb_build_object('status', j.status, 'reason', 'JOINED') as data
), e as (
  insert into job_events (job_id, seq, at, type, attempt, data)
  select id, seq, at, 'BLOCKED', attempt, data from u where has_changed
)
select id as job_id, project_id, lane, seq, at, 'BLOCKED' as type, attempt, data, has_changed from u
"""


async def wait_for_more(
    statements: Statements, job_id: UUID, dependencies: Mapping[UUID, bool]
) -> tuple[Change, ...] | None:
    """The job also waits for these - True: they must succeed - before it starts.

    None: it has started, or one that it would require cannot succeed.
    """
    rows = await statements.fetch(_LOCK_DEPENDENCIES, list(dependencies))
    states = {UUID(int=row["id"].int): JobStatus(row["status"]) for row in rows}
    required = [status for known, status in states.items() if dependencies[known]]
    if len(states) != len(dependencies) or {JobStatus.FAILED, JobStatus.CANCELLED} & set(required):
        return None
    unsettled = [
        known
        for known, status in states.items()
        if not (status is JobStatus.SUCCEEDED or (status.is_final and not dependencies[known]))
    ]
    found = await statements.fetch(_WAIT, job_id, list(states), unsettled, [dependencies[known] for known in states])
    if not found:
        return None
    return tuple(Change.from_row(row) for row in found if row["has_changed"])

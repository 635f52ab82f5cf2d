"""Creating jobs: one at a time, in the caller's transaction, within the limits of the queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.returned import returned
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.jobs.announce import announce
from cuepoint.features.jobs.backpressure import require_room
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.jobs.repository import load_job
from cuepoint.features.jobs.statements import InSession
from cuepoint.features.jobs.transitions import NewJob, UnknownDependencyError, create
from cuepoint.features.quotas import service as quotas

DEFAULT_PRIORITY = 5
MAX_COST = 60.0  # seconds; so that a step of priority stays worth at least 5 jobs (docs/jobs.md)
# What frees room must find room.
NEVER_REFUSED = frozenset(
    {
        JobKind.VIDEO_DELETION,
        JobKind.FILE_REMOVAL,
        JobKind.RETENTION,
        JobKind.MAINTENANCE,
        JobKind.PROJECT_DELETION,
        JobKind.STORAGE_WIPE,
        JobKind.IMPORT_PASS,  # made by the clock, at most one of a source
    }
)


def check_priority(priority: int) -> None:
    """Raises BadInputError for a priority outside 0 to 10."""
    if not 0 <= priority <= 10:
        raise BadInputError("The priority must lie between 0 and 10; 10 goes first.", field=("priority",))


async def create_job(
    session: AsyncSession,
    kind: JobKind,
    *,
    project_id: UUID | None,
    video_id: UUID | None = None,
    created_by_id: UUID | None = None,
    args: dict[str, Any] | None = None,
    priority: int = DEFAULT_PRIORITY,
    depends_on: Sequence[tuple[UUID, bool]] = (),
    dedupe_key: str | None = None,
    system_key: str | None = None,
    run_at: datetime | None = None,
    timeout_seconds: int | None = None,
    cost: float | None = None,
    root_id: UUID | None = None,
    parent_id: UUID | None = None,
    batch_id: UUID | None = None,
    media_ms: int | None = None,
) -> tuple[Job, bool]:
    """Create a job in the caller's transaction; it exists if and only if that commits.

    `depends_on` are (job id, is required) pairs. If an unfinished job has the `dedupe_key`, or any job the
    `system_key`, that one is returned with False and nothing is created. Raises BadInputError on a priority outside 0
    to 10 and on a dependency that is unknown or another project's, QueueFullError when too many jobs of the project,
    or in all, are unfinished, and QuotaExceededError.
    """
    check_priority(priority)
    spec = SPECS[kind]
    new = NewJob(
        kind=kind,
        lane=spec.lane,
        timeout_seconds=timeout_seconds if timeout_seconds is not None else spec.timeout_for(media_ms),
        max_attempts=spec.max_attempts,
        cost=min(MAX_COST, max(1.0, cost if cost is not None else spec.cost_seconds)),
        priority=priority,
        args=args or {},
        depends_on=depends_on,
        run_at=run_at,
        project_id=project_id,
        video_id=video_id,
        created_by_id=created_by_id,
        batch_id=batch_id,
        root_id=root_id,
        parent_id=parent_id,
        system_key=system_key,
        dedupe_key=dedupe_key,
        stays_in_project=True,
    )
    try:
        created = await create(InSession(session), new)
    except UnknownDependencyError:
        raise BadInputError("A job that this one should wait for does not exist.", field=("dependsOn",)) from None
    if created.changes and kind not in NEVER_REFUSED:
        await require_room(session, project_id)
        await quotas.check_job(session, kind.value, project_id=project_id, user_id=created_by_id)
    announce(session, created.changes)
    if created.row is not None:
        return returned(session, Job, created.row), True
    job = await load_job(session, created.job_id)
    if job is None:
        raise NotFoundError("job")
    return job, False


async def enqueue(session: AsyncSession, kind: JobKind, *, project_id: UUID | None, **values: Any) -> Job:
    """The job of `create_job`, whether it is new or was there."""
    job, _ = await create_job(session, kind, project_id=project_id, **values)
    return job

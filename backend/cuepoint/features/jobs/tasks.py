"""Housekeeping: MAINTENANCE does the chores of every feature; these are those of the job layer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from cuepoint.features.jobs.announce import announce
from cuepoint.features.jobs.chores import chore, do_chores
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.kinds import DELETIONS
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.pruning import prune_jobs
from cuepoint.features.jobs.speeds import measure_speeds
from cuepoint.features.jobs.statements import InSession
from cuepoint.features.jobs.transitions import retry


@task(JobKind.MAINTENANCE)
async def tidy_up(ctx: TaskContext) -> dict[str, Any]:
    """Every chore is done."""
    return await do_chores(ctx)


@chore
async def retry_deletions(ctx: TaskContext) -> dict[str, Any]:
    """Deletions that failed are queued again: a video that was deleted must not leave its files for ever."""
    failed = select(Job.id).where(Job.kind.in_(DELETIONS), Job.status == JobStatus.FAILED).order_by(Job.id)
    async with ctx.db.read() as session:
        ids = (await session.scalars(failed)).all()
    retried = 0
    for job_id in ids:
        async with ctx.db.write() as session:
            changes = await retry(InSession(session), job_id)
            announce(session, changes)
            retried += bool(changes)
    return {"retriedDeletions": retried}


@chore
async def measure(ctx: TaskContext) -> dict[str, Any]:
    """The speed of each kind is that of its newest jobs."""
    async with ctx.db.write() as session:
        return {"measuredKinds": await measure_speeds(session)}


@chore
async def prune(ctx: TaskContext) -> dict[str, Any]:
    """Jobs that ended longer ago than CUEPOINT_JOBS_KEEP_DAYS are gone; 0 keeps all."""
    days = ctx.settings.jobs_keep_days
    return {"prunedJobs": await prune_jobs(ctx.db, keep=timedelta(days=days)) if days else 0}

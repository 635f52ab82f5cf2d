"""Background work of deletions: stop what runs, remove rows, remove files; after a crash a next run goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.features.deletions import service
from cuepoint.features.files.removal import Removed, remove_files
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.service import in_transaction

LOOK_AGAIN_SECONDS = 0.5  # at the jobs that were told to stop: they need seconds, and nobody else waits for this


@task(JobKind.PROJECT_DELETION)
async def delete_project(ctx: TaskContext) -> None:
    """No job, file or row of the project is left, and last of all not its own."""
    project_id = UUID(str(ctx.args["project_id"]))
    async with ctx.db.read() as session:
        is_marked = await service.is_deleted(session, project_id)
        counts = await service.count_contents(session, project_id)
    if is_marked:
        await _stop_jobs(ctx, project_id)
        total = max(1, counts.videos)
        gone = 0
        while removed := await _step(ctx, lambda session: service.remove_some_videos(session, project_id)):
            gone += removed
            ctx.report(min(0.7, 0.1 + 0.6 * gone / total), f"{gone} of {counts.videos} videos removed")
        while await _step(ctx, lambda session: service.remove_some_uploads(session, project_id)):
            ctx.report(0.7, "Removing uploads")
        while await _step(ctx, lambda session: service.remove_some_jobs(session, project_id)):
            ctx.report(0.75, "Removing jobs")
    async with ctx.db.write() as session:
        await enqueue_removal(session, [f"projects/{project_id.hex}/"], project_id=project_id)
        await service.hurry_removals(session, project_id)
    removed_files = await _remove_files(ctx, project_id)
    result = {**service.shown(counts), "filesRemoved": removed_files.files, "bytesFreed": removed_files.size_bytes}
    async with ctx.finish(result=result) as session:
        await service.remove_project_row(session, project_id)


@task(JobKind.STORAGE_WIPE)
async def wipe_storage(ctx: TaskContext) -> None:
    """No file that was the project's when the wipe was asked for is left; rows name none any more."""
    project_id = ctx.project_id
    if project_id is None:  # it was deleted meanwhile
        return
    await _stop_jobs(ctx, project_id)
    while await _step(ctx, lambda session: service.remove_some_uploads(session, project_id, wiped_by=ctx.job_id)):
        ctx.report(0.2, "Removing uploads")
    while await _step(ctx, lambda session: service.forget_some_files(session, project_id, ctx.job_id)):
        ctx.report(0.4, "Giving up files")
    removed = await _remove_files(ctx, project_id)
    async with ctx.finish(result={"filesRemoved": removed.files, "bytesFreed": removed.size_bytes}):
        pass


async def _step(ctx: TaskContext, work: Callable[[AsyncSession], Awaitable[int]]) -> int:
    return await in_transaction(ctx.db, work)


async def _stop_jobs(ctx: TaskContext, project_id: UUID) -> None:
    """Nothing of the project that was there before this job waits or runs."""
    while True:
        while await in_transaction(ctx.db, lambda session: service.cancel_some_jobs(session, project_id, ctx.job_id)):
            ctx.report(0.02, "Cancelling jobs")
        async with ctx.db.read() as session:
            running = await service.running_jobs(session, project_id, ctx.job_id)
        if not running:
            return
        ctx.report(0.05, f"Waiting for {running} running jobs to stop")
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _remove_files(ctx: TaskContext, project_id: UUID) -> Removed:
    """What the project had in storage is gone. Raises AdapterError (retryable) where some of it resists."""
    done = Removed()
    while True:
        async with ctx.db.read() as session:
            keys = await service.due_removals(session, project_id)
        if not keys:
            return done
        ctx.report(0.8, f"{done.files} files removed")
        found = await remove_files(ctx.db, ctx.adapters.storage, keys=keys)
        done += found
        if found.failed:
            raise AdapterError(
                ErrorCode.STORAGE_UNAVAILABLE,
                "Some files could not be removed yet; it tries again.",
                retryable=True,
            )
        if not found.files:  # somebody else is about to remove them
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

"""Background work on storage: empty the trash, remove files, apply rules, compare rows and files, count."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cuepoint.features.clips.deletion import purge_due as purge_clips_due
from cuepoint.features.files.removal import remove_files
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.service import in_transaction
from cuepoint.features.storage import retention, service
from cuepoint.features.storage.audit import Audit
from cuepoint.features.storage.statistics import fold_tallies, recount
from cuepoint.features.videos.deletion import purge_due

MAX_FINDINGS = 100_000  # stored of one run; beyond that they are only counted


@task(JobKind.FILE_REMOVAL)
async def remove(ctx: TaskContext) -> dict[str, Any]:
    """Deleted videos whose time is over have the job that removes them, and what is on the list of removals is gone
    from storage, but for what resists: that is tried again later."""
    purged = 0
    while taken := await in_transaction(ctx.db, purge_due):
        purged += taken
    while await in_transaction(ctx.db, purge_clips_due):
        pass
    ctx.report(0.1, "Removing files")
    done = await remove_files(ctx.db, ctx.adapters.storage)
    async with ctx.db.write() as session:
        await fold_tallies(session)
    return {"videosPurged": purged, "filesRemoved": done.files, "bytesFreed": done.size_bytes, "failed": done.failed}


@task(JobKind.RETENTION)
async def apply_retention(ctx: TaskContext) -> dict[str, Any]:
    """What the rules of the projects say may go is gone."""
    async with ctx.db.read() as session:
        project_ids = await retention.projects_with_rules(session)
    taken = 0
    for number, project_id in enumerate(project_ids):
        ctx.report(number / len(project_ids), f"{taken} removed")
        step = partial(retention.apply_rules, project_id=project_id, trash_days=ctx.settings.trash_days)
        while count := await in_transaction(ctx.db, step):
            taken += count
            ctx.report(number / len(project_ids), f"{taken} removed")
    return {"projects": len(project_ids), "removed": taken}


@task(JobKind.STORAGE_AUDIT)
async def audit(ctx: TaskContext) -> dict[str, Any]:
    """What is wrong between files and rows is recorded, and put right where that was asked for."""
    run = Audit(
        ctx.db,
        ctx.adapters.storage,
        datetime.now(UTC) - timedelta(hours=ctx.settings.audit_grace_hours),
        is_repairing=bool(ctx.args.get("repair")),
        reads_hashes=bool(ctx.args.get("hashes")),
    )
    counts: Counter[str] = Counter()
    repaired = 0
    async with ctx.save() as session:
        await service.forget_findings(session, ctx.job_id)
    async for found in run.findings():
        room = max(0, MAX_FINDINGS - counts.total())
        counts.update(one.kind.value for one in found)
        repaired += sum(one.is_repaired for one in found)
        ctx.report(0.5, f"{run.files} files and {run.rows} rows compared, {counts.total()} findings")
        if found[:room]:
            async with ctx.save() as session:
                await service.record_findings(session, ctx.job_id, found[:room])
    if repaired:
        await remove_files(ctx.db, ctx.adapters.storage)
    return {"files": run.files, "rows": run.rows, "findings": dict(counts), "repaired": repaired}


@task(JobKind.STORAGE_RECOUNT)
async def recount_storage(ctx: TaskContext) -> None:
    """The counters are the sums of what the rows say; by how much they were off is recorded."""
    async with ctx.save() as session:
        drifts = await recount(session)
        await service.forget_findings(session, ctx.job_id)
        await service.record_drifts(session, ctx.job_id, drifts)
    async with ctx.finish(result={"corrected": len(drifts), "bytes": sum(abs(one.size_bytes) for one in drifts)}):
        pass

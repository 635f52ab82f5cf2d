"""Use cases of looking after storage: ask for an audit or a recount, and read what they found."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects import access
from cuepoint.features.storage.audit import Found
from cuepoint.features.storage.models import FindingKind, StorageFinding
from cuepoint.features.storage.statistics import Drift, StorageTotals, totals_of
from cuepoint.viewer import Viewer


async def request_audit(session: AsyncSession, viewer: Viewer, *, is_repairing: bool, reads_hashes: bool) -> Job:
    """The job that compares files and rows; administrators only. One that is under way and does the same is joined."""
    access.require_admin(viewer)
    args = {"repair": is_repairing, "hashes": reads_hashes}
    job = await jobs.enqueue(
        session,
        JobKind.STORAGE_AUDIT,
        project_id=None,
        created_by_id=viewer.user_id,
        args=args,
        dedupe_key=f"storage-audit:{is_repairing}:{reads_hashes}",
    )
    await audit.record(session, viewer, AuditAction.STARTED, "Job", job.id, after={"repair": is_repairing})
    return job


async def request_recount(session: AsyncSession, viewer: Viewer) -> Job:
    """The job that puts the counters right; administrators only. One that is under way is joined."""
    access.require_admin(viewer)
    return await jobs.enqueue(
        session,
        JobKind.STORAGE_RECOUNT,
        project_id=None,
        created_by_id=viewer.user_id,
        dedupe_key="storage-recount",
    )


async def instance_totals(session: AsyncSession, viewer: Viewer) -> StorageTotals:
    """What the whole instance has in storage; administrators only."""
    access.require_admin(viewer)
    return (await totals_of(session, None))[None]


def _of_run(job_id: UUID, kind: FindingKind | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [StorageFinding.job_id == job_id]
    if kind is not None:
        conditions.append(StorageFinding.kind == kind)
    return conditions


async def list_findings(
    session: AsyncSession, viewer: Viewer, job_id: UUID, kind: FindingKind | None, page: PageRequest
) -> Page[StorageFinding]:
    """What that run found, in its order; administrators only."""
    access.require_admin(viewer)
    statement = select(StorageFinding).where(*_of_run(job_id, kind))
    return await fetch_page(session, statement, [(StorageFinding.id, UUID)], page)


async def count_findings(session: AsyncSession, viewer: Viewer, job_id: UUID, kind: FindingKind | None) -> int:
    """How many there are of them."""
    access.require_admin(viewer)
    statement = select(func.count()).select_from(StorageFinding).where(*_of_run(job_id, kind))
    return (await session.execute(statement)).scalar_one()


async def forget_findings(session: AsyncSession, job_id: UUID) -> None:
    """An earlier attempt of the run has found nothing."""
    await session.execute(delete(StorageFinding).where(StorageFinding.job_id == job_id))


async def record_findings(session: AsyncSession, job_id: UUID, findings: Sequence[Found]) -> None:
    """The run has found these too."""
    session.add_all(
        StorageFinding(
            id=uuid7(),
            job_id=job_id,
            kind=found.kind,
            key=found.key,
            project_id=found.project_id,
            size_bytes=found.size_bytes,
            detail=found.detail,
            is_repaired=found.is_repaired,
        )
        for found in findings
    )
    await session.flush()


async def record_drifts(session: AsyncSession, job_id: UUID, drifts: Sequence[Drift]) -> None:
    """The run has corrected these counters."""
    session.add_all(
        StorageFinding(
            id=uuid7(),
            job_id=job_id,
            kind=FindingKind.COUNTER_DRIFT,
            project_id=drift.project_id,
            size_bytes=drift.size_bytes,
            detail=f"{drift.area.value} of {drift.month:%Y-%m} had to be changed by {drift.files:+,} files and "
            f"{drift.size_bytes:+,} bytes.",
            is_repaired=True,
        )
        for drift in drifts
    )
    await session.flush()

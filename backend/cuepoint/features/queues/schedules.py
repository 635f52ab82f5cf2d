"""Use cases of schedules: what is made by the clock, and one of it now. Administrators only."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.jobs.creation import create_job
from cuepoint.features.jobs.models import Job, Schedule
from cuepoint.features.users.rights import require_admin
from cuepoint.viewer import Viewer


async def list_schedules(session: AsyncSession, viewer: Viewer, page: PageRequest) -> Page[Schedule]:
    """All of them by name: those of the system, and of each import source."""
    require_admin(viewer)
    return await fetch_page(session, select(Schedule), [(Schedule.name, str)], page)


async def count_schedules(session: AsyncSession) -> int:
    """How many there are."""
    return await session.scalar(select(func.count()).select_from(Schedule)) or 0


async def run_now(session: AsyncSession, viewer: Viewer, name: str) -> tuple[Job, bool]:
    """Its job, now and beside its next slot, which stays; False: one that was asked for is still under way."""
    require_admin(viewer)
    schedule = await session.get(Schedule, name)
    if schedule is None:
        message = "There is no schedule of this name; the query `schedules` lists them."
        raise CuepointError(ErrorCode.NOT_FOUND, message, field=("name",))
    job, is_new = await create_job(
        session,
        schedule.kind,
        project_id=schedule.project_id,
        created_by_id=viewer.user_id,
        args=schedule.args,
        dedupe_key=f"schedule:{name}",  # as the ticker's for a project's
    )
    if is_new:
        await audit.record(
            session, viewer, AuditAction.STARTED, "Schedule", audit.named("schedule", name), after={"name": name}
        )
    return job, is_new

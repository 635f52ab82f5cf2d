"""Use cases of operators: look at lanes and workers, pause, resume, drain. Only administrators change anything.

Who is not an administrator sees the lanes as counts - how busy the instance is explains why a job waits - and neither
workers nor anything of other projects' jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import after_commit
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.jobs.announce import RingLane
from cuepoint.features.jobs.leases import drain_worker as drain
from cuepoint.features.jobs.models import WorkerState
from cuepoint.features.jobs.statements import InSession
from cuepoint.features.queues import repository
from cuepoint.features.queues.repository import LaneState, WorkerRow
from cuepoint.features.users.rights import require_admin
from cuepoint.viewer import Viewer

ALIVE = (WorkerState.LIVE, WorkerState.DRAINING)


async def list_queues(session: AsyncSession) -> Sequence[LaneState]:
    """Every lane with its counts; any signed-in user may know how busy the instance is."""
    return await repository.lane_states(session)


async def list_workers(
    session: AsyncSession, viewer: Viewer, states: Sequence[WorkerState], first: int
) -> Sequence[WorkerRow]:
    """Worker processes, those that are alive by default. Raises ForbiddenError for everybody but administrators."""
    require_admin(viewer)
    return await repository.list_workers(session, states or ALIVE, first)


async def workers_by_id(session: AsyncSession, viewer: Viewer, worker_ids: Sequence[UUID]) -> dict[UUID, WorkerRow]:
    """Those of the workers that the viewer may see: all of them for administrators, none for others."""
    return await repository.workers_by_id(session, worker_ids) if viewer.is_admin else {}


async def set_paused(session: AsyncSession, viewer: Viewer, name: str, *, is_paused: bool) -> tuple[LaneState, bool]:
    """The lane is paused, or goes on; True if it was not so before. What runs already goes on either way."""
    require_admin(viewer)
    changed = await repository.set_paused(session, name, is_paused=is_paused)
    if changed and not is_paused:
        after_commit(session, RingLane(name))
    lanes = await repository.lane_states(session, name)
    if not lanes:
        message = "There is no queue of this name; the query `queues` lists them."
        raise CuepointError(ErrorCode.NOT_FOUND, message, field=("name",))
    if changed:
        action = AuditAction.PAUSED if is_paused else AuditAction.RESUMED
        await audit.record(session, viewer, action, "Queue", audit.named("queue", name), after={"name": name})
    return lanes[0], changed


async def drain_worker(session: AsyncSession, viewer: Viewer, worker_id: UUID) -> tuple[WorkerRow, bool]:
    """The worker claims nothing from now on, and ends once its running jobs have, or their grace is over.

    True if it was LIVE before. Its process learns so with its next heartbeat.
    """
    require_admin(viewer)
    changed = await drain(InSession(session), worker_id)
    row = await repository.find_worker(session, worker_id)
    if row is None:
        raise NotFoundError("worker", field=("id",))
    if changed:
        await audit.record(session, viewer, AuditAction.DRAINED, "Worker", worker_id)
    return row, changed

"""Who may read which part of the audit log: administrators all of it, owners what concerns their projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.filters import check_levels, combined
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.features.audit.models import AuditAction, AuditEvent
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.viewer import Viewer


@dataclass(frozen=True)
class AuditFilter:
    """Which events are wanted; None does not narrow. `node` is the beginning of a global id and a key."""

    project_id: UUID | None = None
    actor_id: UUID | None = None
    action: AuditAction | None = None
    node_type: str | None = None
    node: tuple[str, UUID] | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    all_of: Sequence[AuditFilter] = ()
    any_of: Sequence[AuditFilter] = ()
    none_of: AuditFilter | None = None

    def projects(self) -> set[UUID]:
        """Those that it names, itself or in a filter inside it."""
        inner = [*self.all_of, *self.any_of, *([] if self.none_of is None else [self.none_of])]
        mine = set() if self.project_id is None else {self.project_id}
        return mine.union(*(one.projects() for one in inner))


async def list_events(
    session: AsyncSession, viewer: Viewer, wanted: AuditFilter, page: PageRequest
) -> Page[AuditEvent]:
    """Events that the viewer may read, the newest first. Raises NotFoundError for a project that they cannot see, and
    ForbiddenError for one that they do not own."""
    check_levels(wanted)
    for project_id in sorted(wanted.projects()):
        await access.require(session, viewer, project_id, ProjectRole.OWNER, even_archived=True)
    statement = select(AuditEvent).where(*_conditions(viewer, wanted))
    keys = [(AuditEvent.created_at, datetime), (AuditEvent.id, UUID)]
    return await fetch_page(session, statement, keys, page, descending=True)


async def count_events(session: AsyncSession, viewer: Viewer, wanted: AuditFilter) -> int:
    """How many there are of those."""
    statement = select(func.count()).select_from(AuditEvent).where(*_conditions(viewer, wanted))
    return (await session.execute(statement)).scalar_one()


def _conditions(viewer: Viewer, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found = _narrowing(wanted)
    if not viewer.is_admin:
        mine = access.visible_projects(viewer, ProjectRole.OWNER, even_archived=True)
        found.append(AuditEvent.project_id.in_(mine))
    return found


def _narrowing(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found = combined(wanted.all_of, wanted.any_of, wanted.none_of, _narrowing)
    if wanted.project_id is not None:
        found.append(AuditEvent.project_id == wanted.project_id)
    if wanted.actor_id is not None:
        found.append(AuditEvent.actor_id == wanted.actor_id)
    if wanted.action is not None:
        found.append(AuditEvent.action == wanted.action.value)
    if wanted.node is not None:
        kind, key = wanted.node
        found += [AuditEvent.node_id == key, func.lower(AuditEvent.node_type) == kind]
    if wanted.node_type is not None:
        found.append(AuditEvent.node_type == wanted.node_type.replace("\x00", ""))
    if wanted.created_from is not None:
        found.append(AuditEvent.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        found.append(AuditEvent.created_at < wanted.created_before)
    return found

"""Use cases of administration: remove a person, with a decision on the projects that nobody else owns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.administration.audit_log import AuditFilter, count_events, list_events
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.deletions import service as deletions
from cuepoint.features.jobs.models import Job
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users import service as users
from cuepoint.features.users.models import User
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

__all__ = ["AuditFilter", "Departure", "count_events", "delete_user", "list_events"]


@dataclass(frozen=True)
class Departure:
    """What goes with a person: the projects that nobody else owns, and what is in them."""

    user_id: UUID
    project_ids: Sequence[UUID]
    video_count: int
    jobs: Sequence[Job] = ()  # that remove the projects


async def delete_user(
    session: AsyncSession,
    viewer: Viewer,
    user_id: UUID,
    *,
    reassign_to: UUID | None = None,
    cascade: bool = False,
    dry_run: bool = False,
) -> Departure:
    """The account is gone, with its keys, sessions and memberships. Administrators only.

    Projects that nobody else owns get `reassign_to` as their owner, or are deleted with all that is in them where
    `cascade` says so; without either the user stays: OWNS_PROJECTS. With `dry_run` nothing happens, and the answer
    tells what would. Raises LAST_ADMIN for the last administrator.
    """
    users.require_admin(viewer)
    if reassign_to is not None and cascade:
        raise BadInputError("Either `reassignTo` or `cascade`, not both.", field=("cascade",))
    if reassign_to == user_id:
        raise BadInputError("The projects cannot stay with whoever goes.", field=("reassignTo",))
    if not dry_run:
        await users.lock_admins(session)
    user = await session.get(User, user_id, with_for_update=not dry_run)
    if user is None:
        raise NotFoundError("user", field=("id",))
    departure = await _departure(session, user_id, is_locked=not dry_run)
    if dry_run:
        return departure
    if departure.project_ids and reassign_to is not None:
        await _reassign(session, viewer, departure, reassign_to)
    elif departure.project_ids and cascade:
        departure = replace(departure, jobs=await _delete_projects(session, viewer, departure))
    elif departure.project_ids:
        raise _owns(departure)
    await users.delete_user(session, viewer, user_id)
    return departure


async def _departure(session: AsyncSession, user_id: UUID, *, is_locked: bool) -> Departure:
    """Locks every owner of the user's projects: none of them leaves meanwhile and makes the user the last."""
    mine = select(ProjectMember.project_id).where(
        ProjectMember.user_id == user_id, ProjectMember.role == ProjectRole.OWNER
    )
    living = select(Project.id).where(Project.id.in_(mine), Project.deleted_at.is_(None))
    owners = (
        select(ProjectMember.project_id, ProjectMember.user_id)
        .where(ProjectMember.project_id.in_(living), ProjectMember.role == ProjectRole.OWNER)
        .order_by(ProjectMember.project_id, ProjectMember.user_id)
    )
    rows = (await session.execute(owners.with_for_update() if is_locked else owners)).all()
    shared = {row.project_id for row in rows if row.user_id != user_id}
    alone = [row.project_id for row in rows if row.project_id not in shared]
    videos = select(func.count()).select_from(Video).where(Video.project_id.in_(alone), Video.deleted_at.is_(None))
    return Departure(user_id, alone, (await session.execute(videos)).scalar_one())


def _owns(departure: Departure) -> CuepointError:
    projects, videos = len(departure.project_ids), departure.video_count
    return CuepointError(
        ErrorCode.OWNS_PROJECTS,
        f"Nobody else owns {projects} of the user's projects, with {videos} videos. Say who takes them over "
        "(`reassignTo`), or that they go as well (`cascade: true`).",
        field=("reassignTo",),
    )


async def _reassign(session: AsyncSession, viewer: Viewer, departure: Departure, heir_id: UUID) -> None:
    heir = await session.get(User, heir_id, with_for_update={"read": True})
    if heir is None or not heir.is_active:
        raise NotFoundError("user", field=("reassignTo",))
    values = [
        {"project_id": project_id, "user_id": heir_id, "role": ProjectRole.OWNER}
        for project_id in departure.project_ids
    ]
    await session.execute(
        insert(ProjectMember)
        .values(values)
        .on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": ProjectRole.OWNER})
    )
    for project_id in departure.project_ids:
        told = {"userId": heir_id, "role": ProjectRole.OWNER}
        await audit.record(
            session, viewer, AuditAction.MEMBER_ADDED, "Project", project_id, project_id=project_id, after=told
        )


async def _delete_projects(session: AsyncSession, viewer: Viewer, departure: Departure) -> list[Job]:
    """Each project is gone for everybody at once; a job of its own removes what is in it."""
    named = select(Project.id, Project.name).where(Project.id.in_(departure.project_ids)).order_by(Project.id)
    found = []
    for project_id, name in (await session.execute(named)).all():
        requested = await deletions.delete_project(session, viewer, project_id, confirm_name=name, dry_run=False)
        found += [requested.job] if requested.job is not None else []
    return found

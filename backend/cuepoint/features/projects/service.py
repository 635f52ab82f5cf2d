"""Use cases of projects: create, list, read, change, archive, and manage their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.filters import check_levels, combined
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users.inputs import MAX_NAME, clean_name
from cuepoint.features.users.models import User
from cuepoint.viewer import Viewer

MAX_DESCRIPTION = 5000


class ProjectOrder(Enum):
    """Order of a list of projects."""

    CREATED_ASC = "CREATED_ASC"
    CREATED_DESC = "CREATED_DESC"
    NAME_ASC = "NAME_ASC"
    UPDATED_DESC = "UPDATED_DESC"


# Each order has an index; one direction for all keys, so that the row comparison can use it.
_KEYS: Mapping[ProjectOrder, tuple[Sequence[tuple[Any, type]], bool]] = {
    ProjectOrder.CREATED_ASC: ([(Project.created_at, datetime), (Project.id, UUID)], False),
    ProjectOrder.CREATED_DESC: ([(Project.created_at, datetime), (Project.id, UUID)], True),
    ProjectOrder.NAME_ASC: ([(Project.sort_name, str), (Project.id, UUID)], False),
    ProjectOrder.UPDATED_DESC: ([(Project.updated_at, datetime), (Project.id, UUID)], True),
}


@dataclass(frozen=True)
class ProjectFilter:
    """Which projects to list; an empty field does not narrow."""

    text: str | None = None
    is_archived: bool | None = None
    all_of: Sequence[ProjectFilter] = ()
    any_of: Sequence[ProjectFilter] = ()
    none_of: ProjectFilter | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a listed project fulfils. Raises BadInputError for a text that no name can hold."""
        check_levels(self)
        return self._narrowing()

    def _narrowing(self) -> list[ColumnElement[bool]]:
        found = combined(self.all_of, self.any_of, self.none_of, ProjectFilter._narrowing)
        if self.text is not None:
            if not 1 <= len(self.text) <= MAX_NAME or "\x00" in self.text:
                raise BadInputError(f"The text must have 1 to {MAX_NAME} characters.", field=("filter", "text"))
            found.append(Project.name.icontains(self.text, autoescape=True))
        if self.is_archived is not None:
            archived = Project.archived_at.is_not(None)
            found.append(archived if self.is_archived else ~archived)
        return found


EVERY_PROJECT = ProjectFilter()


def _check_description(description: str) -> str:
    if len(description) > MAX_DESCRIPTION or "\x00" in description:
        raise BadInputError(f"The description may have {MAX_DESCRIPTION} characters.", field=("description",))
    return description


async def create_project(session: AsyncSession, viewer: Viewer, *, name: str, description: str) -> Project:
    """A new project whose OWNER is the viewer."""
    access.require_unrestricted(viewer)
    project = Project(id=uuid7(), name=clean_name(name), description=_check_description(description))
    session.add(project)
    await session.flush()
    session.add(ProjectMember(project_id=project.id, user_id=viewer.user_id, role=ProjectRole.OWNER))
    await session.flush()
    await session.refresh(project)
    told = {"name": project.name, "description": project.description}
    await audit.record(session, viewer, AuditAction.CREATED, "Project", project.id, project_id=project.id, after=told)
    return project


@dataclass(frozen=True)
class Changed:
    """A project as it is now. `is_conflict`: somebody else was quicker, and nothing was changed."""

    project: Project
    is_conflict: bool


async def update_project(
    session: AsyncSession,
    viewer: Viewer,
    project_id: UUID,
    *,
    version: int,
    name: str | None = None,
    description: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Changed:
    """The project has these values, if its version is the one that is named; the next one where something changes.
    Owners only."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    given = {
        "name": None if name is None else clean_name(name),
        "description": None if description is None else _check_description(description),
        "settings": None if settings is None else dict(settings),
    }
    given = {key: value for key, value in given.items() if value is not None}
    former = await session.get_one(Project, project_id, populate_existing=True)
    before = {key: getattr(former, key) for key in given}
    if former.version == version and before == given:
        return Changed(former, is_conflict=False)
    statement = (
        update(Project)
        .where(Project.id == project_id, Project.version == version)
        .values(
            **given,
            version=Project.version + 1,
            updated_at=func.now(),
        )
        .returning(Project)
    )
    changed = await session.scalar(statement, execution_options={"populate_existing": True})
    if changed is not None:
        after = {key: getattr(changed, key) for key in before}
        await audit.record(
            session,
            viewer,
            AuditAction.UPDATED,
            "Project",
            project_id,
            project_id=project_id,
            before=before,
            after=after,
        )
        return Changed(changed, is_conflict=False)
    return Changed(await session.get_one(Project, project_id, populate_existing=True), is_conflict=True)


def version_conflict(noun: str, version: int) -> CuepointError:
    """What a change answers that was made on an older version."""
    return CuepointError(
        ErrorCode.VERSION_CONFLICT,
        f"The {noun} was changed meanwhile; its version is {version} now. Nothing was changed.",
        field=("version",),
    )


async def archive_project(session: AsyncSession, viewer: Viewer, project_id: UUID) -> Project:
    """The project can be read only; repeating it changes nothing. Jobs that wait or run go on. Owners only."""
    return await _archive(session, viewer, project_id, is_archived=True)


async def unarchive_project(session: AsyncSession, viewer: Viewer, project_id: UUID) -> Project:
    """The project is in use again; repeating it changes nothing. Owners only."""
    return await _archive(session, viewer, project_id, is_archived=False)


async def _archive(session: AsyncSession, viewer: Viewer, project_id: UUID, *, is_archived: bool) -> Project:
    project = await locked_project(session, viewer, project_id)
    if (project.archived_at is not None) is not is_archived:
        project.archived_at = datetime.now(UTC) if is_archived else None
        project.version += 1
        project.updated_at = datetime.now(UTC)
        await session.flush()
        action = AuditAction.ARCHIVED if is_archived else AuditAction.RESTORED
        await audit.record(session, viewer, action, "Project", project.id, project_id=project.id)
    return project


async def locked_project(session: AsyncSession, viewer: Viewer, project_id: UUID) -> Project:
    """The project, for its owner, archived or not: nobody changes anything in it until the transaction ends.

    The lock comes first: whoever passed the gate for a change holds a weaker one, and two owners would block each
    other on the way from that one to this.
    """
    project = await session.get(Project, project_id, with_for_update=True, populate_existing=True)
    await access.require(session, viewer, project_id, ProjectRole.OWNER, even_archived=True)
    if project is None:
        raise NotFoundError("project")
    return project


async def list_projects(
    session: AsyncSession,
    viewer: Viewer,
    page: PageRequest,
    wanted: ProjectFilter = EVERY_PROJECT,
    order: ProjectOrder = ProjectOrder.CREATED_ASC,
) -> Page[Project]:
    """Projects that the viewer may see, oldest first unless told otherwise."""
    statement = select(Project).where(Project.id.in_(access.shown_projects(viewer)), *wanted.conditions())
    keys, is_descending = _KEYS[order]
    return await fetch_page(session, statement, keys, page, descending=is_descending)


async def count_projects(session: AsyncSession, viewer: Viewer, wanted: ProjectFilter = EVERY_PROJECT) -> int:
    """How many projects that list holds."""
    visible = select(Project.id).where(Project.id.in_(access.shown_projects(viewer)), *wanted.conditions())
    return (await session.execute(select(func.count()).select_from(visible.subquery()))).scalar_one()


async def add_member(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID, email: str, role: ProjectRole
) -> ProjectMember:
    """The user with that address has that role in the project, new or changed; owners only."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    user = (
        None
        if "\x00" in email
        else await session.scalar(select(User).where(func.lower(User.email) == func.lower(email.strip())))
    )
    if user is None:
        raise NotFoundError("user", field=("email",))
    await _keep_an_owner(session, project_id, user.id, role, field="role")
    former = await session.get(ProjectMember, (project_id, user.id), with_for_update=True)
    await _note_member(session, viewer, project_id, user.id, None if former is None else former.role, role)
    statement = (
        insert(ProjectMember)
        .values(project_id=project_id, user_id=user.id, role=role)
        .on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": role})
        .returning(ProjectMember)
    )
    return (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()


async def update_member(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID, user_id: UUID, role: ProjectRole
) -> ProjectMember:
    """The member has that role; owners only. The last owner stays one."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    await _keep_an_owner(session, project_id, user_id, role, field="role")
    member = await session.get(ProjectMember, (project_id, user_id), with_for_update=True, populate_existing=True)
    if member is None:
        raise NotFoundError("member", field=("userId",))
    await _note_member(session, viewer, project_id, user_id, member.role, role)
    member.role = role
    await session.flush()
    return member


async def remove_member(session: AsyncSession, viewer: Viewer, *, project_id: UUID, user_id: UUID) -> None:
    """The user no longer belongs to the project; owners only. The last owner stays."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    await _keep_an_owner(session, project_id, user_id, None, field="userId")
    member = await session.get(ProjectMember, (project_id, user_id))
    if member is None:
        raise NotFoundError("member", field=("userId",))
    await session.delete(member)
    await session.flush()
    await _note_member(session, viewer, project_id, user_id, member.role, None)


async def _note_member(
    session: AsyncSession,
    viewer: Viewer,
    project_id: UUID,
    user_id: UUID,
    before: ProjectRole | None,
    after: ProjectRole | None,
) -> None:
    """The audit log knows of the role that a user gets, changes or loses; None is no member."""
    action = AuditAction.MEMBER_CHANGED
    if before is None or after is None:
        action = AuditAction.MEMBER_ADDED if before is None else AuditAction.MEMBER_REMOVED
    if before is not after:
        await audit.record(
            session,
            viewer,
            action,
            "Project",
            project_id,
            project_id=project_id,
            before=None if before is None else {"role": before},
            after={"userId": user_id, "role": after},
        )


async def _keep_an_owner(
    session: AsyncSession, project_id: UUID, user_id: UUID, role: ProjectRole | None, *, field: str
) -> None:
    owners = (
        await session.scalars(
            select(ProjectMember.user_id)
            .where(ProjectMember.project_id == project_id, ProjectMember.role == ProjectRole.OWNER)
            .order_by(ProjectMember.user_id)
            .with_for_update()
        )
    ).all()
    if role is not ProjectRole.OWNER and list(owners) == [user_id]:
        raise CuepointError(
            ErrorCode.LAST_OWNER, "A project needs an owner; make somebody else an OWNER first.", field=(field,)
        )

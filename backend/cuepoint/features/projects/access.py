"""The one gate: who may see and change what.

Membership of a project decides; administrators pass everywhere. The credential narrows both: its scope is the highest
role that it lends (READ a VIEWER's, WRITE an EDITOR's, MANAGE an OWNER's), and its projects are all it reaches.
A share link opens one project or one video to look at, for as long as its row says so: videos and what was made of
them, but neither the people of the project nor its work - jobs, imports, uploads, presets, quotas are for members. An
archived project can only be looked at; one that is being deleted is gone for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cuepoint.errors import CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole, ShareLink
from cuepoint.features.users.rights import require_admin, require_unrestricted
from cuepoint.viewer import Scope, Share, Viewer

__all__ = [
    "lent_role",
    "require",
    "require_admin",
    "require_unrestricted",
    "shown_projects",
    "visible_projects",
]

_RANK = {ProjectRole.VIEWER: 1, ProjectRole.EDITOR: 2, ProjectRole.OWNER: 3}
ROLE_OF_SCOPE: Mapping[Scope, ProjectRole] = {
    Scope.READ: ProjectRole.VIEWER,
    Scope.WRITE: ProjectRole.EDITOR,
    Scope.MANAGE: ProjectRole.OWNER,
}
_IN_USE = Project.archived_at.is_(None)
# No key is made so: what is asked of an absent row costs what it costs of a hidden one.
NO_PROJECT = NO_VIDEO = UUID(int=0)


def visible_projects(
    viewer: Viewer, role: ProjectRole = ProjectRole.VIEWER, *, even_archived: bool = False
) -> Select[UUID]:
    """Ids of the projects in which the viewer has this role or more, to stand inside a statement:
    `X.project_id.in_(...)`. Every member may see a project; in an archived one nobody has more than that, unless
    `even_archived`. Whoever came by a share link is no member of any."""
    if _RANK[role] > _RANK[ROLE_OF_SCOPE[viewer.scope]] or viewer.share is not None:
        return select(Project.id).where(Project.id == NO_PROJECT)
    if viewer.is_admin or viewer.is_of_admin:
        everything = select(Project.id).where(Project.deleted_at.is_(None))
        is_any = role is ProjectRole.VIEWER or even_archived
        return _within(everything if is_any else everything.where(_IN_USE), viewer)
    mine = select(ProjectMember.project_id).where(ProjectMember.user_id == viewer.user_id)
    if role is not ProjectRole.VIEWER:
        mine = mine.where(ProjectMember.role.in_([known for known, rank in _RANK.items() if rank >= _RANK[role]]))
        if not even_archived:
            mine = mine.join(Project, Project.id == ProjectMember.project_id).where(_IN_USE)
    return _within(mine, viewer)


def shown_projects(viewer: Viewer) -> Select[UUID]:
    """Ids of the projects that the viewer may look at, as themselves and with all their videos: those that they are a
    member of, or that a share link opens. Whoever came by the link of one video sees no project."""
    if viewer.share is None:
        return visible_projects(viewer)
    opened = select(ShareLink.project_id).join(Project, Project.id == ShareLink.project_id)
    return opened.where(*is_open(viewer.share), ShareLink.video_id.is_(None), Project.deleted_at.is_(None))


def sees_video(
    viewer: Viewer, project_id: InstrumentedAttribute[UUID], video_id: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """The condition of rows that belong to a video: its project is the viewer's to see, or a link opens this video."""
    if viewer.share is not None and viewer.share.video_id is not None:
        return video_id.in_(select(ShareLink.video_id).where(*is_open(viewer.share)))
    return project_id.in_(shown_projects(viewer))


def is_open(share: Share) -> list[ColumnElement[bool]]:
    """Conditions under which the row of a share link still opens what it opened."""
    not_over = ShareLink.expires_at.is_(None) | (ShareLink.expires_at > func.now())
    return [ShareLink.id == share.link_id, ShareLink.revoked_at.is_(None), not_over]


def _within(projects: Select[UUID], viewer: Viewer) -> Select[UUID]:
    if viewer.project_ids is None:
        return projects
    (column,) = projects.selected_columns
    return projects.where(column.in_(sorted(viewer.project_ids)))


def lent_role(viewer: Viewer, project_id: UUID, role: ProjectRole | None) -> ProjectRole | None:
    """What is left of a member's role in a project when the viewer's credential is all that shows it."""
    own = ProjectRole.OWNER if viewer.is_admin or viewer.is_of_admin else role
    if own is None or (viewer.project_ids is not None and project_id not in viewer.project_ids):
        return None
    return min(own, ROLE_OF_SCOPE[viewer.scope], key=_RANK.__getitem__)


async def require(
    session: AsyncSession,
    viewer: Viewer,
    project_id: UUID | None,
    role: ProjectRole,
    *,
    noun: str = "project",
    video_id: UUID | None = None,
    even_archived: bool = False,
) -> None:
    """Pass, or raise NotFoundError (as if `noun` were absent) for strangers and ForbiddenError for lesser roles.

    A caller whose row is absent passes None: the refusal then costs the same statements as that of a hidden row.
    `video_id` names the video that this is about, for those who came by a share link and see nothing else. Whoever
    asks for more than VIEWER is about to change something: PROJECT_ARCHIVED unless `even_archived`, and the project is
    neither archived nor deleted until the transaction ends.
    """
    is_change = role is not ProjectRole.VIEWER
    actual, is_archived = await _standing(session, viewer, project_id, video_id, is_locked=is_change)
    if actual is None:
        raise NotFoundError(noun)
    if _RANK[actual] < _RANK[role]:
        if actual is ROLE_OF_SCOPE[viewer.scope]:
            raise ForbiddenError(f"This credential has the scope {viewer.scope.value}, which is too little for this.")
        raise ForbiddenError(f"This needs the role {role.value} in the project; yours is {actual.value}.")
    if is_change and is_archived and not even_archived:
        raise CuepointError(
            ErrorCode.PROJECT_ARCHIVED, "The project is archived; an owner can bring it back with unarchiveProject."
        )


async def _standing(
    session: AsyncSession, viewer: Viewer, project_id: UUID | None, video_id: UUID | None, *, is_locked: bool
) -> tuple[ProjectRole | None, bool]:
    """The viewer's role, and whether the project is archived; one statement in every case."""
    wanted = (Project.id == (project_id or NO_PROJECT), Project.deleted_at.is_(None))
    if viewer.share is not None:
        asked = video_id or NO_VIDEO  # what is no video's belongs to the members
        opened = (ShareLink.video_id == asked) | (ShareLink.video_id.is_(None) & (literal(asked) != NO_VIDEO))
        link = select(Project.archived_at).join(ShareLink, ShareLink.project_id == Project.id)
        shared = (await session.execute(link.where(*wanted, *is_open(viewer.share), opened))).one_or_none()
        return (None, False) if shared is None else (ProjectRole.VIEWER, shared.archived_at is not None)
    is_mine = (ProjectMember.project_id == Project.id) & (ProjectMember.user_id == viewer.user_id)
    member = (
        select(Project.id, Project.archived_at, ProjectMember.role).outerjoin(ProjectMember, is_mine).where(*wanted)
    )
    if is_locked:
        member = member.with_for_update(read=True, key_share=True, of=Project)
    row = (await session.execute(member)).one_or_none()
    return (None, False) if row is None else (lent_role(viewer, row.id, row.role), row.archived_at is not None)

"""Set the limits of a scope, and look at how much of them is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.errors import BadInputError, NotFoundError, QuotaScope
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import INSTANCE, AuditAction
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.quotas.figures import Figure, job_figures, media_figures, storage_figures, usage_figures
from cuepoint.features.quotas.models import Quota
from cuepoint.features.users.models import User
from cuepoint.features.users.rights import require_account
from cuepoint.viewer import Viewer

MAX_LIMIT = 2**53 - 1  # what JSON numbers hold exactly
MAX_JOBS = 2**31 - 1
# Limits as clients know them, for the audit log; those of time and money in the units of their columns.
_TOLD = {
    "storage_bytes": "storageBytes",
    "media_ms_per_month": "mediaMillisecondsPerMonth",
    "concurrent_jobs": "concurrentJobs",
    "tokens_per_month": "tokensPerMonth",
    "cost_micros_per_month": "costMicrosPerMonth",
}


@dataclass(frozen=True)
class Scope:
    """A project, a user, or the instance where neither is named."""

    project_id: UUID | None = None
    user_id: UUID | None = None

    @property
    def kind(self) -> QuotaScope:
        """Which of them."""
        if self.project_id is not None:
            return QuotaScope.PROJECT
        return QuotaScope.INSTANCE if self.user_id is None else QuotaScope.USER


@dataclass(frozen=True)
class Limits:
    """The limits of a scope; None is none."""

    storage_bytes: int | None = None
    media_ms_per_month: int | None = None
    concurrent_jobs: int | None = None
    tokens_per_month: int | None = None
    cost_micros_per_month: int | None = None

    def check(self) -> None:
        """Raises BadInputError."""
        most = {
            "tokensPerMonth": (self.tokens_per_month, MAX_LIMIT),
            "costPerMonth": (self.cost_micros_per_month, MAX_LIMIT),
            "storageBytes": (self.storage_bytes, MAX_LIMIT),
            "mediaMinutesPerMonth": (self.media_ms_per_month, MAX_LIMIT),
            "concurrentJobs": (self.concurrent_jobs, MAX_JOBS),
        }
        for name, (value, limit) in most.items():
            if value is not None and not 0 <= value <= limit:
                raise BadInputError(
                    "A limit is 0 or more, and below 2^53 in its smallest unit; leave it out for none.", field=(name,)
                )


@dataclass(frozen=True)
class State:
    """A quota and how much of it is taken. The limits of a scope without one are None."""

    scope: Scope
    storage: Figure
    media: Figure
    jobs: Figure
    tokens: Figure
    cost: Figure


async def set_quota(session: AsyncSession, viewer: Viewer, scope: Scope, limits: Limits) -> State:
    """The scope has these limits and no others; administrators only. What is taken beyond them already stays."""
    access.require_admin(viewer)
    limits.check()
    await _check_exists(session, scope)
    values = asdict(limits)
    before = await session.scalar(select(Quota).where(*_of(scope)).with_for_update())
    await _note_limits(session, viewer, scope, before, values)
    if limits == Limits():
        await session.execute(delete(Quota).where(*_of(scope)))
        quota = Quota(project_id=scope.project_id, user_id=scope.user_id)
        return (await _states(session, quota))[0]
    statement = (
        insert(Quota)
        .values(id=uuid7(), project_id=scope.project_id, user_id=scope.user_id, **values)
        .on_conflict_do_update(index_elements=["project_id", "user_id"], set_=values)
        .returning(Quota)
    )
    quota = (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()
    return (await _states(session, quota))[0]


async def _note_limits(
    session: AsyncSession, viewer: Viewer, scope: Scope, before: Quota | None, values: dict[str, int | None]
) -> None:
    """The audit log knows of the limits that change; they are told at the project or user that they hold for."""
    node_type = {QuotaScope.PROJECT: "Project", QuotaScope.USER: "User", QuotaScope.INSTANCE: "Instance"}[scope.kind]
    await audit.record(
        session,
        viewer,
        AuditAction.QUOTA_SET,
        node_type,
        scope.project_id or scope.user_id or INSTANCE,
        project_id=scope.project_id,
        before={_TOLD[name]: None if before is None else getattr(before, name) for name in values},
        after={_TOLD[name]: value for name, value in values.items()},
    )


async def _check_exists(session: AsyncSession, scope: Scope) -> None:
    if scope.project_id is not None and scope.user_id is not None:
        raise BadInputError("Name a project or a user, not both.", field=("userId",))
    if scope.project_id is not None:
        living = select(Project.id).where(Project.id == scope.project_id, Project.deleted_at.is_(None))
        if await session.scalar(living) is None:
            raise NotFoundError("project", field=("projectId",))
    if scope.user_id is not None and await session.get(User, scope.user_id) is None:
        raise NotFoundError("user", field=("userId",))


async def quota_state(session: AsyncSession, viewer: Viewer, scope: Scope) -> State:
    """How much of the scope's limits is taken: to members of the project, to the user themselves, of the instance to
    everybody who is signed in; all to administrators."""
    if scope.project_id is not None and scope.user_id is not None:
        raise BadInputError("Name a project or a user, not both.", field=("userId",))
    if scope.project_id is not None:
        await access.require(session, viewer, scope.project_id, ProjectRole.VIEWER)
    else:
        require_account(viewer)
        if scope.user_id is not None and scope.user_id != viewer.user_id and not viewer.sees_all:
            raise NotFoundError("user")
    quota = await session.scalar(select(Quota).where(*_of(scope)))
    return (await _states(session, quota or Quota(project_id=scope.project_id, user_id=scope.user_id)))[0]


async def states_of_projects(session: AsyncSession, viewer: Viewer, project_ids: Sequence[UUID]) -> dict[UUID, State]:
    """How much of their limits these projects have taken, as far as the viewer is a member of them; the number of
    statements does not grow with theirs."""
    statement = (
        select(Project.id, Quota)
        .outerjoin(Quota, Quota.project_id == Project.id)
        .where(Project.id.in_(project_ids), Project.id.in_(access.visible_projects(viewer)))
    )
    quotas = [quota or Quota(project_id=key) for key, quota in (await session.execute(statement)).all()]
    states = await _states(session, *quotas) if quotas else []
    return {quota.project_id: state for quota, state in zip(quotas, states, strict=True) if quota.project_id}


def _of(scope: Scope) -> list[ColumnElement[bool]]:
    return [
        Quota.project_id.is_not_distinct_from(scope.project_id),
        Quota.user_id.is_not_distinct_from(scope.user_id),
    ]


async def _states(session: AsyncSession, *quotas: Quota) -> list[State]:
    """The states of these quotas, which are of one kind."""
    usage = await usage_figures(session, *quotas)
    storage = await storage_figures(session, *quotas)
    media = await media_figures(session, *quotas)
    jobs = await job_figures(session, *quotas)
    return [
        State(Scope(quota.project_id, quota.user_id), stored, played, queued, used.tokens, used.cost)
        for quota, stored, played, queued, used in zip(quotas, storage, media, jobs, usage, strict=True)
    ]

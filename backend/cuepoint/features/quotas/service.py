"""Use cases of quotas: set them, look at them, and refuse what would pass one.

Whoever takes from a quota locks its rows, writes what it takes, counts, and takes it all back by its rollback where
that is too much: of many at once the last unit goes to one. Without a quota in the way this is one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.quotas.figures import Figure, job_figure, media_figure, storage_figure
from cuepoint.features.quotas.models import Quota
from cuepoint.features.users.models import User
from cuepoint.viewer import Viewer

MAX_LIMIT = 2**53 - 1  # what JSON numbers hold exactly
MAX_JOBS = 2**31 - 1


class QuotaScope(Enum):
    """For whom a quota holds."""

    INSTANCE = "INSTANCE"
    PROJECT = "PROJECT"
    USER = "USER"


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

    def check(self) -> None:
        """Raises BadInputError."""
        most = {
            "storageBytes": (self.storage_bytes, MAX_LIMIT),
            "mediaMinutesPerMonth": (self.media_ms_per_month, MAX_LIMIT),
            "concurrentJobs": (self.concurrent_jobs, MAX_JOBS),
        }
        for name, (value, limit) in most.items():
            if value is not None and not 0 <= value <= limit:
                raise BadInputError("A limit is 0 or more; leave it out for none.", field=(name,))


@dataclass(frozen=True)
class State:
    """A quota and how much of it is taken. The limits of a scope without one are None."""

    scope: Scope
    storage: Figure
    media: Figure
    jobs: Figure


async def set_quota(session: AsyncSession, viewer: Viewer, scope: Scope, limits: Limits) -> State:
    """The scope has these limits and no others; administrators only. What is taken beyond them already stays."""
    access.require_admin(viewer)
    limits.check()
    await _check_exists(session, scope)
    if limits == Limits():
        await session.execute(delete(Quota).where(*_of(scope)))
        return await _state(session, scope, Quota(project_id=scope.project_id, user_id=scope.user_id))
    values = {
        "storage_bytes": limits.storage_bytes,
        "media_ms_per_month": limits.media_ms_per_month,
        "concurrent_jobs": limits.concurrent_jobs,
    }
    statement = (
        insert(Quota)
        .values(id=uuid7(), project_id=scope.project_id, user_id=scope.user_id, **values)
        .on_conflict_do_update(index_elements=["project_id", "user_id"], set_=values)
        .returning(Quota)
    )
    quota = (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()
    return await _state(session, scope, quota)


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
    elif viewer.share is not None:
        raise ForbiddenError("This needs an account.")
    elif scope.user_id is not None and scope.user_id != viewer.user_id and not viewer.sees_all:
        raise NotFoundError("user")
    quota = await session.scalar(select(Quota).where(*_of(scope)))
    return await _state(session, scope, quota or Quota(project_id=scope.project_id, user_id=scope.user_id))


def _of(scope: Scope) -> list[ColumnElement[bool]]:
    return [
        Quota.project_id.is_not_distinct_from(scope.project_id),
        Quota.user_id.is_not_distinct_from(scope.user_id),
    ]


async def _state(session: AsyncSession, scope: Scope, quota: Quota) -> State:
    return State(
        scope,
        await storage_figure(session, quota),
        await media_figure(session, quota),
        await job_figure(session, quota),
    )


async def check_job(session: AsyncSession, *, project_id: UUID | None, user_id: UUID | None, is_media: bool) -> None:
    """Pass if the job that this transaction has just made fits into every quota that holds for it; `is_media`: it
    transcribes. Raises QUOTA_EXCEEDED."""
    for quota in await _held(session, project_id, user_id):
        if quota.concurrent_jobs is not None:
            _refuse_if_passed(await job_figure(session, quota), "unfinished jobs", quota)
        if is_media and quota.media_ms_per_month is not None:
            figure = await media_figure(session, quota)
            _refuse_if_passed(figure, "minutes of media this month", quota)
            if figure.is_spent and not figure.reserved:  # a length that is not known yet is not free
                raise _exceeded(figure, "minutes of media this month", quota)


async def check_media(session: AsyncSession, job_id: UUID) -> None:
    """Pass if the transcription may begin, whose length is known by now; earlier jobs have their place before it.

    Raises QUOTA_EXCEEDED.
    """
    asked = (await session.execute(_WHOSE, {"job_id": job_id})).one_or_none()
    if asked is None:
        return
    for quota in await _held(session, asked.project_id, asked.created_by_id):
        if quota.media_ms_per_month is not None:
            figure = await media_figure(session, quota, up_to=job_id)
            _refuse_if_passed(figure, "minutes of media this month", quota)


async def check_storage(session: AsyncSession, *, project_id: UUID, user_id: UUID | None) -> None:
    """Pass if the upload that this transaction has just written, or given a size, fits into every quota that holds
    for it. Raises QUOTA_EXCEEDED."""
    for quota in await _held(session, project_id, user_id):
        if quota.storage_bytes is not None:
            figure = await storage_figure(session, quota)
            _refuse_if_passed(figure, "bytes of storage", quota)
            if figure.is_spent and not figure.reserved:  # a size that is not known yet is not free
                raise _exceeded(figure, "bytes of storage", quota)


async def record_media(session: AsyncSession, job_id: UUID, media_ms: int) -> None:
    """The transcription counts for its month; a second run counts once."""
    await session.execute(_RECORD, {"job_id": job_id, "media_ms": media_ms})


# Jobs are a later feature: hence SQL.
_WHOSE = text("select project_id, created_by_id from jobs where id = :job_id")
_RECORD = text("""
insert into media_usage (job_id, project_id, user_id, media_ms)
select id, project_id, created_by_id, :media_ms from jobs where id = :job_id
on conflict do nothing
""")


async def _held(session: AsyncSession, project_id: UUID | None, user_id: UUID | None) -> Sequence[Quota]:
    """The quotas in the way, locked until the transaction ends; asked once for each transaction."""
    known: dict[tuple[UUID | None, UUID | None], Sequence[Quota]] = session.info.setdefault(_held, {})
    key = (project_id, user_id)
    if key not in known:
        holds: list[ColumnElement[bool]] = [Quota.project_id.is_(None) & Quota.user_id.is_(None)]
        holds += [Quota.project_id == project_id] if project_id is not None else []
        holds += [Quota.user_id == user_id] if user_id is not None else []
        statement = select(Quota).where(or_(*holds)).order_by(Quota.id).with_for_update(key_share=True)
        known[key] = (await session.scalars(statement)).all()
    if known[key]:
        await session.flush()
    return known[key]


def _refuse_if_passed(figure: Figure, what: str, quota: Quota) -> None:
    if figure.is_passed:
        raise _exceeded(figure, what, quota)


def _exceeded(figure: Figure, what: str, quota: Quota) -> CuepointError:
    kind = Scope(quota.project_id, quota.user_id).kind.value.lower()
    unit = 60_000 if what.startswith("minutes") else 1
    used, reserved, limit = (round((value or 0) / unit, 1) for value in (figure.used, figure.reserved, figure.limit))
    until = "" if figure.resets_at is None else f" It begins anew at {figure.resets_at:%Y-%m-%dT%H:%MZ}."
    return CuepointError(
        ErrorCode.QUOTA_EXCEEDED,
        f"This passes the quota of the {kind}: {limit:g} {what}, of which {used:g} are used and {reserved:g} would be "
        f"reserved with this.{until}",
    )

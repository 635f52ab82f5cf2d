"""Use cases of accounts as such: make, change, switch off and on, and the first administrator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.filters import check_levels, combined
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.users.inputs import clean_email, clean_name
from cuepoint.features.users.models import Session, User
from cuepoint.features.users.rights import require_admin, require_manage
from cuepoint.viewer import Viewer

ADMIN_EMAIL = "admin@localhost"


@dataclass(frozen=True)
class UserFilter:
    """Which accounts are wanted; None does not narrow."""

    text: str | None = None
    is_admin: bool | None = None
    is_active: bool | None = None
    all_of: Sequence[UserFilter] = ()
    any_of: Sequence[UserFilter] = ()
    none_of: UserFilter | None = None


async def create_user(
    session: AsyncSession, viewer: Viewer, *, email: str, name: str, is_admin: bool, password_hash: str | None = None
) -> User:
    """A new active user; administrators only. EMAIL_TAKEN when the address is in use, whatever its case."""
    require_admin(viewer)
    statement = (
        insert(User)
        .values(
            id=uuid7(),
            email=clean_email(email),
            name=clean_name(name),
            is_admin=is_admin,
            is_active=True,
            password_hash=password_hash,
            password_set_at=None if password_hash is None else datetime.now(UTC),
        )
        .on_conflict_do_nothing()
        .returning(User)
    )
    created: User | None = (await session.execute(statement)).scalar_one_or_none()
    if created is None:
        raise _email_taken()
    await audit.record(session, viewer, AuditAction.CREATED, "User", created.id, after=_told(created))
    return created


def _email_taken() -> CuepointError:
    return CuepointError(
        ErrorCode.EMAIL_TAKEN, "Another user has this e-mail address; use that account.", field=("email",)
    )


def may_see_user(viewer: Viewer, user_id: UUID) -> bool:
    """Whether the account as such is theirs to see: themselves, or anyone for administrators."""
    return viewer.is_admin or viewer.user_id == user_id


async def get_user(session: AsyncSession, viewer: Viewer, user_id: UUID) -> User:
    """The user, to themselves and to administrators."""
    user = await session.get(User, user_id)
    if user is None or not may_see_user(viewer, user_id):
        raise NotFoundError("user")
    return user


async def update_user(
    session: AsyncSession,
    viewer: Viewer,
    user_id: UUID,
    *,
    name: str | None = None,
    email: str | None = None,
    is_admin: bool | None = None,
) -> User:
    """The user with those fields changed; None leaves one as it is.

    People change their own name; an address and the rights need an administrator. Raises EMAIL_TAKEN, and LAST_ADMIN
    where nobody would be left to administer the instance.
    """
    if is_admin is False and viewer.is_admin:
        await lock_admins(session)
    user = await _editable(session, viewer, user_id)
    before = _told(user)
    if (email is not None and email != user.email) or (is_admin is not None and is_admin != user.is_admin):
        require_admin(viewer)
    if name is not None:
        user.name = clean_name(name)
    if email is not None:
        user.email = clean_email(email)
    if is_admin is False and user.is_admin:
        await keep_an_admin(session, user.id)
    if is_admin is not None:
        user.is_admin = is_admin
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:
        raise _email_taken() from None
    await audit.record(session, viewer, AuditAction.UPDATED, "User", user.id, before=before, after=_told(user))
    return user


async def set_active(session: AsyncSession, viewer: Viewer, user_id: UUID, *, is_active: bool) -> tuple[User, bool]:
    """The account is on or off, and whether that is new. Off refuses every credential at once and ends all sessions;
    keys work again when it is switched on. Administrators only; LAST_ADMIN for the last of them."""
    require_admin(viewer)
    if not is_active:
        await lock_admins(session)
    user = await _editable(session, viewer, user_id)
    if user.is_active == is_active:
        return user, False
    if not is_active:
        if user.is_admin:
            await keep_an_admin(session, user.id)
        await end_sessions(session, user.id)
    user.is_active = is_active
    await session.flush()
    action = AuditAction.REACTIVATED if is_active else AuditAction.DEACTIVATED
    await audit.record(session, viewer, action, "User", user.id)
    return user, True


async def end_sessions(session: AsyncSession, user_id: UUID, *, except_id: UUID | None = None) -> int:
    """Every session of the user is over, but for one; how many that were."""
    statement = (
        update(Session)
        .where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > func.now())
        .values(ended_at=func.now())
        .returning(Session.id)
    )
    if except_id is not None:
        statement = statement.where(Session.id != except_id)
    return len((await session.scalars(statement)).all())


async def delete_user(session: AsyncSession, viewer: Viewer, user_id: UUID) -> User:
    """The account, its keys and sessions are gone; what it made stays, as made by nobody. Administrators only.

    Who owns projects is removed through `administration`, which decides what becomes of those. LAST_ADMIN for the
    last administrator.
    """
    require_admin(viewer)
    await lock_admins(session)
    user = await _editable(session, viewer, user_id)
    if user.is_admin:
        await keep_an_admin(session, user.id)
    await session.delete(user)
    await session.flush()
    await audit.record(session, viewer, AuditAction.DELETED, "User", user.id, before=_told(user))
    return user


async def lock_admins(session: AsyncSession) -> set[UUID]:
    """The active administrators, none of whom ceases to be one before the transaction ends.

    Two who demote each other at the same time take turns. Whoever may take an administrator away calls it before any
    user is locked: behind such a lock the two would wait for each other.
    """
    admins = select(User.id).where(User.is_admin, User.is_active).order_by(User.id).with_for_update()
    return set(await session.scalars(admins))


async def keep_an_admin(session: AsyncSession, user_id: UUID) -> None:
    """Raises LAST_ADMIN if the user is the only active administrator; `lock_admins` came before."""
    if await lock_admins(session) <= {user_id}:
        raise CuepointError(
            ErrorCode.LAST_ADMIN, "The instance needs an administrator; make somebody else one first.", field=("id",)
        )


async def _editable(session: AsyncSession, viewer: Viewer, user_id: UUID) -> User:
    require_manage(viewer)
    if not may_see_user(viewer, user_id):
        raise NotFoundError("user", field=("id",))
    user = await session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFoundError("user", field=("id",))
    return user


def _told(user: User) -> dict[str, object]:
    """What the log may know of an account."""
    return {"email": user.email, "name": user.name, "isAdmin": user.is_admin}


async def list_users(
    session: AsyncSession, viewer: Viewer, page: PageRequest, wanted: UserFilter | None = None
) -> Page[User]:
    """Users, oldest first; administrators only."""
    require_admin(viewer)
    statement = select(User).where(*_conditions(wanted or UserFilter()))
    return await fetch_page(session, statement, [(User.created_at, datetime), (User.id, UUID)], page)


async def count_users(session: AsyncSession, viewer: Viewer, wanted: UserFilter | None = None) -> int:
    """How many users there are; administrators only."""
    require_admin(viewer)
    statement = select(func.count()).select_from(User).where(*_conditions(wanted or UserFilter()))
    return (await session.execute(statement)).scalar_one()


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    check_levels(wanted)
    return _narrowing(wanted)


def _narrowing(wanted: UserFilter) -> list[ColumnElement[bool]]:
    conditions = combined(wanted.all_of, wanted.any_of, wanted.none_of, _narrowing)
    if wanted.text:
        needle = wanted.text.replace("\x00", "")
        found = func.strpos(func.lower(User.email), func.lower(needle)) > 0
        conditions.append(found | (func.strpos(func.lower(User.name), func.lower(needle)) > 0))
    if wanted.is_admin is not None:
        conditions.append(User.is_admin.is_(wanted.is_admin))
    if wanted.is_active is not None:
        conditions.append(User.is_active.is_(wanted.is_active))
    return conditions


async def ensure_admin(session: AsyncSession) -> User:
    """An active administrator exists; repeating it changes nothing. For the operator's own command line: an account
    at ADMIN_EMAIL that was switched off or demoted is one again."""
    existing = await session.scalar(
        select(User).where(User.is_admin, User.is_active).order_by(User.created_at).limit(1)
    )
    if existing is not None:
        return existing
    statement = (
        insert(User)
        .values(id=uuid7(), email=ADMIN_EMAIL, name="Administrator", is_admin=True, is_active=True)
        .on_conflict_do_update(index_elements=[text("lower(email)")], set_={"is_admin": True, "is_active": True})
        .returning(User)
    )
    admin: User = (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()
    await audit.record(session, None, AuditAction.CREATED, "User", admin.id, after=_told(admin))
    return admin

"""Use cases of sessions: sign in with a password, refresh, sign out, and change the password.

Refusals of these change something - a count, the end of a session - so these functions open their own transactions,
and raise after the commit. No transaction is open while a password is hashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.users import attempts
from cuepoint.features.users.credentials import ACCESS_MARK, MAX_ADDRESS, REFRESH_MARK, hash_secret, new_secret
from cuepoint.features.users.inputs import MAX_EMAIL, MAX_PASSWORD, check_password
from cuepoint.features.users.models import RefreshToken, Session, User
from cuepoint.features.users.passwords import hash_password, is_outdated, verify_password
from cuepoint.features.users.people import end_sessions, may_see_user
from cuepoint.features.users.rights import require_admin, require_manage
from cuepoint.viewer import Viewer

LONGEST_SESSION = timedelta(days=180)  # whatever is refreshed: then people sign in again
SWEPT_AFTER = timedelta(days=7)
SWEPT_AT_ONCE = 20


@dataclass(frozen=True)
class Tokens:
    """What a session lends: both are shown this once. `user` is whose session it is."""

    session: Session
    user: User
    access: str
    refresh: str


def wrong_credentials(field: tuple[str, ...] = ()) -> CuepointError:
    """One text, whether the address or the password is wrong, or the account is switched off."""
    return CuepointError(ErrorCode.INVALID_CREDENTIALS, "The e-mail address or the password is wrong.", field=field)


def _over() -> CuepointError:
    return CuepointError(ErrorCode.SESSION_ENDED, "The session is over; sign in again.", field=("refreshToken",))


async def login(db: Database, settings: Settings, *, email: str, password: str, address: str) -> Tokens:
    """A new session of the user with this address and password. Raises INVALID_CREDENTIALS, and SIGN_IN_LOCKED with
    the time to wait after too many failures, as `attempts` counts them."""
    wanted = email.strip()[: MAX_EMAIL + 1].replace("\x00", "?")
    async with db.write() as session:
        attempt = await attempts.count_sign_in(session, wanted, address)
    async with db.read() as session:
        user = await session.scalar(select(User).where(func.lower(User.email) == func.lower(wanted)))
    is_right = await verify_password(None if user is None else user.password_hash, password[: MAX_PASSWORD + 1])
    if user is None or user.password_hash is None or not is_right or not user.is_active:
        if attempt.is_last and user is not None:
            async with db.write() as session:
                await audit.record(session, None, AuditAction.SIGN_IN_LOCKED, "User", user.id)
        raise wrong_credentials()
    renewed = await hash_password(password) if is_outdated(user.password_hash) else None
    async with db.write() as session:
        current = await session.get(User, user.id, with_for_update=True)
        if current is None or not current.is_active or current.password_hash != user.password_hash:
            raise wrong_credentials()
        current.password_hash = renewed or current.password_hash
        await attempts.take_back(session, attempt)
        await _sweep(session)
        return await _begin(session, settings, current, address)


async def _begin(session: AsyncSession, settings: Settings, user: User, address: str) -> Tokens:
    now = datetime.now(UTC)
    access, refresh = new_secret(ACCESS_MARK), new_secret(REFRESH_MARK)
    row = Session(
        id=uuid7(),
        user_id=user.id,
        access_hash=hash_secret(access),
        access_expires_at=now + timedelta(seconds=settings.access_token_seconds),
        expires_at=now + timedelta(hours=settings.session_idle_hours),
        ip=address[:MAX_ADDRESS] or None,
    )
    session.add(row)
    await session.flush()
    session.add(RefreshToken(token_hash=hash_secret(refresh), session_id=row.id))
    await session.flush()
    await session.refresh(row)
    viewer = Viewer(user_id=user.id, is_admin=user.is_admin, session_id=row.id)
    await audit.record(session, viewer, AuditAction.SIGNED_IN, "User", user.id, after={"ip": row.ip})
    return Tokens(row, user, access, refresh)


async def refresh_session(db: Database, settings: Settings, token: str) -> Tokens:
    """The session goes on with two new tokens; the old ones are refused from now on. Raises SESSION_ENDED.

    A refresh token is good for one use. A second use means that two hold it, of whom one is a thief: the session ends,
    with every token of it and its live subscriptions.
    """
    async with db.write() as session:
        tokens = await _exchange(session, settings, hash_secret(token))
    if tokens is None:
        raise _over()
    return tokens


async def _exchange(session: AsyncSession, settings: Settings, token_hash: str) -> Tokens | None:
    statement = (
        select(RefreshToken, Session, User)
        .join(Session, Session.id == RefreshToken.session_id)
        .join(User, User.id == Session.user_id)
        .where(RefreshToken.token_hash == token_hash, Session.ended_at.is_(None), User.is_active)
        .with_for_update(of=(RefreshToken, Session))
    )
    found = (await session.execute(statement)).one_or_none()
    now = datetime.now(UTC)
    if found is None:
        return None
    old, row, user = found
    viewer = Viewer(user_id=user.id, is_admin=user.is_admin, session_id=row.id)
    if old.used_at is not None:
        row.ended_at = now
        await session.flush()
        await audit.record(session, viewer, AuditAction.TOKEN_REUSED, "User", user.id)
        return None
    last = row.created_at + LONGEST_SESSION
    if row.expires_at <= now or last <= now:
        return None
    access, refresh = new_secret(ACCESS_MARK), new_secret(REFRESH_MARK)
    old.used_at = row.refreshed_at = now
    row.access_hash = hash_secret(access)
    row.access_expires_at = min(now + timedelta(seconds=settings.access_token_seconds), last)
    row.expires_at = min(now + timedelta(hours=settings.session_idle_hours), last)
    session.add(RefreshToken(token_hash=hash_secret(refresh), session_id=row.id))
    await session.flush()
    return Tokens(row, user, access, refresh)


async def _sweep(session: AsyncSession) -> None:
    """Sessions that were over long ago go, a few at each sign-in, and their refresh tokens with them."""
    old = (
        select(Session.id)
        .where(Session.expires_at < func.now() - SWEPT_AFTER)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(Session).where(Session.id.in_(old)))


async def logout(session: AsyncSession, viewer: Viewer, session_id: UUID | None = None) -> bool:
    """A session of the viewer is over, by default the one they came with; False if it was so before.

    An API key came with none; it is revoked instead.
    """
    require_manage(viewer)
    if session_id is None and viewer.session_id is None:
        raise BadInputError("An API key has no session to end; revokeApiKey ends the key.", field=("sessionId",))
    row = await session.get(Session, session_id or viewer.session_id, with_for_update=True)
    if row is None or row.user_id != viewer.user_id:
        raise NotFoundError("session", field=("sessionId",))
    if row.ended_at is not None:
        return False
    row.ended_at = datetime.now(UTC)
    await session.flush()
    await audit.record(session, viewer, AuditAction.SIGNED_OUT, "User", viewer.user_id)
    return True


async def logout_all(session: AsyncSession, viewer: Viewer, user_id: UUID | None = None) -> int:
    """Every session of the viewer is over, this one too; how many were. Administrators may name another user."""
    require_manage(viewer)
    owner_id = user_id or viewer.user_id
    if not may_see_user(viewer, owner_id) or await session.get(User, owner_id) is None:
        raise NotFoundError("user", field=("userId",))
    count = await end_sessions(session, owner_id)
    if count:
        await audit.record(session, viewer, AuditAction.SIGNED_OUT, "User", owner_id, after={"sessions": count})
    return count


async def list_sessions(session: AsyncSession, viewer: Viewer, page: PageRequest) -> Page[Session]:
    """The viewer's sessions that are in force, oldest first."""
    require_manage(viewer)
    statement = select(Session).where(*_live(viewer))
    return await fetch_page(session, statement, [(Session.created_at, datetime), (Session.id, UUID)], page)


async def count_sessions(session: AsyncSession, viewer: Viewer) -> int:
    """How many sessions of the viewer are in force."""
    require_manage(viewer)
    return (await session.execute(select(func.count()).select_from(Session).where(*_live(viewer)))).scalar_one()


def _live(viewer: Viewer) -> list[ColumnElement[bool]]:
    return [Session.user_id == viewer.user_id, Session.ended_at.is_(None), Session.expires_at > func.now()]


async def change_password(db: Database, viewer: Viewer, *, current: str | None, new: str) -> User:
    """The viewer signs in with `new` from now on; their other sessions are over, their API keys stay.

    `current` may be None where there is no password yet. Wrong ones are counted, apart from those of strangers who try
    to sign in: INVALID_CREDENTIALS and SIGN_IN_LOCKED.
    """
    require_manage(viewer)
    check_password(new, "newPassword")
    async with db.read() as session:
        user = await session.get(User, viewer.user_id)
    if user is None:
        raise NotFoundError("user")
    attempt = None
    if user.password_hash is not None:
        async with db.write() as session:
            attempt = await attempts.count_change(session, user.id)
        if not await verify_password(user.password_hash, (current or "")[: MAX_PASSWORD + 1]):
            raise wrong_credentials(("currentPassword",))
    hashed = await hash_password(new)
    async with db.write() as session:
        changed = await _replace(session, viewer, user.id, hashed, expected=user.password_hash)
        if attempt is not None:  # behind the lock of the user, as in `login`
            await attempts.take_back(session, attempt)
        return changed


async def hash_new_password(viewer: Viewer, password: str) -> str:
    """The hash of a password that an administrator gives to a new user."""
    require_admin(viewer)
    check_password(password, "password")
    return await hash_password(password)


async def set_password(db: Database, viewer: Viewer, user_id: UUID, new: str) -> User:
    """The user signs in with `new` from now on and all their sessions are over; administrators only."""
    require_admin(viewer)
    check_password(new, "newPassword")
    hashed = await hash_password(new)
    async with db.write() as session:
        return await _replace(session, viewer, user_id, hashed)


async def _replace(
    session: AsyncSession, viewer: Viewer, user_id: UUID, hashed: str, *, expected: str | None = ""
) -> User:
    """`expected` is the hash that was verified: somebody may have changed it meanwhile; "" for any."""
    user = await session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFoundError("user", field=("userId",))
    if expected != "" and user.password_hash != expected:
        raise wrong_credentials(("currentPassword",))
    user.password_hash, user.password_set_at = hashed, datetime.now(UTC)
    await session.flush()
    await end_sessions(session, user_id, except_id=viewer.session_id if user_id == viewer.user_id else None)
    await audit.record(session, viewer, AuditAction.PASSWORD_CHANGED, "User", user_id)
    return user

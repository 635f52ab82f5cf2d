"""Use cases of accounts: authentication by API key, users, keys, and the first administrator."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import (
    BadInputError,
    CuepointError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)
from cuepoint.features.users.models import ApiKey, User
from cuepoint.viewer import Viewer

MARK = "cp_"
TOKEN_BYTES = 32  # 256 random bits: no dictionary reaches them, so one fast hash is enough
SHOWN_CHARACTERS = 8
LAST_USED_EVERY = timedelta(minutes=1)
ADMIN_EMAIL = "admin@localhost"
MAX_NAME = 200
_REFUSED = "The API key is unknown, expired or revoked. Make a new one with `cuepoint token` or createApiKey."


def hash_secret(secret: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def authenticate(session: AsyncSession, token: str) -> Viewer:
    """The viewer that a bearer token stands for. Raises UnauthenticatedError with one text for every reason."""
    statement = (
        select(ApiKey, User).join(User, User.id == ApiKey.user_id).where(ApiKey.secret_hash == hash_secret(token))
    )
    row = (await session.execute(statement)).one_or_none()
    now = datetime.now(UTC)
    if row is None:
        raise UnauthenticatedError(_REFUSED)
    key, user = row
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now) or not user.is_active:
        raise UnauthenticatedError(_REFUSED)
    return Viewer(user_id=user.id, is_admin=user.is_admin, api_key_id=key.id)


async def still_valid(session: AsyncSession, viewers: Collection[Viewer]) -> set[Viewer]:
    """Those of the viewers whose API key would be accepted now and give them the same rights."""
    statement = (
        select(User.id, User.is_admin, ApiKey.id)
        .join(User, User.id == ApiKey.user_id)
        .where(
            ApiKey.id.in_([viewer.api_key_id for viewer in viewers]),
            ApiKey.revoked_at.is_(None),
            ApiKey.expires_at.is_(None) | (ApiKey.expires_at > func.now()),
            User.is_active,
        )
    )
    return {Viewer(*row) for row in await session.execute(statement)} & set(viewers)


async def note_use(session: AsyncSession, viewer: Viewer) -> None:
    """`last_used_at` of the viewer's key is at most a minute old."""
    await session.execute(
        update(ApiKey)
        .where(
            ApiKey.id == viewer.api_key_id,
            ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < func.now() - LAST_USED_EVERY),
        )
        .values(last_used_at=func.now())
    )


def _require_admin(viewer: Viewer) -> None:
    if not viewer.is_admin:
        raise ForbiddenError("Only an instance administrator may do this.")


def _clean_name(name: str, field: str = "name") -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= MAX_NAME or "\x00" in cleaned:
        raise BadInputError(f"The name must have 1 to {MAX_NAME} characters.", field=(field,))
    return cleaned


def _clean_email(email: str) -> str:
    cleaned = email.strip()
    local, _, domain = cleaned.partition("@")
    if not local or not domain or len(cleaned) > 254 or any(c.isspace() or c == "\x00" for c in cleaned):
        raise BadInputError("This is not an e-mail address; it must look like name@example.org.", field=("email",))
    return cleaned


async def create_user(session: AsyncSession, viewer: Viewer, *, email: str, name: str, is_admin: bool) -> User:
    """A new active user; administrators only. EMAIL_TAKEN when the address is in use, whatever its case."""
    _require_admin(viewer)
    user = User(id=uuid7(), email=_clean_email(email), name=_clean_name(name), is_admin=is_admin, is_active=True)
    statement = (
        insert(User)
        .values(id=user.id, email=user.email, name=user.name, is_admin=is_admin, is_active=True)
        .on_conflict_do_nothing()
        .returning(User)
    )
    created: User | None = (await session.execute(statement)).scalar_one_or_none()
    if created is None:
        raise CuepointError(
            ErrorCode.EMAIL_TAKEN, "Another user has this e-mail address; use that account.", field=("email",)
        )
    return created


async def get_user(session: AsyncSession, viewer: Viewer, user_id: UUID) -> User:
    """The user, to themselves and to administrators."""
    user = await session.get(User, user_id)
    if user is None or not (viewer.is_admin or viewer.user_id == user_id):
        raise NotFoundError("user")
    return user


async def list_users(session: AsyncSession, viewer: Viewer, page: PageRequest) -> Page[User]:
    """Users, oldest first; administrators only."""
    _require_admin(viewer)
    return await fetch_page(session, select(User), [(User.created_at, datetime), (User.id, UUID)], page)


async def count_users(session: AsyncSession, viewer: Viewer) -> int:
    """How many users there are; administrators only."""
    _require_admin(viewer)
    return (await session.execute(select(func.count()).select_from(User))).scalar_one()


async def create_api_key(
    session: AsyncSession, viewer: Viewer, *, name: str, expires_at: datetime | None, user_id: UUID | None = None
) -> tuple[ApiKey, str]:
    """A key of the viewer (an administrator may name another user) and its secret, which is shown this once."""
    owner_id = user_id or viewer.user_id
    if owner_id != viewer.user_id:
        _require_admin(viewer)
        await get_user(session, viewer, owner_id)
    if expires_at is not None and expires_at.tzinfo is None:
        raise BadInputError("expiresAt needs a time zone, e.g. 2027-01-01T00:00:00Z.", field=("expiresAt",))
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise BadInputError("expiresAt must lie ahead.", field=("expiresAt",))
    return await _add_key(session, owner_id, _clean_name(name), expires_at)


async def _add_key(session: AsyncSession, user_id: UUID, name: str, expires_at: datetime | None) -> tuple[ApiKey, str]:
    secret = MARK + secrets.token_urlsafe(TOKEN_BYTES)
    key = ApiKey(
        user_id=user_id,
        name=name,
        prefix=secret[: len(MARK) + SHOWN_CHARACTERS],
        secret_hash=hash_secret(secret),
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    await session.refresh(key)
    return key, secret


async def list_api_keys(session: AsyncSession, viewer: Viewer, page: PageRequest) -> Page[ApiKey]:
    """The viewer's own keys, oldest first, revoked ones too."""
    statement = select(ApiKey).where(ApiKey.user_id == viewer.user_id)
    return await fetch_page(session, statement, [(ApiKey.created_at, datetime), (ApiKey.id, UUID)], page)


async def count_api_keys(session: AsyncSession, viewer: Viewer) -> int:
    """How many keys the viewer has."""
    statement = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == viewer.user_id)
    return (await session.execute(statement)).scalar_one()


async def revoke_api_key(session: AsyncSession, viewer: Viewer, key_id: UUID) -> ApiKey:
    """The key is refused from now on; revoking it again changes nothing. Owners and administrators."""
    key = await session.get(ApiKey, key_id, with_for_update=True)
    if key is None or not (viewer.is_admin or key.user_id == viewer.user_id):
        raise NotFoundError("API key")
    if key.revoked_at is None:
        key.revoked_at = datetime.now(UTC)
        await session.flush()
    return key


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
    return admin


async def create_admin_key(session: AsyncSession, name: str) -> str:
    """A new key of the first administrator; returns its secret. For the operator's own command line."""
    admin = await ensure_admin(session)
    _, secret = await _add_key(session, admin.id, _clean_name(name), None)
    return secret

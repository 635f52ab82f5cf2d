"""Which viewer a bearer token stands for, and whether it still does: API keys and access tokens of sessions."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import UnauthenticatedError
from cuepoint.features.users.models import ApiKey, PageSession, Session, User
from cuepoint.viewer import Scope, Viewer

MARK = "cp_"
ACCESS_MARK = "cpa_"
REFRESH_MARK = "cpr_"
PAGE_MARK = "cpp_"
TOKEN_BYTES = 32  # 256 random bits: no dictionary reaches them, so one fast hash is enough
LAST_USED_EVERY = timedelta(minutes=1)
MAX_ADDRESS = 64  # characters; an IPv6 address with its zone has fewer
_REFUSED = (
    "The token is unknown, expired or revoked. Sign in again or refresh the session; "
    "an API key is made with `cuepoint token` or createApiKey."
)


def new_secret(mark: str) -> str:
    """A token that nobody guesses."""
    return mark + secrets.token_urlsafe(TOKEN_BYTES)


def hash_secret(secret: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def authenticate(session: AsyncSession, token: str) -> Viewer:
    """The viewer that a bearer token stands for. Raises UnauthenticatedError with one text for every reason."""
    hashed = hash_secret(token)
    if token.startswith(PAGE_MARK):
        viewer = await _page_viewer(session, hashed)
    elif token.startswith(ACCESS_MARK):
        statement = _sessions().where(Session.access_hash == hashed, Session.access_expires_at > func.now())
        signed_in = (await session.execute(statement)).one_or_none()
        viewer = None if signed_in is None else _session_viewer(signed_in)
    else:
        found = (await session.execute(_keys().where(ApiKey.secret_hash == hashed))).one_or_none()
        viewer = None if found is None else _key_viewer(found)
    if viewer is None:
        raise UnauthenticatedError(_REFUSED)
    return viewer


async def _page_viewer(session: AsyncSession, hashed: str) -> Viewer | None:
    """The viewer of the credential that a page session is a view of."""
    statement = select(PageSession.api_key_id, PageSession.session_id)
    found = (
        await session.execute(statement.where(PageSession.token_hash == hashed, PageSession.expires_at > func.now()))
    ).one_or_none()
    if found is None:
        return None
    if found.api_key_id is not None:
        key = (await session.execute(_keys().where(ApiKey.id == found.api_key_id))).one_or_none()
        return None if key is None else _key_viewer(key)
    signed_in = (await session.execute(_sessions().where(Session.id == found.session_id))).one_or_none()
    return None if signed_in is None else _session_viewer(signed_in)


async def still_valid(session: AsyncSession, viewers: Collection[Viewer]) -> set[Viewer]:
    """Those of the viewers whose key or session is in force now and gives them the same rights; two statements at
    most. An access token that has expired meanwhile does not matter: its session goes on."""
    valid: set[Viewer] = set()
    keys = [viewer.api_key_id for viewer in viewers if viewer.api_key_id is not None]
    if keys:
        valid |= {_key_viewer(row) for row in await session.execute(_keys().where(ApiKey.id.in_(keys)))}
    sessions = [viewer.session_id for viewer in viewers if viewer.session_id is not None]
    if sessions:
        valid |= {_session_viewer(row) for row in await session.execute(_sessions().where(Session.id.in_(sessions)))}
    return valid & set(viewers)


def _keys() -> Select[UUID, bool, UUID, Scope, list[UUID] | None, datetime | None]:
    """What makes a viewer of each key that is in force."""
    return (
        select(User.id, User.is_admin, ApiKey.id.label("key_id"), ApiKey.scope, ApiKey.project_ids, ApiKey.expires_at)
        .join(User, User.id == ApiKey.user_id)
        .where(
            ApiKey.revoked_at.is_(None),
            ApiKey.expires_at.is_(None) | (ApiKey.expires_at > func.now()),
            User.is_active,
        )
    )


def _sessions() -> Select[UUID, bool, UUID]:
    """What makes a viewer of each session that is in force."""
    return (
        select(User.id, User.is_admin, Session.id.label("session_id"))
        .join(User, User.id == Session.user_id)
        .where(Session.ended_at.is_(None), Session.expires_at > func.now(), User.is_active)
    )


def _key_viewer(row: Row[UUID, bool, UUID, Scope, list[UUID] | None, datetime | None]) -> Viewer:
    user_id, is_admin, key_id, scope, project_ids, expires_at = row
    is_whole = scope is Scope.MANAGE and project_ids is None
    return Viewer(
        user_id=user_id,
        is_admin=is_admin and is_whole,
        api_key_id=key_id,
        scope=scope,
        project_ids=None if project_ids is None else frozenset(project_ids),
        is_of_admin=is_admin and not is_whole,
        expires_at=expires_at,
    )


def _session_viewer(row: Row[UUID, bool, UUID]) -> Viewer:
    return Viewer(user_id=row.id, is_admin=row.is_admin, session_id=row.session_id)


async def note_use(session: AsyncSession, viewer: Viewer, address: str = "") -> None:
    """`last_used_at` of the viewer's key is at most a minute old, and `last_used_ip` goes with it."""
    await session.execute(
        update(ApiKey)
        .where(
            ApiKey.id == viewer.api_key_id,
            ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < datetime.now(UTC) - LAST_USED_EVERY),
        )
        .values(last_used_at=func.now(), last_used_ip=address[:MAX_ADDRESS] or None)
    )

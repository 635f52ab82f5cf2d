"""Signing a browser in to the player page: a one-time code, exchanged for a token that lives in a cookie.

A page session is a view of the credential that asked for the code: it has its rights, and ends with it. Whoever sends
somebody a code could make them work in the sender's account: the page asks first, by `whose_code` and `whose_session`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.errors import ForbiddenError, UnauthenticatedError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.users.credentials import PAGE_MARK, authenticate, hash_secret, new_secret
from cuepoint.features.users.models import PageSession, User
from cuepoint.viewer import Viewer

CODE_MARK = "cpc_"
CODE_LIFETIME = timedelta(minutes=5)
SESSION_LIFETIME = timedelta(hours=12)
MAX_CODE = 200  # characters; ours have 47


async def create_page_code(session: AsyncSession, viewer: Viewer) -> tuple[str, datetime]:
    """A code that signs in one browser once within five minutes, and when it ends. Codes and sessions of the user that
    are over are swept. Raises FORBIDDEN for whoever came by a share link."""
    if viewer.share is not None or (viewer.api_key_id is None and viewer.session_id is None):
        raise ForbiddenError("A share link signs in by itself: open the link in the browser.")
    now = datetime.now(UTC)
    over = (PageSession.user_id == viewer.user_id) & (PageSession.expires_at <= now)
    await session.execute(delete(PageSession).where(over))
    code = new_secret(CODE_MARK)
    row = PageSession(
        id=uuid7(),
        user_id=viewer.user_id,
        api_key_id=viewer.api_key_id,
        session_id=viewer.session_id,
        code_hash=hash_secret(code),
        expires_at=now + CODE_LIFETIME,
    )
    session.add(row)
    await session.flush()
    return code, row.expires_at


async def exchange_page_code(session: AsyncSession, code: str) -> tuple[str, datetime]:
    """The token of a page session, and when it ends; the code is used up, and the audit log knows of the sign-in.

    Raises UnauthenticatedError.
    """
    token, ends = new_secret(PAGE_MARK), datetime.now(UTC) + SESSION_LIFETIME
    statement = (
        update(PageSession)
        .where(*_is_code(code))
        .values(code_hash=None, token_hash=hash_secret(token), expires_at=ends)
        .returning(PageSession)
    )
    row = await session.scalar(statement)
    if row is None:
        raise _used_up()
    viewer = Viewer(row.user_id, is_admin=False, api_key_id=row.api_key_id, session_id=row.session_id)
    await audit.record(session, viewer, AuditAction.SIGNED_IN, "User", row.user_id, after={"by": "page code"})
    return token, ends


async def whose_code(session: AsyncSession, code: str) -> User:
    """Whom the code signs in; it is not used up. Raises UnauthenticatedError."""
    user = await session.scalar(select(User).join(PageSession, PageSession.user_id == User.id).where(*_is_code(code)))
    if user is None:
        raise _used_up()
    return user


async def whose_session(session: AsyncSession, token: str) -> User | None:
    """Who is signed in by this page session; None for one that is over or no page session at all."""
    if not token.startswith(PAGE_MARK):
        return None
    try:
        viewer = await authenticate(session, token)
    except UnauthenticatedError:
        return None
    return await session.get(User, viewer.user_id)


def _is_code(code: str) -> tuple[ColumnElement[bool], ...]:
    return PageSession.code_hash == hash_secret(code[:MAX_CODE]), PageSession.expires_at > func.now()


def _used_up() -> UnauthenticatedError:
    return UnauthenticatedError("This code was used already, or is older than five minutes; make a new one.")


async def end_page_session(session: AsyncSession, token: str) -> None:
    """The token is refused from now on; an unknown one is fine."""
    await session.execute(delete(PageSession).where(PageSession.token_hash == hash_secret(token)))

"""Use cases of share links: make, list, revoke, and open.

What an open link shows is decided by the gate (`projects.access`), like everything: it asks the link's row each time,
so that a revoked link shows nothing from that moment on. Signed URLs that it gave out before live as long as they say.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, LockedError, NotFoundError, RateLimitedError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole, ShareLink
from cuepoint.features.shares.visits import living_links, visitor_by
from cuepoint.features.users import attempts
from cuepoint.features.users.inputs import check_expiry
from cuepoint.features.users.passwords import hash_password, verify_password
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

MARK = "cps_"
TOKEN_BYTES = 32  # 256 random bits, as of an API key
SHOWN_CHARACTERS = 8
MAX_TOKEN = 200
MIN_PASSWORD, MAX_PASSWORD = 8, 200
# Each place has five guesses and then pauses (`users.attempts`): whoever guesses holds up nobody else. So many in a
# row, from places that have not opened the link before, pause it for all such places: then one guess a minute, half a
# million a year against 8 characters.
FREE_GUESSES = 100
LOCK = timedelta(minutes=1)


@dataclass(frozen=True)
class Target:
    """What a link opens: a video, or a whole project where that is None."""

    project_id: UUID | None
    video_id: UUID | None


@dataclass(frozen=True)
class Created:
    """A new link and its token, which is shown this once."""

    link: ShareLink
    token: str


async def create_link(
    session: AsyncSession,
    viewer: Viewer,
    target: Target,
    *,
    expires_at: datetime | None,
    may_download: bool,
    password: str | None,
) -> Created:
    """A link to the project or the video; owners only."""
    project_id, noun = target.project_id, "project"
    if target.video_id is not None:
        living = select(Video.project_id).where(Video.id == target.video_id, Video.deleted_at.is_(None))
        project_id, noun = await session.scalar(living), "video"
    await access.require(session, viewer, project_id, ProjectRole.OWNER, noun=noun)
    if project_id is None:
        raise NotFoundError(noun)
    check_expiry(expires_at)
    if password is not None and not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadInputError(f"The password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters.", field=("password",))
    token = MARK + secrets.token_urlsafe(TOKEN_BYTES)
    link = ShareLink(
        project_id=project_id,
        video_id=target.video_id,
        created_by_id=viewer.user_id,
        token_hash=_hash(token),
        prefix=token[: len(MARK) + SHOWN_CHARACTERS],
        password_hash=None if password is None else await hash_password(password),
        may_download=may_download,
        expires_at=expires_at,
    )
    session.add(link)
    await session.flush()
    await session.refresh(link)
    shown = {"video": target.video_id, "allowDownload": may_download, "expiresAt": expires_at}
    await audit.record(session, viewer, AuditAction.SHARED, "ShareLink", link.id, project_id=project_id, after=shown)
    return Created(link, token)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def revoke_link(session: AsyncSession, viewer: Viewer, link_id: UUID) -> ShareLink:
    """The link shows nothing from now on; repeating it changes nothing. Owners only, archived or not."""
    link = await session.get(ShareLink, link_id, with_for_update=True, populate_existing=True)
    project_id = None if link is None else link.project_id
    await access.require(session, viewer, project_id, ProjectRole.OWNER, noun="share link", even_archived=True)
    if link is None:
        raise NotFoundError("share link")
    if link.revoked_at is None:
        link.revoked_at = datetime.now(UTC)
        await session.flush()
        await audit.record(session, viewer, AuditAction.REVOKED, "ShareLink", link.id, project_id=project_id)
    return link


async def list_links(session: AsyncSession, viewer: Viewer, project_id: UUID, page: PageRequest) -> Page[ShareLink]:
    """The project's links, oldest first, revoked ones too; owners only."""
    await _require_owner(session, viewer, project_id)
    statement = select(ShareLink).where(ShareLink.project_id == project_id)
    return await fetch_page(session, statement, [(ShareLink.created_at, datetime), (ShareLink.id, UUID)], page)


async def count_links(session: AsyncSession, project_id: UUID) -> int:
    """How many links the project has; for callers that may list them."""
    statement = select(func.count()).select_from(ShareLink).where(ShareLink.project_id == project_id)
    return (await session.execute(statement)).scalar_one()


async def _require_owner(session: AsyncSession, viewer: Viewer, project_id: UUID) -> None:
    await access.require(session, viewer, project_id, ProjectRole.OWNER, even_archived=True)


async def links_by_id(session: AsyncSession, viewer: Viewer, link_ids: Sequence[UUID]) -> Mapping[UUID, ShareLink]:
    """Those of the links whose project the viewer owns."""
    owned = ShareLink.project_id.in_(access.visible_projects(viewer, ProjectRole.OWNER))
    return {row.id: row for row in await session.scalars(select(ShareLink).where(ShareLink.id.in_(link_ids), owned))}


async def open_link(db: Database, token: str, password: str | None = None, *, address: str = "") -> Viewer:
    """Whoever holds the token, as one who may look at what the link opens: pass it to the services as every viewer.
    `viewer.share` says what that is, and whether files may be saved. Each opening is counted. `address` is theirs.

    Opens its own transactions, as a wrong password is counted though it is refused. Raises NotFoundError for a token
    that is unknown, expired or revoked; SHARE_PASSWORD_WRONG; RateLimitedError after too many wrong ones.
    """
    link = await _living(db, token)
    if link.password_hash is not None:
        await _check_password(db, link, password, address)
    async with db.write() as session:
        used = update(ShareLink).where(ShareLink.id == link.id, ShareLink.revoked_at.is_(None))
        values = {"uses": ShareLink.uses + 1, "last_used_at": func.now()}
        if await session.scalar(used.values(values).returning(ShareLink.id)) is None:
            raise NotFoundError("share link")
        await audit.record(session, None, AuditAction.OPENED, "ShareLink", link.id, project_id=link.project_id)
    return visitor_by(link)


async def _living(db: Database, token: str) -> ShareLink:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise NotFoundError("share link")
    async with db.read() as session:
        link = await session.scalar(living_links().where(ShareLink.token_hash == _hash(token)))
    if link is None:
        raise NotFoundError("share link")
    return link


async def _check_password(db: Database, link: ShareLink, password: str | None, address: str) -> None:
    """A guess is counted before it is looked at: of many at once only the free ones are."""
    if password is None:
        raise CuepointError(ErrorCode.SHARE_PASSWORD_WRONG, "This link needs a password.", field=("password",))
    try:
        async with db.write() as session:
            attempt = await attempts.count_guess(session, link.id, address)
            if not attempt.is_known:
                await _count_everywhere(session, link.id)
    except LockedError as error:
        raise _too_many(error.retry_after_seconds) from None
    if not await verify_password(link.password_hash, password[:MAX_PASSWORD]):
        raise CuepointError(ErrorCode.SHARE_PASSWORD_WRONG, "This is not the link's password.", field=("password",))
    async with db.write() as session:
        right = update(ShareLink).where(ShareLink.id == link.id)
        await session.execute(right.values(failures=0, locked_until=None))
        await attempts.take_back(session, attempt)


async def _count_everywhere(session: AsyncSession, link_id: UUID) -> None:
    unlocked = or_(ShareLink.locked_until.is_(None), ShareLink.locked_until <= func.now())
    counted = update(ShareLink).where(ShareLink.id == link_id, unlocked).values(failures=ShareLink.failures + 1)
    failures = await session.scalar(counted.returning(ShareLink.failures))
    if failures is None:
        raise _too_many(LOCK.total_seconds())
    if failures >= FREE_GUESSES:
        await session.execute(update(ShareLink).where(ShareLink.id == link_id).values(locked_until=func.now() + LOCK))


def _too_many(seconds: float) -> RateLimitedError:
    return RateLimitedError(
        f"Too many wrong passwords for this link; try again in {seconds:.0f} s.", retry_after_seconds=seconds
    )

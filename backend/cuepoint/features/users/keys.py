"""Use cases of API keys: make, list, rotate and revoke."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.users.credentials import MARK, hash_secret, new_secret
from cuepoint.features.users.inputs import check_expiry, clean_name
from cuepoint.features.users.models import ApiKey
from cuepoint.features.users.people import ensure_admin, get_user
from cuepoint.features.users.rights import require_admin, require_manage
from cuepoint.viewer import Scope, Viewer

SHOWN_CHARACTERS = 8
OVERLAP_SECONDS = 86_400.0  # a day
MAX_OVERLAP_SECONDS = 7 * 86_400
MAX_PROJECTS = 100  # of one key; every statement of its requests carries them


async def create_api_key(
    session: AsyncSession,
    viewer: Viewer,
    *,
    name: str,
    expires_at: datetime | None,
    user_id: UUID | None = None,
    scopes: Collection[Scope] = (Scope.MANAGE,),
    project_ids: Sequence[UUID] | None = None,
) -> tuple[ApiKey, str]:
    """A key of the viewer (an administrator may name another user) and its secret, which is shown this once.

    It may do what its user may, as far as the widest of its scopes goes, and only in `project_ids` where they are
    given; a project that its user cannot see stays invisible to it.
    """
    require_manage(viewer)
    owner_id = user_id or viewer.user_id
    if owner_id != viewer.user_id:
        require_admin(viewer)
        await get_user(session, viewer, owner_id)
    check_expiry(expires_at)
    await _ensure_no_longer_life(session, viewer, expires_at)
    if not scopes:
        raise BadInputError("A key needs at least one scope: READ, WRITE or MANAGE.", field=("scopes",))
    if project_ids is not None and not 1 <= len(set(project_ids)) <= MAX_PROJECTS:
        raise BadInputError(
            f"Name 1 to {MAX_PROJECTS} projects, or leave projectIds out for all of them.", field=("projectIds",)
        )
    key, secret = await _add(
        session,
        ApiKey(
            user_id=owner_id,
            name=clean_name(name),
            scope=Scope.widest(scopes),
            project_ids=None if project_ids is None else sorted(set(project_ids)),
            expires_at=expires_at,
        ),
    )
    await audit.record(session, viewer, AuditAction.CREATED, "ApiKey", key.id, after=_told(key))
    return key, secret


async def _add(session: AsyncSession, key: ApiKey) -> tuple[ApiKey, str]:
    secret = new_secret(MARK)
    key.prefix = secret[: len(MARK) + SHOWN_CHARACTERS]
    key.secret_hash = hash_secret(secret)
    session.add(key)
    await session.flush()
    await session.refresh(key)
    return key, secret


async def list_api_keys(session: AsyncSession, viewer: Viewer, page: PageRequest) -> Page[ApiKey]:
    """The viewer's own keys, oldest first, revoked ones too."""
    require_manage(viewer)
    statement = select(ApiKey).where(ApiKey.user_id == viewer.user_id)
    return await fetch_page(session, statement, [(ApiKey.created_at, datetime), (ApiKey.id, UUID)], page)


async def count_api_keys(session: AsyncSession, viewer: Viewer) -> int:
    """How many keys the viewer has."""
    require_manage(viewer)
    statement = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == viewer.user_id)
    return (await session.execute(statement)).scalar_one()


async def revoke_api_key(session: AsyncSession, viewer: Viewer, key_id: UUID) -> ApiKey:
    """The key is refused from now on; revoking it again changes nothing. Owners and administrators."""
    key = await _own_key(session, viewer, key_id)
    if key.revoked_at is None:
        key.revoked_at = datetime.now(UTC)
        await session.flush()
        await audit.record(session, viewer, AuditAction.REVOKED, "ApiKey", key.id, before=_told(key))
    return key


async def rotate_api_key(
    session: AsyncSession, viewer: Viewer, key_id: UUID, *, overlap_seconds: float = OVERLAP_SECONDS
) -> tuple[ApiKey, ApiKey, str]:
    """The old key, a new one of the same name, scope, projects and end, and the new one's secret.

    The old one is accepted for so many seconds more, so that whoever holds it can change over. A key is rotated once:
    afterwards its successor is. Raises ALREADY_FINAL for one that was rotated, revoked or has expired.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        raise BadInputError("The overlap is 0 seconds to 7 days.", field=("overlapSeconds",))
    key = await _own_key(session, viewer, key_id)
    now = datetime.now(UTC)
    if key.revoked_at is not None or key.rotated_at is not None or (key.expires_at and key.expires_at <= now):
        raise CuepointError(
            ErrorCode.ALREADY_FINAL, "The key was rotated, revoked or has expired; make a new one.", field=("id",)
        )
    await _ensure_no_longer_life(session, viewer, key.expires_at)
    successor = ApiKey(
        user_id=key.user_id,
        name=key.name,
        scope=key.scope,
        project_ids=key.project_ids,
        expires_at=key.expires_at,
    )
    key.rotated_at = now
    end = now + timedelta(seconds=overlap_seconds)
    key.expires_at = min(key.expires_at or end, end)
    successor, secret = await _add(session, successor)
    await audit.record(
        session, viewer, AuditAction.ROTATED, "ApiKey", key.id, before=_told(key), after={"successorId": successor.id}
    )
    return key, successor, secret


async def _ensure_no_longer_life(session: AsyncSession, viewer: Viewer, expires_at: datetime | None) -> None:
    """A key makes none that outlives it: its end, or its rotation, would end nothing otherwise."""
    own = None if viewer.api_key_id is None else await session.get(ApiKey, viewer.api_key_id)
    if own is not None and own.expires_at is not None and (expires_at is None or expires_at > own.expires_at):
        raise ForbiddenError(
            f"This key ends at {own.expires_at.isoformat(timespec='seconds')} and makes none that lives longer. "
            "Give an earlier expiresAt, or sign in.",
        )


async def _own_key(session: AsyncSession, viewer: Viewer, key_id: UUID) -> ApiKey:
    """The key, locked. Raises NotFoundError for that of somebody else."""
    require_manage(viewer)
    key = await session.get(ApiKey, key_id, with_for_update=True)
    if key is None or not (viewer.is_admin or key.user_id == viewer.user_id):
        raise NotFoundError("API key")
    return key


def _told(key: ApiKey) -> dict[str, object]:
    """What the log may know of a key."""
    return {
        "name": key.name,
        "prefix": key.prefix,
        "userId": key.user_id,
        "scope": key.scope,
        "projectIds": key.project_ids,
        "expiresAt": key.expires_at,
    }


async def create_admin_key(session: AsyncSession, name: str, scope: Scope = Scope.MANAGE) -> str:
    """A new key of the first administrator; returns its secret. For the operator's own command line."""
    admin = await ensure_admin(session)
    key, secret = await _add(
        session,
        ApiKey(user_id=admin.id, name=clean_name(name), scope=scope, project_ids=None, expires_at=None),
    )
    await audit.record(session, None, AuditAction.CREATED, "ApiKey", key.id, after=_told(key))
    return secret

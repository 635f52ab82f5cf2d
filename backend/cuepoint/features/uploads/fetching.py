"""Uploads whose bytes this instance fetches itself: the same open bytes, hash and sweep as for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.base import Storage
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.errors import NotFoundError
from cuepoint.features.quotas import service as quotas
from cuepoint.features.uploads.digests import FileDigest
from cuepoint.features.uploads.models import Upload, UploadProtocol, UploadStatus
from cuepoint.features.uploads.service import OPEN_PREFIX, mark_whole


def _expiry(settings: Settings) -> datetime:
    return datetime.now(UTC) + timedelta(hours=settings.upload_expiry_hours)


async def open_upload(
    session: AsyncSession, settings: Settings, *, project_id: UUID, created_by_id: UUID | None, filename: str
) -> Upload:
    """An upload that no client can send to; its size is not known yet. The caller has checked the rights."""
    upload_id = uuid7()
    upload = Upload(
        id=upload_id,
        project_id=project_id,
        created_by_id=created_by_id,
        filename=filename,
        offset_bytes=0,
        status=UploadStatus.WAITING,
        storage_key=f"{OPEN_PREFIX}{upload_id.hex}",
        expires_at=_expiry(settings),
        protocol=UploadProtocol.FETCH,
    )
    session.add(upload)
    await session.flush()
    await session.refresh(upload)
    await quotas.check_storage(session, project_id=project_id, user_id=created_by_id)
    return upload


async def reserve(session: AsyncSession, upload: Upload, size_bytes: int) -> None:
    """The source says that it has so many bytes. Raises QUOTA_EXCEEDED where they do not fit."""
    if upload.size_bytes != size_bytes:
        upload.size_bytes = size_bytes
        await session.flush()
        await quotas.check_storage(session, project_id=upload.project_id, user_id=upload.created_by_id)


async def locked_upload(session: AsyncSession, settings: Settings, upload_id: UUID) -> Upload:
    """The upload, locked until the transaction ends, with its time prolonged; one that was swept begins anew."""
    upload = await session.get(Upload, upload_id, with_for_update=True, populate_existing=True)
    if upload is None:
        raise NotFoundError("upload")
    if upload.status in (UploadStatus.ABORTED, UploadStatus.EXPIRED):
        restart(upload)
    upload.expires_at = _expiry(settings)
    return upload


def restart(upload: Upload) -> None:
    """None of the bytes counts any more."""
    upload.status, upload.offset_bytes, upload.content_hash, upload.size_bytes = UploadStatus.WAITING, 0, None, None


async def advance(session: AsyncSession, upload: Upload, offset: int, digest: str | None) -> None:
    """So many bytes are safely stored; with their hash they are all."""
    upload.offset_bytes = offset
    if offset:
        upload.status = UploadStatus.RECEIVING
    if digest is not None:
        await reserve(session, upload, offset)
        await mark_whole(session, upload, digest)


async def digest_of(
    storage: Storage,
    upload_key: str,
    known: FileDigest | None,
    size_bytes: int,
    on_bytes: Callable[[int], None] = lambda _done: None,
) -> str:
    """The SHA-256 of a whole upload: the one that went along with its bytes, or of the bytes read again."""
    if known is not None and known.position == size_bytes:
        return known.hex()
    digest = FileDigest()
    async for piece in storage.read_upload(upload_key):
        await asyncio.to_thread(digest.update, piece)
        on_bytes(digest.position)
    return digest.hex()

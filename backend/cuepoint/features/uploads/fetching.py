"""Uploads whose bytes this instance fetches itself: the same open bytes, hash and sweep as for others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.errors import AdapterError, ErrorCode, NotFoundError
from cuepoint.features.files.hashes import FileHash
from cuepoint.features.files.layout import owner_prefixes
from cuepoint.features.files.removal import remove_files
from cuepoint.features.files.service import enqueue_removal, require_removed
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.quotas import service as quotas
from cuepoint.features.uploads.keys import video_id_of
from cuepoint.features.uploads.limits import check_reached
from cuepoint.features.uploads.models import Upload, UploadProtocol, UploadStatus
from cuepoint.features.uploads.offsets import mark_whole
from cuepoint.features.uploads.service import OPEN_PREFIX

_OVER = (UploadStatus.ABORTED, UploadStatus.EXPIRED)


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


async def reopen(ctx: TaskContext, upload_id: UUID) -> Upload:
    """The upload, open again for this attempt. One that was given up begins anew, once nothing is left of its former
    bytes: what is on the list of removals for them would take the new ones.

    Raises AdapterError STORAGE_UNAVAILABLE (retryable) while they are being removed.
    """
    async with ctx.save() as session:
        upload = await _existing(session, upload_id)
        if upload.status not in _OVER:
            upload.expires_at = _expiry(ctx.settings)
            return upload
        keys = [upload.storage_key, *owner_prefixes(upload.project_id, video_id_of(upload_id))]
        await enqueue_removal(session, keys, project_id=upload.project_id)  # at once, also what was put off
    await remove_files(ctx.db, ctx.adapters.storage, keys=keys)
    async with ctx.save() as session:
        upload = await _existing(session, upload_id)
        await require_removed(session, keys)
        restart(upload)
        upload.expires_at = _expiry(ctx.settings)
        return upload


async def locked_upload(session: AsyncSession, settings: Settings, upload_id: UUID) -> Upload:
    """The open upload, locked until the transaction ends, with its time prolonged.

    Raises AdapterError STORAGE_UNAVAILABLE (retryable) where it was given up meanwhile, and its bytes with it.
    """
    upload = await _existing(session, upload_id)
    if upload.status in _OVER:
        raise AdapterError(ErrorCode.STORAGE_UNAVAILABLE, "The bytes that were here were given up.", retryable=True)
    upload.expires_at = _expiry(settings)
    return upload


async def _existing(session: AsyncSession, upload_id: UUID) -> Upload:
    upload = await session.get(Upload, upload_id, with_for_update=True, populate_existing=True)
    if upload is None:
        raise NotFoundError("upload")
    return upload


def restart(upload: Upload) -> None:
    """None of the bytes counts any more."""
    upload.status, upload.offset_bytes, upload.size_bytes = UploadStatus.WAITING, 0, None
    upload.content_hash = upload.declared_sha256 = None


async def advance(session: AsyncSession, upload: Upload, offset: int, found: FileHash | None) -> None:
    """So many bytes are safely stored; with their hashes they are all. Raises QUOTA_EXCEEDED, also where the
    source does not say how many there will be."""
    await check_reached(session, upload, offset)
    if offset:
        upload.status = UploadStatus.RECEIVING
    if found is not None:
        await reserve(session, upload, offset)
        await mark_whole(session, upload, found)

"""Where an upload stands: whether it goes on from there, and the step to where its bytes have come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.reading import detached
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.files.hashes import FileHash
from cuepoint.features.files.service import announce_file
from cuepoint.features.uploads.keys import original_key
from cuepoint.features.uploads.limits import check_reached
from cuepoint.features.uploads.models import Upload, UploadStatus

OPEN = (UploadStatus.WAITING, UploadStatus.RECEIVING)
OVER = "The upload was aborted or has expired; create a new one."
PROMISED = timedelta(hours=1)  # after an upload has expired: longer than a store needs to move its bytes
# Made once: the statement of every piece but the last, which asks again what `check_open` and `_check_offset` do.
_TABLE = Upload.__table__
_STEP = (
    update(Upload.__table__)  # type: ignore[arg-type]
    .where(
        _TABLE.c.id == bindparam("upload_id"),
        _TABLE.c.offset_bytes == bindparam("offset"),
        _TABLE.c.size_bytes >= bindparam("reached"),
        _TABLE.c.status.in_(OPEN),
        _TABLE.c.expires_at > func.now(),
    )
    .values(offset_bytes=bindparam("reached"), status=UploadStatus.RECEIVING)
    .returning(*_TABLE.c)
)


async def find_upload(session: AsyncSession, upload_id: UUID) -> Upload | None:
    """The row. Not by `get`, which a session for reading leaves to SQLAlchemy at twice the cost."""
    return await session.scalar(select(Upload).where(Upload.id == upload_id))


async def standing_at(db: Database, upload_id: UUID, offset: int) -> Upload:
    """The upload, which is open and goes on at that byte."""
    async with db.read() as session:
        upload = await find_upload(session, upload_id)
    if upload is None:
        raise NotFoundError("upload")
    check_open(upload)
    _check_offset(upload, offset)
    return upload


async def move_offset(db: Database, upload: Upload, reached: int, found: FileHash | None) -> Upload:
    """The upload, which stood where it was read, stands at `reached`; with the hashes of all its bytes it is whole.

    Raises as `standing_at` does if it is over or stands elsewhere by now, and what `check_reached` raises.
    """
    async with db.write() as session:
        if found is None and reached and upload.size_bytes is not None:
            step = {"upload_id": upload.id, "offset": upload.offset_bytes, "reached": reached}
            row = (await session.execute(_STEP, step)).mappings().one_or_none()
            if row is not None:
                return detached(Upload, dict(row))
        moved = await session.get(Upload, upload.id, with_for_update=True)
        if moved is None:
            raise NotFoundError("upload")
        check_open(moved)
        _check_offset(moved, upload.offset_bytes)
        await check_reached(session, moved, reached)
        if reached:
            moved.status = UploadStatus.RECEIVING
        if found is not None:
            await mark_whole(session, moved, found)
        await session.flush()
        return moved


async def mark_whole(session: AsyncSession, upload: Upload, found: FileHash) -> None:
    """All bytes of the locked upload are here. Where they go when it becomes a video is on the list of removals until
    then: a registration that breaks off after it has moved them leaves nothing behind."""
    upload.status = UploadStatus.COMPLETE
    upload.content_hash, upload.declared_sha256 = found
    await announce_file(session, original_key(upload), upload.expires_at + PROMISED, project_id=upload.project_id)


def check_open(upload: Upload) -> None:
    """Pass if bytes may come."""
    if upload.status is UploadStatus.COMPLETE:
        raise CuepointError(ErrorCode.OFFSET_MISMATCH, "The upload is complete; register it as a video.")
    if upload.status not in OPEN or upload.expires_at <= datetime.now(UTC):
        raise CuepointError(ErrorCode.UPLOAD_EXPIRED, OVER)


def _check_offset(upload: Upload, offset: int) -> None:
    if upload.offset_bytes != offset:
        raise CuepointError(
            ErrorCode.OFFSET_MISMATCH,
            f"The upload stands at byte {upload.offset_bytes}, not {offset}; ask for the offset and go on from there.",
            retryable=True,
        )

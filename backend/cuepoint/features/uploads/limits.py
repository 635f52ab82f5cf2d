"""How large an upload may be: what is declared is checked at once, what is not while its bytes arrive."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.quotas import service as quotas
from cuepoint.features.uploads.models import Upload


def check_size(size_bytes: int, settings: Settings) -> None:
    """Pass if an upload of that size is one that this instance takes, whatever quotas say."""
    if size_bytes < 1:
        raise BadInputError("The file is empty: sizeBytes must be 1 or more.", field=("sizeBytes",))
    if size_bytes > settings.upload_max_bytes:
        raise CuepointError(
            ErrorCode.UPLOAD_TOO_LARGE,
            f"The file has {size_bytes} bytes; this server takes {settings.upload_max_bytes}. "
            "The operator can raise CUEPOINT_UPLOAD_MAX_BYTES.",
            field=("sizeBytes",),
        )


def check_fits(upload: Upload, announced: int) -> None:
    """Pass if so many bytes more are not beyond the size that was declared."""
    if upload.size_bytes is not None and upload.offset_bytes + announced > upload.size_bytes:
        raise CuepointError(
            ErrorCode.UPLOAD_TOO_LARGE,
            f"{announced} bytes from byte {upload.offset_bytes} go beyond the {upload.size_bytes} bytes that were "
            "declared.",
        )


async def limit_of(db: Database, upload: Upload, max_bytes: int) -> int:
    """How many bytes it may come to have: those that it declared, which were checked then; of one that has not told
    its size, as many as `max_bytes` and every quota leave room for."""
    if upload.size_bytes is not None:
        return upload.size_bytes
    async with db.read() as session:
        room = await quotas.storage_room(session, project_id=upload.project_id, user_id=upload.created_by_id)
    return max_bytes if room is None else min(max_bytes, upload.offset_bytes + max(0, room))


async def check_reached(session: AsyncSession, upload: Upload, reached: int) -> None:
    """Pass if the locked upload may have come so far: its size may have been told meanwhile, and where it is not,
    other uploads may have taken the room. Its offset is written."""
    if upload.size_bytes is not None and reached > upload.size_bytes:
        raise CuepointError(
            ErrorCode.UPLOAD_TOO_LARGE,
            f"The upload was announced with {upload.size_bytes:,} bytes, but more arrived.",
            hint="Create a new upload with the right size.",
        )
    upload.offset_bytes = reached
    if upload.size_bytes is None:
        await session.flush()
        await quotas.check_storage(session, project_id=upload.project_id, user_id=upload.created_by_id)


async def refuse_beyond(db: Database, upload: Upload, limit: int, max_bytes: int) -> None:
    """Raise what more than `limit` bytes pass, in an upload whose size is not known: QUOTA_EXCEEDED, or
    UPLOAD_TOO_LARGE. Nothing is written."""
    if limit < max_bytes:
        async with db.write() as session:
            counted = await session.get_one(Upload, upload.id, with_for_update=True)
            await check_reached(session, counted, limit + 1)
            counted.offset_bytes = upload.offset_bytes  # there is room by now: the client sends the piece again
    raise CuepointError(
        ErrorCode.UPLOAD_TOO_LARGE,
        f"The file has more than {limit} bytes, which is what this server takes. "
        "The operator can raise CUEPOINT_UPLOAD_MAX_BYTES.",
        retryable=limit < max_bytes,
    )

"""Uploads in parts that clients send to the object store itself: sign them, look at what came, check the whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.base import DirectParts, SignedPart, Storage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import service
from cuepoint.features.uploads.digests import hash_of_upload
from cuepoint.features.uploads.models import Upload, UploadProtocol, UploadStatus
from cuepoint.features.uploads.offsets import mark_whole
from cuepoint.viewer import Viewer

CHECK_ROOM = timedelta(days=7)  # a completed upload does not expire while its check waits for a worker
MAX_SIGNED = 100  # parts of one request; a client signs the next ones as it goes
OPEN = (UploadStatus.WAITING, UploadStatus.RECEIVING)


def part_bytes_for(storage: Storage, size_bytes: int) -> int:
    """The size of the parts of an upload of that size. Raises BadInputError where the storage takes none."""
    return _direct(storage).part_bytes(size_bytes)


def _direct(storage: Storage) -> DirectParts:
    direct = storage.direct_parts()
    if direct is None:
        raise BadInputError(
            "This instance takes uploads by TUS only: its storage has no address that clients reach "
            "(CUEPOINT_S3_PUBLIC_ENDPOINT).",
            field=("protocol",),
        )
    return direct


async def sign_parts(
    db: Database, storage: Storage, viewer: Viewer, settings: Settings, upload_id: UUID, numbers: Sequence[int]
) -> tuple[Upload, list[SignedPart]]:
    """URLs for these parts, in their order. Sending a part again replaces it."""
    async with db.read() as session:
        upload = await _open_parts(session, viewer, upload_id, field="uploadId")
    size_bytes, part_bytes = upload.size_bytes or 0, upload.part_bytes or 1
    count = -(-size_bytes // part_bytes)
    if not 1 <= len(numbers) <= MAX_SIGNED or not all(1 <= number <= count for number in numbers):
        raise BadInputError(
            f"Ask for 1 to {MAX_SIGNED} parts at once; this upload has parts 1 to {count}.", field=("numbers",)
        )
    signed = await _direct(storage).sign(
        upload.storage_key,
        numbers,
        size_bytes=size_bytes,
        part_bytes=part_bytes,
        seconds=settings.signed_url_seconds,
    )
    return upload, signed


async def complete_parts(db: Database, storage: Storage, viewer: Viewer, upload_id: UUID) -> tuple[Upload, Job]:
    """All parts are here, and a job checks the whole: then the upload is COMPLETE. Repeating it joins that job.

    Raises UPLOAD_INCOMPLETE with the numbers of parts that are missing.
    """
    async with db.read() as session:
        upload = await _open_parts(session, viewer, upload_id, field="id")
    await _direct(storage).take(
        upload.storage_key, size_bytes=upload.size_bytes or 0, part_bytes=upload.part_bytes or 1
    )
    async with db.write() as session:
        locked = await session.get(Upload, upload_id, with_for_update=True, populate_existing=True)
        if locked is None:
            raise NotFoundError("upload")
        _check_open(locked)
        locked.offset_bytes, locked.status = locked.size_bytes or 0, UploadStatus.RECEIVING
        locked.expires_at = max(locked.expires_at, datetime.now(UTC) + CHECK_ROOM)
        await session.flush()
        job = await jobs.enqueue(
            session,
            JobKind.UPLOAD_CHECK,
            project_id=locked.project_id,
            created_by_id=viewer.user_id,
            args={"upload_id": str(upload_id)},
            dedupe_key=f"upload:{upload_id}:check",
        )
        return locked, job


async def _open_parts(session: AsyncSession, viewer: Viewer, upload_id: UUID, *, field: str) -> Upload:
    upload = await service.get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
    if upload.protocol is not UploadProtocol.S3_MULTIPART:
        raise BadInputError("This upload does not come in parts; see its `protocol`.", field=(field,))
    _check_open(upload)
    return upload


def _check_open(upload: Upload) -> None:
    if upload.status is UploadStatus.COMPLETE:
        raise CuepointError(ErrorCode.OFFSET_MISMATCH, "The upload is complete; register it as a video.")
    if upload.status not in OPEN:
        raise CuepointError(ErrorCode.UPLOAD_EXPIRED, "The upload was aborted or has expired; create a new one.")


async def check_whole_upload(ctx: TaskContext) -> None:
    """The hashes of all bytes are known and, where one was declared, it is among them; then the upload is COMPLETE.

    Raises CHECKSUM_MISMATCH; the upload is dropped then.
    """
    upload_id = UUID(str(ctx.args["upload_id"]))
    async with ctx.db.read() as session:
        upload = await session.get(Upload, upload_id)
    if upload is None:
        raise NotFoundError("upload")
    if upload.status is UploadStatus.COMPLETE:
        return
    _check_open(upload)
    storage, size_bytes = ctx.adapters.storage, upload.size_bytes or 0

    def on_bytes(done: int) -> None:
        ctx.report(min(0.99, done / size_bytes), "Checking")

    found = await hash_of_upload(storage, upload.storage_key, None, size_bytes, with_sha256=True, on_bytes=on_bytes)
    if upload.declared_sha256 not in (None, found.sha256):
        await service.give_up(ctx.db, storage, upload_id, upload.storage_key)
        raise CuepointError(
            ErrorCode.CHECKSUM_MISMATCH,
            "The bytes that arrived do not have the declared sha256; the upload was dropped, send the file again.",
        )
    facts = {"sizeBytes": size_bytes, "contentHash": found.blake3, "sha256": found.sha256}
    async with ctx.finish(result=facts) as session:
        locked = await session.get_one(Upload, upload_id, with_for_update=True, populate_existing=True)
        _check_open(locked)
        await mark_whole(session, locked, found)

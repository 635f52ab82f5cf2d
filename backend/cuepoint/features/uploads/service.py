"""Use cases of uploads: bytes arrive in pieces, are safe before they count, and become a video at most once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.base import Piece, Storage
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.files.hashes import is_hash
from cuepoint.features.files.layout import owner_prefixes
from cuepoint.features.files.removal import remove_files
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.quotas import service as quotas
from cuepoint.features.uploads.digests import RUNNING, Checksum, RunningDigests, Watched, hash_of_upload
from cuepoint.features.uploads.keys import video_id_of
from cuepoint.features.uploads.limits import check_fits, check_size, limit_of, refuse_beyond
from cuepoint.features.uploads.models import Upload, UploadProtocol, UploadStatus
from cuepoint.features.uploads.offsets import OPEN, OVER, check_open, find_upload, move_offset, standing_at
from cuepoint.viewer import Viewer

MAX_FILENAME = 255
_MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, section 4.2
# What is surely no media. No more than that: browsers guess by suffix, and call MPEG transport streams (.ts) a text.
_NO_MEDIA = re.compile(
    r"text/(plain|html|css|csv|markdown|xml|vtt|calendar)|font/.+|application/(pdf|rtf|json|xml|javascript|zip|gzip|"
    r"x-tar|x-7z-compressed|msword|vnd\.(ms-excel|ms-powerpoint|openxmlformats|oasis\.opendocument).*)"
)
OPEN_PREFIX = "uploads/"  # in storage, until an upload becomes a video and its bytes are moved to the video's files


def _open_key(upload_id: UUID) -> str:
    return f"{OPEN_PREFIX}{upload_id.hex}"


async def create_upload(
    session: AsyncSession,
    viewer: Viewer,
    settings: Settings,
    *,
    project_id: UUID,
    filename: str,
    size_bytes: int | None,
    sha256: str | None = None,
    content_type: str | None = None,
    part_bytes: int | None = None,
) -> Upload:
    """An upload that waits for its bytes; or the viewer's own of the same declared hash that is no video yet. The
    size may be told later, by `set_size`. With `part_bytes` it comes in parts past this instance, else by tus."""
    await check_new_upload(
        session,
        viewer,
        settings,
        project_id=project_id,
        filename=filename,
        size_bytes=size_bytes,
        sha256=sha256,
        content_type=content_type,
    )
    protocol = UploadProtocol.TUS if part_bytes is None else UploadProtocol.S3_MULTIPART
    if sha256 is not None and (
        known := await _unused_upload(session, viewer, project_id, sha256, size_bytes, protocol)
    ):
        return known
    upload_id = uuid7()
    upload = Upload(
        id=upload_id,
        project_id=project_id,
        created_by_id=viewer.user_id,
        filename=filename,
        size_bytes=size_bytes,
        offset_bytes=0,
        declared_sha256=sha256,
        status=UploadStatus.WAITING,
        storage_key=_open_key(upload_id),
        expires_at=datetime.now(UTC) + timedelta(hours=settings.upload_expiry_hours),
        protocol=protocol,
        part_bytes=part_bytes,
    )
    session.add(upload)
    await session.flush()
    await session.refresh(upload)
    await quotas.check_storage(session, project_id=project_id, user_id=viewer.user_id)
    return upload


async def check_new_upload(
    session: AsyncSession,
    viewer: Viewer,
    settings: Settings,
    *,
    project_id: UUID,
    filename: str,
    size_bytes: int | None,
    sha256: str | None,
    content_type: str | None,
) -> None:
    """Pass if the viewer may send such a file to the project."""
    await access.require(session, viewer, project_id, ProjectRole.EDITOR)
    if not 1 <= len(filename) <= MAX_FILENAME or "\x00" in filename:
        raise BadInputError(f"The file name must have 1 to {MAX_FILENAME} characters.", field=("filename",))
    if size_bytes is not None:
        check_size(size_bytes, settings)
    if sha256 is not None:
        check_hash(sha256, "sha256")
    if content_type:
        _check_content_type(content_type)


def _check_content_type(declared: str) -> None:
    """Pass if it may be media: more a declared type does not say, as names and browsers are often wrong."""
    media_type = declared.partition(";")[0].strip().lower()
    if not _MIME_TYPE.fullmatch(media_type):
        raise BadInputError("contentType must be a MIME type, such as video/mp4.", field=("contentType",))
    if _NO_MEDIA.fullmatch(media_type):
        raise CuepointError(
            ErrorCode.UNSUPPORTED_MEDIA,
            f"A file of the type {media_type} is no video, sound or picture.",
            field=("contentType",),
            hint="Choose another file; or leave contentType out: what a file is, is found in its bytes.",
        )


def check_hash(value: str, *field: str) -> None:
    """Pass if the value is written as every hash of ours."""
    if not is_hash(value):
        raise BadInputError(f"{field[-1]} must be a hash: 64 lower-case hexadecimal digits.", field=field)


async def _unused_upload(
    session: AsyncSession,
    viewer: Viewer,
    project_id: UUID,
    sha256: str,
    size_bytes: int | None,
    protocol: UploadProtocol,
) -> Upload | None:
    return await session.scalar(
        select(Upload)
        .where(
            Upload.project_id == project_id,
            Upload.created_by_id == viewer.user_id,
            Upload.declared_sha256 == sha256,
            Upload.size_bytes == size_bytes,
            Upload.protocol == protocol,
            Upload.status.in_((*OPEN, UploadStatus.COMPLETE)),
            Upload.storage_key.startswith(OPEN_PREFIX),
            Upload.expires_at > func.now(),
        )
        .order_by(Upload.created_at.desc())
        .limit(1)
    )


async def get_upload(
    session: AsyncSession, viewer: Viewer, upload_id: UUID, role: ProjectRole = ProjectRole.VIEWER
) -> Upload:
    """The upload, if the viewer may see its project."""
    upload = await find_upload(session, upload_id)
    await access.require(session, viewer, None if upload is None else upload.project_id, role, noun="upload")
    assert upload is not None  # without a project nobody passes
    return upload


async def set_size(
    session: AsyncSession, viewer: Viewer, settings: Settings, upload_id: UUID, size_bytes: int
) -> Upload:
    """The upload has that size, which can be told once; telling the same again changes nothing."""
    await get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
    upload = await session.get_one(Upload, upload_id, with_for_update=True, populate_existing=True)
    if upload.size_bytes == size_bytes:
        return upload
    check_open(upload)
    check_size(size_bytes, settings)
    if upload.size_bytes is not None or size_bytes < upload.offset_bytes:
        raise BadInputError(
            f"The upload cannot have {size_bytes} bytes: "
            + ("its size is told already." if upload.size_bytes is not None else f"{upload.offset_bytes} are here.")
        )
    upload.size_bytes = size_bytes
    await session.flush()
    await quotas.check_storage(session, project_id=upload.project_id, user_id=upload.created_by_id)
    return upload


async def receive(
    db: Database,
    storage: Storage,
    viewer: Viewer,
    upload_id: UUID,
    offset: int,
    stream: AsyncIterable[Piece],
    *,
    announced: int = 0,
    checksum: Checksum | None = None,
    max_bytes: int = 0,
    running: RunningDigests = RUNNING,
) -> Upload:
    """Bytes from `offset` on are stored and synced, then the offset is moved; whole uploads get their hashes.

    One writer at a time: the storage's lock on the upload is held from the comparison of the offset until it has been
    moved, so that of two clients at one offset the second gets OFFSET_MISMATCH and overwrites nothing. No database
    session is open while bytes flow. A piece without the checksum that was promised does not count, nor one that goes
    beyond the size, or the quotas where it is not told yet; where so many bytes are announced, none of them is read.
    `max_bytes` is how far an upload may go whose size is not told; `running` are the hashes that this process goes on
    with.
    """
    async with db.read() as session:
        upload = await get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
    if upload.protocol is not UploadProtocol.TUS:
        raise BadInputError("The bytes of this upload do not come by tus; see its `protocol`.")
    check_open(upload)
    async with _lock(db, storage, upload_id) as dropped:
        upload = await standing_at(db, upload_id, offset)
        check_fits(upload, announced)
        limit = await limit_of(db, upload, max_bytes)
        is_declared = upload.declared_sha256 is not None
        watched = Watched(stream, running.take(upload_id, offset, with_sha256=is_declared), checksum)
        try:
            reached = await storage.append(upload.storage_key, offset, watched, limit=limit)
        except CuepointError as error:
            if error.code is ErrorCode.UPLOAD_TOO_LARGE and upload.size_bytes is None:
                await refuse_beyond(db, upload, limit, max_bytes)
            raise
        if not watched.is_as_promised():
            raise CuepointError(
                ErrorCode.CHECKSUM_MISMATCH,
                "The bytes that arrived do not have the checksum of this piece; send it again from the same offset.",
                retryable=True,
            )
        file_digest = watched.file if watched.file is not None and watched.file.position == reached else None
        found = None
        if reached == upload.size_bytes:
            key = upload.storage_key
            found = await hash_of_upload(storage, key, file_digest, reached, with_sha256=is_declared)
        if found is not None and upload.declared_sha256 != found.sha256:
            dropped.extend(await _drop(db, upload_id, UploadStatus.ABORTED))
            raise CuepointError(
                ErrorCode.CHECKSUM_MISMATCH,
                "The bytes that arrived do not have the declared sha256; the upload was dropped, send the file again.",
            )
        moved = await move_offset(db, upload, reached, found)
        if file_digest is not None and found is None:
            running.keep(upload_id, file_digest)
        return moved


async def abort_upload(db: Database, storage: Storage, viewer: Viewer, upload_id: UUID) -> None:
    """The upload is given up and its bytes are gone; repeating it changes nothing. A whole upload is refused: it
    belongs to a video, or expires."""
    async with db.read() as session:
        await get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
    async with _lock(db, storage, upload_id) as dropped:
        async with db.read() as session:
            upload = await get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
        if upload.protocol is UploadProtocol.FETCH:
            raise BadInputError("This upload is fetched by a job: cancel the job, or delete the video.")
        if upload.status is UploadStatus.COMPLETE:
            raise CuepointError(
                ErrorCode.UPLOAD_ALREADY_USED,
                "The upload is complete. Delete the video that was made of it; without one it expires by itself.",
            )
        dropped.extend(await _drop(db, upload_id, UploadStatus.ABORTED))


@asynccontextmanager
async def _lock(db: Database, storage: Storage, upload_id: UUID) -> AsyncIterator[list[str]]:
    """The right to change the upload, and a list of keys that are to be removed afterwards: not before, as whoever
    removes the bytes of an upload takes that right as well."""
    dropped: list[str] = []
    try:
        async with storage.upload_lock(_open_key(upload_id)):
            yield dropped
    finally:
        if dropped:
            await remove_files(db, storage, keys=dropped)


async def _drop(db: Database, upload_id: UUID, status: UploadStatus) -> list[str]:
    """The upload is over, and the keys of its bytes are on the list of removals, unless it has become a video."""
    async with db.write() as session:
        unused = (Upload.id == upload_id, Upload.storage_key == _open_key(upload_id))
        living = Upload.status.in_((*OPEN, UploadStatus.COMPLETE))
        dropped = update(Upload).where(*unused, living).values(status=status).returning(Upload.project_id)
        project_id = (await session.execute(dropped)).scalar_one_or_none()
        keys = [_open_key(upload_id)]
        if project_id is not None:
            if status is UploadStatus.EXPIRED:  # a registration that broke off may have moved the bytes already
                keys += owner_prefixes(project_id, video_id_of(upload_id))
            await enqueue_removal(session, keys, project_id=project_id)
    return keys


async def give_up(db: Database, storage: Storage, upload_id: UUID, moved_to: str) -> None:
    """The bytes of a whole upload are not wanted, as there is a video of them: they are gone, also from `moved_to`,
    and no video can be made of the upload any more. One that has become a video by now is left alone; repeating it
    is harmless. Raises OFFSET_MISMATCH while somebody writes to it."""
    async with _lock(db, storage, upload_id) as dropped, db.write() as session:
        upload = await session.get(Upload, upload_id, with_for_update=True)
        if upload is None or upload.storage_key != _open_key(upload_id):
            return
        upload.status = UploadStatus.ABORTED
        dropped.extend([upload.storage_key, moved_to])
        await enqueue_removal(session, dropped, project_id=upload.project_id)


async def take_upload(session: AsyncSession, viewer: Viewer, upload_id: UUID) -> Upload:
    """The whole upload, locked until the transaction ends. Raises UPLOAD_INCOMPLETE or UPLOAD_EXPIRED."""
    upload = await session.scalar(
        select(Upload).where(Upload.id == upload_id).with_for_update().execution_options(populate_existing=True)
    )
    project_id = None if upload is None else upload.project_id
    await access.require(session, viewer, project_id, ProjectRole.EDITOR, noun="upload")
    assert upload is not None  # without a project nobody passes
    # The clock after the lock was got: an upload that the sweep looked at first has expired by then.
    now = await session.scalar(select(func.clock_timestamp()))
    check_whole(upload, now or datetime.now(UTC))
    return upload


def check_whole(upload: Upload, now: datetime) -> None:
    """Pass if the upload may become a video. One that became one already passes."""
    is_used = upload.storage_key != _open_key(upload.id)
    if upload.status in (UploadStatus.ABORTED, UploadStatus.EXPIRED) or (not is_used and upload.expires_at <= now):
        raise CuepointError(ErrorCode.UPLOAD_EXPIRED, OVER, field=("uploadId",))
    if upload.status is not UploadStatus.COMPLETE or upload.content_hash is None:
        raise CuepointError(
            ErrorCode.UPLOAD_INCOMPLETE,
            f"The upload has {upload.offset_bytes} of {'?' if upload.size_bytes is None else upload.size_bytes} bytes; "
            "send the rest first.",
            field=("uploadId",),
        )


async def expired_uploads(session: AsyncSession, after: UUID | None = None, limit: int = 100) -> list[UUID]:
    """Uploads whose time is over, open ones and whole ones that no video was made of; by id, after `after`."""
    statement = select(Upload.id).where(*_expired()).order_by(Upload.id).limit(limit)
    if after is not None:
        statement = statement.where(Upload.id > after)
    return list((await session.scalars(statement)).all())


def _expired() -> list[ColumnElement[bool]]:
    whole_and_unused = (Upload.status == UploadStatus.COMPLETE) & Upload.storage_key.startswith(OPEN_PREFIX)
    return [Upload.status.in_(OPEN) | whole_and_unused, Upload.expires_at <= func.now()]


async def expire(db: Database, storage: Storage, upload_id: UUID) -> bool:
    """An upload whose time is over is EXPIRED and its bytes are gone; False if it is over otherwise, or has become a
    video. Raises OFFSET_MISMATCH while bytes are arriving."""
    async with _lock(db, storage, upload_id) as dropped:
        async with db.write() as session:
            # The lock waits for a registration that is about to commit; later ones find that the time is over.
            locked = select(Upload.project_id).where(Upload.id == upload_id, *_expired()).with_for_update()
            if await session.scalar(locked) is None:
                return False
        dropped.extend(await _drop(db, upload_id, UploadStatus.EXPIRED))
    return True

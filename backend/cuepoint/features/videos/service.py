"""Use cases of videos: register from an upload, read, list, delete, and record what probing finds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.storage.base import Storage
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.kinds import dedupe_key
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.keys import video_id_of, video_prefix
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos import repository
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.viewer import Viewer

MAX_TITLE = 300
SLUG_LENGTH = 40
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class MediaFile:
    """A file that a signed URL may serve."""

    storage_key: str
    content_type: str
    filename: str


def slug(name: str) -> str:
    """A harmless piece of a file name: lower-case letters, digits and hyphens; "video" when nothing is left."""
    return _NOT_SLUG.sub("-", PurePath(name).stem.lower()).strip("-")[:SLUG_LENGTH].strip("-") or "video"


@dataclass(frozen=True)
class Registration:
    """What became of an upload. `video` is None where REJECT met `duplicate_of`, another video of the same bytes."""

    video: Video | None
    jobs: list[Job]
    duplicate_of: Video | None


async def register_video(
    db: Database,
    storage: Storage,
    viewer: Viewer,
    *,
    upload_id: UUID,
    title: str | None,
    auto_start: bool,
    on_duplicate: OnDuplicate = OnDuplicate.KEEP,
) -> Registration:
    """The whole upload is a video, and its pipeline is enqueued in the same transaction unless told otherwise.

    An upload becomes a video only once: asking again answers with the video that exists. The bytes are moved first,
    under a key that follows from the upload; a crash before the commit leaves them to be found by the next call.
    Where the project has a video of the same bytes, `on_duplicate` decides; two at once of the same bytes wait for
    each other.
    """
    async with db.read() as session:
        upload = await uploads.get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
        existing = await repository.video_of_upload(session, upload_id)
        duplicate = await repository.video_of_content(session, upload)
    if existing is not None:
        return Registration(_undeleted(existing), [], duplicate)
    if duplicate is not None and on_duplicate is not OnDuplicate.KEEP:
        return await _refused(db, storage, upload, duplicate, on_duplicate)
    uploads.check_whole(upload, datetime.now(UTC))
    video = _new_video(upload, viewer, title)
    await storage.finish_upload(upload.storage_key, video.storage_key)
    async with db.write() as session:
        taken = await uploads.take_upload(session, viewer, upload_id)
        existing = await repository.video_of_upload(session, upload_id)
        await repository.lock_content(session, taken)
        duplicate = await repository.video_of_content(session, taken)
        if existing is not None:
            return Registration(_undeleted(existing), [], duplicate)
        if duplicate is None or on_duplicate is OnDuplicate.KEEP:
            taken.storage_key = video.storage_key
            session.add(video)
            await session.flush()
            await session.refresh(video)
            started = await _start(session, viewer, video) if auto_start else []
            return Registration(video, started, duplicate)
    return await _refused(db, storage, upload, duplicate, on_duplicate)


async def _refused(
    db: Database, storage: Storage, upload: Upload, duplicate: Video, on_duplicate: OnDuplicate
) -> Registration:
    """LINK drops the bytes for good; REJECT leaves them, as the client may decide otherwise."""
    if on_duplicate is OnDuplicate.REJECT:
        return Registration(None, [], duplicate)
    await uploads.give_up(db, storage, upload.id, _original_key(upload))
    return Registration(duplicate, [], duplicate)


def _undeleted(video: Video) -> Video:
    if video.deleted_at is not None:
        raise CuepointError(
            ErrorCode.UPLOAD_ALREADY_USED,
            "The video of this upload was deleted; upload the file again.",
            field=("uploadId",),
        )
    return video


def _new_video(upload: Upload, viewer: Viewer, title: str | None) -> Video:
    named = title if title is not None else PurePath(upload.filename).name or upload.filename
    shown = " ".join(named.split())
    if title is not None and (not 1 <= len(shown) <= MAX_TITLE or "\x00" in shown):
        raise BadInputError(f"The title must have 1 to {MAX_TITLE} characters.", field=("title",))
    return Video(
        id=video_id_of(upload.id),
        project_id=upload.project_id,
        created_by_id=viewer.user_id,
        upload_id=upload.id,
        title=shown[:MAX_TITLE] or "Untitled",
        filename=upload.filename,
        storage_key=_original_key(upload),
        size_bytes=upload.offset_bytes,
        content_hash=upload.content_hash,
    )


def _original_key(upload: Upload) -> str:
    name = f"{slug(upload.filename)}-{(upload.content_hash or '')[:12]}"
    return f"{video_prefix(upload.project_id, video_id_of(upload.id))}original/{name}"


async def _start(
    session: AsyncSession, viewer: Viewer, video: Video, kinds: Sequence[JobKind] | None = None
) -> list[Job]:
    return await jobs.start_pipeline(
        session,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=viewer.user_id,
        kinds=kinds,
        media_ms=video.duration_ms,
    )


async def start_pipeline(
    session: AsyncSession, viewer: Viewer, video_id: UUID, kinds: Sequence[JobKind] | None
) -> tuple[Video, list[Job]]:
    """The named steps of the pipeline (all by default) are enqueued; a step that is under way is joined."""
    video = await get_video(session, viewer, video_id, ProjectRole.EDITOR)
    return video, await _start(session, viewer, video, kinds)


async def get_video(
    session: AsyncSession, viewer: Viewer, video_id: UUID, role: ProjectRole = ProjectRole.VIEWER
) -> Video:
    """The video, if it is not deleted and the viewer has that role in its project.

    Whoever asks for more than VIEWER is about to change something: the video then stays undeleted until the
    transaction ends.
    """
    if role is ProjectRole.VIEWER:
        video = await video_row(session, video_id)
    else:
        video = await repository.locked_video(session, video_id, exclusively=False)
    if video is None:
        raise NotFoundError("video")
    await access.require(session, viewer, video.project_id, role, noun="video")
    return video


async def video_row(session: AsyncSession, video_id: UUID | None) -> Video | None:
    """The row for background work, which has no viewer; None when deleted."""
    return await session.scalar(select(Video).where(Video.id == video_id, Video.deleted_at.is_(None)))


def _visible(viewer: Viewer, project_id: UUID | None, content_hash: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Video.deleted_at.is_(None),
        Video.project_id.in_(access.visible_projects(viewer)),
    ]
    if project_id is not None:
        conditions.append(Video.project_id == project_id)
    if content_hash is not None:
        uploads.check_sha256(content_hash, "contentHash")
        conditions.append(Video.content_hash == content_hash)
    return conditions


async def list_videos(
    session: AsyncSession, viewer: Viewer, page: PageRequest, *, project_id: UUID | None, content_hash: str | None
) -> Page[Video]:
    """Videos that the viewer may see, newest first."""
    statement = select(Video).where(*_visible(viewer, project_id, content_hash))
    keys = [(Video.created_at, datetime), (Video.id, UUID)]
    return await fetch_page(session, statement, keys, page, descending=True)


async def count_videos(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID | None, content_hash: str | None
) -> int:
    """How many videos that list holds."""
    statement = select(func.count()).select_from(Video).where(*_visible(viewer, project_id, content_hash))
    return (await session.execute(statement)).scalar_one()


async def delete_video(session: AsyncSession, viewer: Viewer, video_id: UUID) -> tuple[Video, Job]:
    """The video is hidden at once, its jobs are cancelled, and a job removes files and rows when they are over.

    A job that ends at this moment locks the same rows the other way round: run it with `jobs.in_transaction`.
    """
    video = await repository.locked_video(session, video_id, exclusively=True)
    if video is None:
        raise NotFoundError("video")
    await access.require(session, viewer, video.project_id, ProjectRole.EDITOR, noun="video")
    video.deleted_at = datetime.now(UTC)
    await session.flush()
    cancelled = await jobs.cancel_jobs_of_video(session, video_id)
    job = await jobs.enqueue(
        session,
        JobKind.VIDEO_DELETION,
        project_id=video.project_id,
        video_id=video_id,
        created_by_id=viewer.user_id,
        args={"video_id": str(video_id), "prefix": video_prefix(video.project_id, video_id)},
        depends_on=[(job_id, False) for job_id in cancelled],
        dedupe_key=dedupe_key(video_id, JobKind.VIDEO_DELETION),
    )
    return video, job


async def record_media_info(
    session: AsyncSession, video_id: UUID, info: MediaInfo, content_type: str, poster: Rendition | None
) -> None:
    """The video's columns say what the probe found, and its poster is replaced."""
    video = await repository.locked_video(session, video_id, exclusively=True)
    if video is None:
        raise NotFoundError("video")
    video.content_type = content_type
    video.duration_ms = info.duration_ms
    video.container = info.container
    video.width = info.video.width if info.video else None
    video.height = info.video.height if info.video else None
    video.media = dataclasses.asdict(info)
    video.probed_at = datetime.now(UTC)
    await session.flush()
    if poster is not None:
        await repository.replace_rendition(session, poster)
    else:
        await repository.remove_rendition(session, video_id, RenditionKind.POSTER)


def stored_media_info(video: Video) -> MediaInfo:
    """The probe's result as it was recorded. Raises NOT_READY before the video was probed."""
    if video.media is None:
        raise CuepointError(ErrorCode.NOT_READY, "The video has not been probed yet; wait for its PROBE job.")
    tracks = [
        TrackInfo(**{**track, "frame_rate": tuple(track["frame_rate"]) if track["frame_rate"] else None})
        for track in video.media["tracks"]
    ]
    return MediaInfo(**{**video.media, "tracks": tuple(tracks), "warnings": tuple(video.media["warnings"])})


async def remove_row(session: AsyncSession, video_id: UUID) -> None:
    """The row of a video that was marked as deleted is gone, all that was made of it by cascade, and its upload."""
    statement = delete(Video).where(Video.id == video_id, Video.deleted_at.is_not(None)).returning(Video.upload_id)
    upload_id = (await session.execute(statement)).scalar_one_or_none()
    if upload_id is not None:
        await session.execute(delete(Upload).where(Upload.id == upload_id))


async def get_rendition(session: AsyncSession, video_id: UUID, kind: RenditionKind) -> Rendition | None:
    """The video's rendition of that kind, if there is one."""
    return await session.scalar(select(Rendition).where(Rendition.video_id == video_id, Rendition.kind == kind))


async def media_file(session: AsyncSession, video_id: UUID) -> MediaFile | None:
    """The original, for a signed URL."""
    video = await video_row(session, video_id)
    if video is None:
        return None
    return MediaFile(video.storage_key, video.content_type or "application/octet-stream", video.filename)


async def rendition_file(session: AsyncSession, rendition_id: UUID) -> MediaFile | None:
    """A rendition, for a signed URL."""
    statement = (
        select(Rendition)
        .join(Video, Video.id == Rendition.video_id)
        .where(Rendition.id == rendition_id, Video.deleted_at.is_(None))
    )
    rendition = await session.scalar(statement)
    if rendition is None:
        return None
    suffix = {"image/jpeg": ".jpg", "audio/wav": ".wav"}.get(rendition.content_type, "")
    return MediaFile(rendition.storage_key, rendition.content_type, rendition.kind.value.lower() + suffix)

"""Videos whose bytes this instance fetches itself: they exist from the wish on, and get their bytes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import NotFoundError
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.kinds import dedupe_key
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.presets.service import effective_options
from cuepoint.features.uploads.duplicates import OnDuplicate, duplicate_refused
from cuepoint.features.uploads.keys import original_key, video_id_of
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos import repository
from cuepoint.features.videos.details import MAX_TITLE
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.service import AS_SAID, StartOptions, start_jobs

UNFINISHED = (JobStatus.BLOCKED, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True)
class Expected:
    """A video without bytes, and the jobs that it has: the one that fetches first, then its pipeline in order."""

    video: Video
    jobs: Sequence[Job]


async def expect_video(
    session: AsyncSession,
    upload: Upload,
    *,
    title: str,
    args: dict[str, Any],
    auto_start: bool,
    how: StartOptions = AS_SAID,
) -> Expected:
    """A video that has no bytes yet, the INGEST job that brings them, and the pipeline, which waits for it: all of
    them in the caller's transaction. `args` are the job's, `how` is the pipeline's."""
    video = Video(
        id=video_id_of(upload.id),
        project_id=upload.project_id,
        created_by_id=upload.created_by_id,
        upload_id=upload.id,
        title=title,
        filename=upload.filename,
        storage_key=upload.storage_key,
    )
    session.add(video)
    await session.flush()
    await session.refresh(video)
    whose = {"project_id": video.project_id, "video_id": video.id, "created_by_id": upload.created_by_id}
    key = dedupe_key(video.id, JobKind.INGEST)
    found = await effective_options(session, video.project_id, how.options, how.preset_id)
    args = {**args, **found.arguments(JobKind.INGEST)}
    ingest = await jobs.enqueue(session, JobKind.INGEST, args=args, dedupe_key=key, batch_id=how.batch_id, **whose)
    started = await start_jobs(session, video, upload.created_by_id, None, how) if auto_start else []
    return Expected(video, [ingest, *started])


async def find_duplicate(session: AsyncSession, upload: Upload, on_duplicate: OnDuplicate) -> Video | None:
    """The oldest other video of the project with the same bytes. Raises DUPLICATE_VIDEO where REJECT meets one."""
    found = await repository.video_of_content(session, upload)
    if found is not None and on_duplicate is OnDuplicate.REJECT:
        raise duplicate_refused()
    return found


async def settle_video(
    session: AsyncSession, upload: Upload, *, title: str | None, on_duplicate: OnDuplicate, job_id: UUID
) -> Video | None:
    """The video of a whole upload has its bytes, which were moved to `original_key` before. Two at once of the same
    bytes wait for each other.

    Where LINK meets a video of the same bytes, that one is returned: the one that waited is deleted, its pipeline is
    cancelled, and only the job that asks, `job_id`, goes on. Raises DUPLICATE_VIDEO for REJECT, and NotFoundError when
    the video was deleted meanwhile.
    """
    await repository.lock_content(session, upload)
    duplicate = await find_duplicate(session, upload, on_duplicate)
    is_unwanted = duplicate is not None and on_duplicate is OnDuplicate.LINK
    video = await repository.locked_video(session, video_id_of(upload.id), exclusively=is_unwanted)
    if video is None:
        raise NotFoundError("video")
    if is_unwanted:
        upload.status = UploadStatus.ABORTED
        await enqueue_removal(session, [upload.storage_key, original_key(upload)], project_id=upload.project_id)
        await _discard(session, video, job_id)
        return duplicate
    video.size_bytes = upload.offset_bytes
    video.content_hash, video.sha256 = upload.content_hash, upload.declared_sha256
    if video.title == video.filename:  # nobody has named it meanwhile
        video.title = (title or upload.filename)[:MAX_TITLE]
    video.filename = upload.filename
    video.storage_key = original_key(upload)
    upload.storage_key = video.storage_key
    upload.status = UploadStatus.COMPLETE
    await session.flush()
    return None


async def _discard(session: AsyncSession, video: Video, job_id: UUID) -> None:
    video.deleted_at = datetime.now(UTC)
    await session.flush()
    others = select(Job.id).where(Job.video_id == video.id, Job.id != job_id, Job.status.in_(UNFINISHED))
    await jobs.cancel_all(session, (await session.scalars(others)).all())
    await jobs.enqueue(
        session,
        JobKind.VIDEO_DELETION,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=video.created_by_id,
        args={"video_id": str(video.id)},
        depends_on=[(job_id, False)],
        dedupe_key=dedupe_key(video.id, JobKind.VIDEO_DELETION),
    )

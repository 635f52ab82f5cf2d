"""Deleting videos: hidden at once, kept in the trash as long as the operator wants, then removed by a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.kinds import dedupe_key
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.keys import video_prefix
from cuepoint.features.videos import repository
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

PURGE_BATCH = 100
MAX_ITEMS = 100


async def delete_video(
    session: AsyncSession, viewer: Viewer, video_id: UUID, *, trash_days: int = 0
) -> tuple[Video, Job | None]:
    """The video is hidden at once and its jobs are cancelled. A job removes files and rows: at once without
    `trash_days`, else when those are over (None until then), and the video can be restored so long.

    A job that ends at this moment locks the same rows the other way round: run it with `jobs.in_transaction`.
    """
    video = await repository.locked_video(session, video_id, exclusively=True)
    project_id = None if video is None else video.project_id
    await access.require(session, viewer, project_id, ProjectRole.EDITOR, noun="video")
    assert video is not None  # else it was refused
    job = await discard_video(session, video, trash_days=trash_days, created_by_id=viewer.user_id)
    await _note(session, viewer, AuditAction.DELETED, video)
    return video, job


async def _note(session: AsyncSession, viewer: Viewer, action: AuditAction, video: Video) -> None:
    told = {"title": video.title, "filename": video.filename}
    await audit.record(session, viewer, action, "Video", video.id, project_id=video.project_id, before=told)


@dataclass(frozen=True)
class Deletion:
    """What became of one of several videos: deleted, or refused."""

    video: Video | None = None
    job: Job | None = None
    error: CuepointError | None = None


async def delete_videos(
    db: Database, viewer: Viewer, video_ids: Sequence[UUID | None], *, trash_days: int, is_all_or_nothing: bool
) -> list[Deletion]:
    """Each of the videos is deleted as by `delete_video`; one that is refused says why, and None is no video's id.

    With `is_all_or_nothing` the first refusal is raised, its place in `ids` as the field, and nothing has changed.
    """
    if not 1 <= len(video_ids) <= MAX_ITEMS:
        raise BadInputError(f"1 to {MAX_ITEMS} videos can be deleted at once, not {len(video_ids)}.", field=("ids",))
    if is_all_or_nothing:
        return await jobs.in_transaction(db, lambda session: _delete_all(session, viewer, video_ids, trash_days))
    return [await _delete_alone(db, viewer, video_id, trash_days) for video_id in video_ids]


async def _delete_all(
    session: AsyncSession, viewer: Viewer, video_ids: Sequence[UUID | None], trash_days: int
) -> list[Deletion]:
    deletions = []
    for index, video_id in enumerate(video_ids):
        try:
            deletions.append(await _delete_one(session, viewer, video_id, trash_days))
        except CuepointError as error:
            error.field = ("ids", str(index))
            raise
    return deletions


async def _delete_alone(db: Database, viewer: Viewer, video_id: UUID | None, trash_days: int) -> Deletion:
    try:
        return await jobs.in_transaction(db, lambda session: _delete_one(session, viewer, video_id, trash_days))
    except CuepointError as error:
        return Deletion(error=error)


async def _delete_one(session: AsyncSession, viewer: Viewer, video_id: UUID | None, trash_days: int) -> Deletion:
    if video_id is None:
        raise NotFoundError("video")
    video, job = await delete_video(session, viewer, video_id, trash_days=trash_days)
    return Deletion(video, job)


async def discard_video(
    session: AsyncSession, video: Video, *, trash_days: int, created_by_id: UUID | None
) -> Job | None:
    """What `delete_video` does, for a row that the caller has locked and may delete."""
    video.deleted_at = datetime.now(UTC)
    video.purge_at = video.deleted_at + timedelta(days=trash_days) if trash_days else None
    await session.flush()
    cancelled = await jobs.cancel_jobs_of_video(session, video.id)
    if trash_days:
        return None
    return await _enqueue_deletion(session, video, created_by_id, cancelled)


async def restore_video(session: AsyncSession, viewer: Viewer, video_id: UUID) -> Video:
    """The video is there again with all that was made of it; jobs that its deletion cancelled stay cancelled.

    Raises NotFoundError when it is not in the trash (any more), EXTERNAL_ID_TAKEN when another video of the project
    has got its external id meanwhile.
    """
    statement = select(Video).where(Video.id == video_id, Video.purge_at.is_not(None))
    locking = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    video = await session.scalar(locking)
    # The clock after the lock was got: whoever purges looks at it as well.
    now = await session.scalar(select(func.clock_timestamp()))
    is_over = video is None or video.purge_at is None or now is None or video.purge_at <= now
    project_id = None if video is None or is_over else video.project_id
    await access.require(session, viewer, project_id, ProjectRole.EDITOR, noun="deleted video")
    assert video is not None  # else it was refused
    video.deleted_at = video.purge_at = None
    external_id = video.external_id
    try:
        await session.flush()
    except IntegrityError as error:
        if "external_id" not in str(error.orig):
            raise
        raise CuepointError(
            ErrorCode.EXTERNAL_ID_TAKEN,
            f"Another video of the project has the external id {external_id!r} by now.",
            field=("id",),
            hint="Change that one's external id, then restore this video.",
        ) from error
    await _note(session, viewer, AuditAction.RESTORED, video)
    return video


async def purge_due(session: AsyncSession) -> int:
    """Videos whose time in the trash is over have the job that removes them; how many. Call it until there are none.

    Every caller takes others, so that it may run anywhere at any time.
    """
    due = (
        select(Video)
        .where(Video.purge_at <= func.clock_timestamp())
        .order_by(Video.purge_at)
        .limit(PURGE_BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    videos: Sequence[Video] = (await session.scalars(due)).all()
    for video in videos:
        await _enqueue_deletion(session, video, None, [])
    await session.execute(update(Video).where(Video.id.in_([video.id for video in videos])).values(purge_at=None))
    return len(videos)


async def _enqueue_deletion(
    session: AsyncSession, video: Video, created_by_id: UUID | None, after: Sequence[UUID]
) -> Job:
    return await jobs.enqueue(
        session,
        JobKind.VIDEO_DELETION,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=created_by_id,
        # `prefix` is what workers of the release before this one ask for
        args={"video_id": str(video.id), "prefix": video_prefix(video.project_id, video.id)},
        depends_on=[(job_id, False) for job_id in after],
        dedupe_key=dedupe_key(video.id, JobKind.VIDEO_DELETION),
    )

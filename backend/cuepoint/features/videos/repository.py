"""Statements of videos, their renditions and the jobs that their state follows from."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos.models import Rendition, RenditionKind, Video

_RENDITION_KEY = ("video_id", "kind")
STEPS = (JobKind.INGEST, *PIPELINE)  # whose newest jobs the state of a video follows from
_RENDITION_FACTS = ("storage_key", "content_type", "size_bytes", "start_ms", "duration_ms", "width", "height")


async def video_of_upload(session: AsyncSession, upload_id: UUID) -> Video | None:
    """The video that was made of the upload, deleted or not."""
    return await session.scalar(select(Video).where(Video.upload_id == upload_id))


async def video_of_content(session: AsyncSession, upload: Upload) -> Video | None:
    """The oldest video in the upload's project of the same bytes, but for the one that was made of the upload; None
    while the upload is not whole."""
    if upload.content_hash is None:
        return None
    known = [upload.content_hash, *([] if upload.declared_sha256 is None else [upload.declared_sha256])]
    statement = select(Video).where(is_file(upload.project_id, *known), Video.upload_id.is_distinct_from(upload.id))
    return await session.scalar(statement.order_by(Video.created_at, Video.id).limit(1))


def is_file(project_id: UUID, *hashes: str) -> ColumnElement[bool]:
    """A video of the project that can stand for new bytes which have one of these hashes; not one whose file was given
    up."""
    is_there = and_(Video.deleted_at.is_(None), Video.files_removed_at.is_(None))
    return and_(Video.project_id == project_id, has_hash(*hashes), is_there)


def has_hash(*hashes: str) -> ColumnElement[bool]:
    """A video whose original has one of these hashes, whichever they are: releases before BLAKE3 wrote the SHA-256 as
    the hash of the content, and may go on beside this one for a while."""
    return or_(Video.content_hash.in_(hashes), Video.sha256.in_(hashes))


async def lock_content(session: AsyncSession, upload: Upload) -> None:
    """Until the transaction ends nobody else registers the same bytes in the same project."""
    key = f"{upload.project_id}/{upload.content_hash}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


async def locked_video(session: AsyncSession, video_id: UUID, *, exclusively: bool) -> Video | None:
    """The row, if it is not deleted. `exclusively`: to delete it; else it cannot be deleted until the transaction
    ends, so that nothing is enqueued for a video whose jobs were just cancelled."""
    statement = select(Video).where(Video.id == video_id, Video.deleted_at.is_(None))
    locking = statement.with_for_update(read=not exclusively, key_share=exclusively)
    return await session.scalar(locking.execution_options(populate_existing=True))


async def replace_rendition(session: AsyncSession, rendition: Rendition) -> UUID:
    """The video's only rendition of that kind is this one; returns the key of its row."""
    facts = {name: getattr(rendition, name) for name in _RENDITION_FACTS}
    key = {name: getattr(rendition, name) for name in _RENDITION_KEY}
    statement = insert(Rendition).values(id=uuid7(), **key, **facts)
    replacing = statement.on_conflict_do_update(index_elements=_RENDITION_KEY, set_=facts | {"created_at": func.now()})
    row_id: UUID = (await session.execute(replacing.returning(Rendition.id))).scalar_one()
    return row_id


async def remove_rendition(session: AsyncSession, video_id: UUID, kind: RenditionKind) -> None:
    """The video has no rendition of that kind."""
    await session.execute(delete(Rendition).where(Rendition.video_id == video_id, Rendition.kind == kind))


async def newest_jobs_of(session: AsyncSession, video_ids: Sequence[UUID]) -> dict[UUID, list[Job]]:
    """The newest job of each step of the pipeline of each video, in one statement.

    Clips and deletion are no steps: a clip's job is shown on the clip.
    """
    statement = (
        select(Job)
        .ext(distinct_on(Job.video_id, Job.kind))
        .where(Job.video_id.in_(video_ids), Job.kind.in_(STEPS))
        .order_by(Job.video_id, Job.kind, Job.created_at.desc(), Job.id.desc())
    )
    found: dict[UUID, list[Job]] = {video_id: [] for video_id in video_ids}
    for job in await session.scalars(statement):
        if job.video_id is not None:
            found[job.video_id].append(job)
    for jobs in found.values():
        jobs.sort(key=lambda job: STEPS.index(job.kind))
    return found

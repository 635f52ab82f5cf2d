"""Statements on transcripts: revisions and their order, segments by page, passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, literal, not_, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.asr.base import AsrSegment
from cuepoint.db.keyset import Page, PageRequest, fetch_pages
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects import access
from cuepoint.features.transcripts.chunking import Chunk
from cuepoint.features.transcripts.models import Transcript, TranscriptChunk, TranscriptSegment, TranscriptStatus
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer


@dataclass(frozen=True)
class TimeRange:
    """A stretch of the media, `[start_ms, end_ms)`; a segment belongs to it if it overlaps."""

    start_ms: int
    end_ms: int


WORDS = ("word_texts", "word_starts_ms", "word_ends_ms", "word_probabilities")


@dataclass(frozen=True)
class SegmentRequest(PageRequest):
    """A page of segments; with `range` only those that overlap it. Without `with_words` their words are not read."""

    range: TimeRange | None = None
    with_words: bool = True


def visible(viewer: Viewer) -> Select[Transcript]:
    """Transcripts of videos that are not deleted and lie in a project that the viewer may see."""
    return (
        select(Transcript)
        .join(Video, Video.id == Transcript.video_id)
        .where(Video.deleted_at.is_(None), access.sees_video(viewer, Video.project_id, Video.id))
    )


async def lock_revisions(session: AsyncSession, video_id: UUID) -> None:
    """Revisions of this video are made by one transaction at a time.

    Not by a lock on the video's row: whoever deletes the video holds that one while it waits for the jobs' rows, and a
    task holds its job's row already.
    """
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"transcripts:{video_id}", 0))))


async def next_revision(session: AsyncSession, video_id: UUID) -> int:
    """The number of the video's next revision; the revisions must be locked."""
    statement = select(func.coalesce(func.max(Transcript.revision), 0) + 1).where(Transcript.video_id == video_id)
    return (await session.execute(statement)).scalar_one()


async def drop_drafts(session: AsyncSession, video_id: UUID) -> None:
    """No draft of the video is left, whichever job began it."""
    await session.execute(
        delete(Transcript).where(Transcript.video_id == video_id, Transcript.status == TranscriptStatus.DRAFT)
    )


async def draft_of_job(session: AsyncSession, job_id: UUID, model_key: str, language: str | None) -> Transcript | None:
    """The draft that an earlier attempt of the job left, if the same model made it of the sound that there still is,
    for the same language; None: for the one that it detects, which has a probability."""
    is_detected = Transcript.language_probability.is_not(None)
    extracted_since = exists().where(
        Job.video_id == Transcript.video_id,
        Job.kind == JobKind.AUDIO_EXTRACTION,
        Job.status == JobStatus.SUCCEEDED,
        Job.finished_at > Transcript.created_at,
    )
    return await session.scalar(
        select(Transcript).where(
            Transcript.job_id == job_id,
            Transcript.status == TranscriptStatus.DRAFT,
            Transcript.model_key == model_key,
            is_detected if language is None else (Transcript.language == language) & not_(is_detected),
            not_(extracted_since),
        )
    )


async def supersede(session: AsyncSession, video_id: UUID) -> None:
    """The video has no ACTIVE revision: the unique index has room for the next one."""
    await session.execute(
        update(Transcript)
        .where(Transcript.video_id == video_id, Transcript.status == TranscriptStatus.ACTIVE)
        .values(status=TranscriptStatus.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )


async def drop_windows_from(session: AsyncSession, transcript_id: UUID, window: int) -> None:
    """No segment of that window or of a later one is left."""
    await session.execute(
        delete(TranscriptSegment).where(
            TranscriptSegment.transcript_id == transcript_id, TranscriptSegment.window >= window
        )
    )


async def end_of_segments(session: AsyncSession, transcript_id: UUID) -> tuple[int, int]:
    """The next free position, and the time at which the last segment ends."""
    statement = select(
        func.coalesce(func.max(TranscriptSegment.position) + 1, 0),
        func.coalesce(func.max(TranscriptSegment.end_ms), 0),
    ).where(TranscriptSegment.transcript_id == transcript_id)
    position, end_ms = (await session.execute(statement)).one()
    return position, end_ms


async def insert_segments(
    session: AsyncSession, transcript_id: UUID, window: int, position: int, segments: Sequence[AsrSegment]
) -> None:
    """The segments are stored from `position` on, their words packed into arrays."""
    if segments:
        await session.execute(
            insert(TranscriptSegment),
            [_segment_row(transcript_id, window, position + index, each) for index, each in enumerate(segments)],
        )


def _segment_row(transcript_id: UUID, window: int, position: int, segment: AsrSegment) -> dict[str, Any]:
    return {
        "transcript_id": transcript_id,
        "position": position,
        "window": window,
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "text": segment.text,
        "word_texts": [word.text for word in segment.words],
        "word_starts_ms": [word.start_ms for word in segment.words],
        "word_ends_ms": [word.end_ms for word in segment.words],
        "word_probabilities": [word.probability for word in segment.words],
        "avg_logprob": segment.avg_logprob,
        "no_speech_prob": segment.no_speech_prob,
        "compression_ratio": segment.compression_ratio,
    }


async def segments_of(
    session: AsyncSession, transcript_id: UUID, range: TimeRange | None = None
) -> Sequence[TranscriptSegment]:
    """Every segment, in order; with `range` only those that overlap it."""
    statement = select(TranscriptSegment).where(TranscriptSegment.transcript_id == transcript_id, *_in_range(range))
    return (await session.scalars(statement.order_by(TranscriptSegment.position))).all()


def _in_range(range: TimeRange | None) -> list[ColumnElement[bool]]:
    if range is None:
        return []
    return [TranscriptSegment.start_ms < range.end_ms, TranscriptSegment.end_ms > range.start_ms]


async def segment_pages(
    session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID], request: SegmentRequest
) -> dict[UUID, Page[TranscriptSegment]]:
    """The same page of several transcripts, in one statement; an empty page for one that the viewer may not see."""
    seen = visible(viewer).with_only_columns(Transcript.id).where(Transcript.id.in_(transcript_ids))
    return await fetch_pages(
        session,
        TranscriptSegment,
        TranscriptSegment.transcript_id,
        transcript_ids,
        [(TranscriptSegment.position, int)],
        request,
        where=[TranscriptSegment.transcript_id.in_(seen), *_in_range(request.range)],
        without=() if request.with_words else WORDS,
    )


async def segment_counts(
    session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID], range: TimeRange | None
) -> dict[UUID, int]:
    """How many segments each of the transcripts has in that range; none are left out."""
    statement = (
        visible(viewer)
        .with_only_columns(Transcript.id, func.count())
        .join(TranscriptSegment, TranscriptSegment.transcript_id == Transcript.id)
        .where(Transcript.id.in_(transcript_ids), *_in_range(range))
        .group_by(Transcript.id)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}


async def texts_of(session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The whole text of each of the transcripts that has any."""
    text = func.string_agg(TranscriptSegment.text, aggregate_order_by(literal(" "), TranscriptSegment.position))
    statement = (
        visible(viewer)
        .with_only_columns(Transcript.id, text)
        .join(TranscriptSegment, TranscriptSegment.transcript_id == Transcript.id)
        .where(Transcript.id.in_(transcript_ids))
        .group_by(Transcript.id)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}


async def replace_chunks(
    session: AsyncSession, transcript_id: UUID, ids: Sequence[UUID], chunks: Sequence[Chunk]
) -> None:
    """The passages of the revision are these, and no others."""
    await session.execute(delete(TranscriptChunk).where(TranscriptChunk.transcript_id == transcript_id))
    if chunks:
        await session.execute(
            insert(TranscriptChunk),
            [
                {
                    "transcript_id": transcript_id,
                    "id": chunk_id,
                    "position": position,
                    "start_ms": chunk.start_ms,
                    "end_ms": chunk.end_ms,
                    "text": chunk.text,
                }
                for position, (chunk_id, chunk) in enumerate(zip(ids, chunks, strict=True))
            ],
        )

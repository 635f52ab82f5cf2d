"""Use cases of transcripts: drafts that grow window by window, the active revision, its segments and passages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.asr.base import AsrModelInfo, AsrPlan, AsrSegment, AsrWindow
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.transcripts import repository
from cuepoint.features.transcripts.captions import Captions
from cuepoint.features.transcripts.chunking import Chunk, chunk_ids
from cuepoint.features.transcripts.models import (
    CAPTIONS_ENGINE,
    EmptyReason,
    Transcript,
    TranscriptChunk,
    TranscriptSegment,
    TranscriptSource,
    TranscriptStatus,
)
from cuepoint.features.transcripts.notice import notice_of
from cuepoint.features.transcripts.placement import place_segments
from cuepoint.features.transcripts.repository import SegmentRequest, TimeRange
from cuepoint.features.transcripts.subtitles import CONTENT_TYPES, TranscriptFormat, render
from cuepoint.features.videos import service as videos
from cuepoint.viewer import Viewer


@dataclass(frozen=True)
class TranscriptFile:
    """A transcript in one of its formats, whole."""

    filename: str
    content_type: str
    content: str


async def find_draft(
    session: AsyncSession, *, job_id: UUID, model: AsrModelInfo, language: str | None
) -> Transcript | None:
    """What an earlier attempt of this job has done already of the same sound with this model, to go on at
    `windows_done`; `language` is what is asked for, None = to be detected."""
    return await repository.draft_of_job(session, job_id, model.key, language)


async def begin_or_resume_draft(
    session: AsyncSession, *, video_id: UUID, job_id: UUID, model: AsrModelInfo, plan: AsrPlan
) -> Transcript:
    """The video's only draft, and it belongs to this job: its own one with what is done, else a new one.

    Drafts of other jobs, of another model or for another language are dropped. Raises NotFoundError when the video is
    gone.
    """
    await _lock_revisions(session, video_id)
    wanted = plan.language if plan.language_probability is None else None
    draft = await repository.draft_of_job(session, job_id, model.key, wanted)
    if draft is not None:
        return draft
    await repository.drop_drafts(session, video_id)
    draft = Transcript(
        id=uuid7(),
        video_id=video_id,
        job_id=job_id,
        revision=await repository.next_revision(session, video_id),
        status=TranscriptStatus.DRAFT,
        language=plan.language,
        language_probability=plan.language_probability,
        engine=model.engine,
        model=model.model,
        model_key=model.key,
        is_demo_model=model.is_demo,
        windows=[[window.start_ms, window.end_ms, window.is_cut_in_speech] for window in plan.windows],
        windows_done=0,
    )
    session.add(draft)
    await session.flush()
    return draft


def planned_windows(transcript: Transcript) -> list[AsrWindow]:
    """The windows of the plan that the revision was made by, times in the audio file."""
    return [AsrWindow(start_ms, end_ms, is_cut) for start_ms, end_ms, is_cut in transcript.windows]


async def append_window(
    session: AsyncSession,
    transcript_id: UUID,
    window: int,
    segments: Sequence[AsrSegment],
    *,
    offset_ms: int,
    media_end_ms: int | None,
) -> int:
    """The draft holds the windows up to this one; returns how many segments it added.

    `offset_ms` is where the audio file begins in the media. Storing a window again replaces it and what followed it.
    Raises NotFoundError when the draft is gone, ValueError when an earlier window is missing.
    """
    draft = await _locked(session, transcript_id)
    if draft.status is not TranscriptStatus.DRAFT:
        raise CuepointError(ErrorCode.ALREADY_FINAL, "This revision is finished; a new transcription makes another.")
    if window > draft.windows_done:
        raise ValueError(f"window {window} comes before window {draft.windows_done} is stored")
    await repository.drop_windows_from(session, transcript_id, window)
    position, end_ms = await repository.end_of_segments(session, transcript_id)
    placed = place_segments(segments, offset_ms=offset_ms, earliest_ms=end_ms, media_end_ms=media_end_ms)
    await repository.insert_segments(session, transcript_id, window, position, placed)
    draft.windows_done = window + 1
    await session.flush()
    return len(placed)


async def activate(session: AsyncSession, transcript_id: UUID) -> Transcript:
    """The revision is the video's ACTIVE one, the former one SUPERSEDED. Without any segment it says NO_SPEECH.

    Raises NotFoundError when the revision is gone, ValueError when a window is missing.
    """
    video_id = await session.scalar(select(Transcript.video_id).where(Transcript.id == transcript_id))
    if video_id is None:
        raise NotFoundError("transcript")
    await _lock_revisions(session, video_id)
    transcript = await _locked(session, transcript_id)
    if transcript.status is TranscriptStatus.ACTIVE:
        return transcript
    if transcript.windows_done < len(transcript.windows):
        raise ValueError(f"only {transcript.windows_done} of {len(transcript.windows)} windows are stored")
    position, _ = await repository.end_of_segments(session, transcript_id)
    if position == 0 and transcript.empty_reason is None:
        transcript.empty_reason = EmptyReason.NO_SPEECH
    if transcript.empty_reason is not None:  # a language is detected in silence too, and means nothing
        transcript.language = transcript.language_probability = None
    await repository.supersede(session, video_id)
    transcript.status = TranscriptStatus.ACTIVE
    transcript.activated_at = func.now()
    await session.flush()
    await session.refresh(transcript)
    return transcript


async def activate_empty(
    session: AsyncSession, *, video_id: UUID, job_id: UUID, model: AsrModelInfo, reason: EmptyReason
) -> Transcript:
    """The video's ACTIVE revision has no words, and says why; captions of people, who heard some, stay ACTIVE."""
    plan = AsrPlan(windows=(), language=None, language_probability=None, duration_ms=0)
    await _lock_revisions(session, video_id)
    await repository.drop_drafts(session, video_id)
    active = await _active(session, video_id)
    if active is not None and active.source is TranscriptSource.CAPTIONS:
        return active
    draft = await begin_or_resume_draft(session, video_id=video_id, job_id=job_id, model=model, plan=plan)
    draft.empty_reason = reason
    await session.flush()
    return await activate(session, draft.id)


async def adopt_captions(session: AsyncSession, *, video_id: UUID, job_id: UUID, captions: Captions) -> bool:
    """Captions are the first revision of the video, ACTIVE until another one is. False, and nothing is changed, where
    it has a revision already, or nothing of them lies within the media."""
    await _lock_revisions(session, video_id)
    end_ms = captions.media_end_ms
    placed = place_segments(captions.cues, offset_ms=captions.offset_ms, media_end_ms=end_ms)
    if not placed or await repository.next_revision(session, video_id) > 1:
        return False
    model = AsrModelInfo(CAPTIONS_ENGINE, captions.origin, is_demo=False, key=CAPTIONS_ENGINE)
    plan = AsrPlan((AsrWindow(0, end_ms),), captions.iso_language, None, end_ms)
    draft = await begin_or_resume_draft(session, video_id=video_id, job_id=job_id, model=model, plan=plan)
    await append_window(session, draft.id, 0, placed, offset_ms=0, media_end_ms=end_ms)
    await activate(session, draft.id)
    return True


async def _lock_revisions(session: AsyncSession, video_id: UUID) -> None:
    await repository.lock_revisions(session, video_id)
    if await videos.video_row(session, video_id) is None:
        raise NotFoundError("video")


async def _locked(session: AsyncSession, transcript_id: UUID) -> Transcript:
    transcript = await session.get(Transcript, transcript_id, with_for_update=True)
    if transcript is None:
        raise NotFoundError("transcript")
    return transcript


async def get_transcript(session: AsyncSession, viewer: Viewer, transcript_id: UUID) -> Transcript:
    """The revision, in whatever state, if the viewer may see its video."""
    transcript = await session.scalar(repository.visible(viewer).where(Transcript.id == transcript_id))
    if transcript is None:
        raise NotFoundError("transcript")
    return transcript


async def transcripts_by_id(
    session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID]
) -> dict[UUID, Transcript]:
    """Those of the revisions that the viewer may see."""
    statement = repository.visible(viewer).where(Transcript.id.in_(transcript_ids))
    return {transcript.id: transcript for transcript in await session.scalars(statement)}


async def active_transcript(session: AsyncSession, viewer: Viewer, video_id: UUID) -> Transcript | None:
    """The video's ACTIVE revision, if there is one; NotFoundError when the viewer may not see the video."""
    await videos.get_video(session, viewer, video_id)
    return await _active(session, video_id)


async def has_active(session: AsyncSession, video_id: UUID) -> bool:
    """Whether the video has an ACTIVE revision, for background work."""
    return await _active(session, video_id) is not None


async def active_transcripts(
    session: AsyncSession, viewer: Viewer, video_ids: Sequence[UUID]
) -> dict[UUID, Transcript]:
    """The ACTIVE revision of each of the videos that has one and that the viewer may see."""
    statement = repository.visible(viewer).where(
        Transcript.video_id.in_(video_ids), Transcript.status == TranscriptStatus.ACTIVE
    )
    return {transcript.video_id: transcript for transcript in await session.scalars(statement)}


async def segment_pages(
    session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID], request: SegmentRequest
) -> dict[UUID, Page[TranscriptSegment]]:
    """The same page of several transcripts in one statement; empty for those that the viewer may not see."""
    return await repository.segment_pages(session, viewer, transcript_ids, request)


async def segment_counts(
    session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID], range: TimeRange | None
) -> dict[UUID, int]:
    """How many segments each transcript has in that range; transcripts without any are left out."""
    return await repository.segment_counts(session, viewer, transcript_ids, range)


async def texts(session: AsyncSession, viewer: Viewer, transcript_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The whole text of each transcript; transcripts without any are left out."""
    return await repository.texts_of(session, viewer, transcript_ids)


async def transcript_file(
    session: AsyncSession, viewer: Viewer, transcript_id: UUID, format: TranscriptFormat
) -> TranscriptFile:
    """The whole transcript as a file. Raises NOT_READY while it is a draft."""
    transcript = await get_transcript(session, viewer, transcript_id)
    if transcript.status is TranscriptStatus.DRAFT:
        raise CuepointError(
            ErrorCode.NOT_READY, "This transcript is still being made; ask again when its job has succeeded."
        )
    video = await videos.get_video(session, viewer, transcript.video_id)
    segments = await repository.segments_of(session, transcript_id)
    facts = {
        "language": transcript.language,
        "languageProbability": transcript.language_probability,
        "emptyReason": transcript.empty_reason.value if transcript.empty_reason else None,
        "revision": transcript.revision,
        "engine": transcript.engine,
        "model": transcript.model,
        "notice": notice_of(is_demo_model=transcript.is_demo_model),
    }
    # Captions of three hours take about a second: not on the event loop.
    content = await asyncio.to_thread(partial(render, format, segments, facts=facts, media_end_ms=video.duration_ms))
    language = f".{transcript.language}" if transcript.language else ""
    filename = f"{videos.slug(video.filename)}{language}.{format.value.lower()}"
    return TranscriptFile(filename, CONTENT_TYPES[format], content)


async def _active(session: AsyncSession, video_id: UUID) -> Transcript | None:
    return await session.scalar(
        select(Transcript).where(Transcript.video_id == video_id, Transcript.status == TranscriptStatus.ACTIVE)
    )


async def segments_of(session: AsyncSession, transcript_id: UUID) -> Sequence[TranscriptSegment]:
    """Every segment of a revision, in order, for background work."""
    return await repository.segments_of(session, transcript_id)


async def active_segments(
    session: AsyncSession, video_id: UUID, between_ms: tuple[int, int] | None = None
) -> Sequence[TranscriptSegment]:
    """Every segment of the video's ACTIVE revision, in order, for background work; with `between_ms` only those that
    overlap this range. None without a revision."""
    transcript = await _active(session, video_id)
    between = None if between_ms is None else TimeRange(*between_ms)
    return await repository.segments_of(session, transcript.id, between) if transcript is not None else []


async def active_revision(session: AsyncSession, video_id: UUID) -> Transcript:
    """The video's ACTIVE revision, for background work. Raises NOT_READY when there is none."""
    transcript = await _active(session, video_id)
    if transcript is None:
        raise CuepointError(
            ErrorCode.NOT_READY, "The video has no transcript yet; run its TRANSCRIPTION job before this one."
        )
    return transcript


async def active_chunks(session: AsyncSession, video_id: UUID) -> tuple[Transcript, Sequence[TranscriptChunk]]:
    """The ACTIVE revision and its passages in order, for background work. Raises NOT_READY without a revision."""
    transcript = await active_revision(session, video_id)
    statement = select(TranscriptChunk).where(TranscriptChunk.transcript_id == transcript.id)
    return transcript, (await session.scalars(statement.order_by(TranscriptChunk.position))).all()


async def replace_chunks(session: AsyncSession, transcript_id: UUID, chunks: Sequence[Chunk]) -> list[UUID]:
    """The revision's passages are these; returns their ids, which follow from video and text."""
    transcript = await _locked(session, transcript_id)
    ids = chunk_ids(transcript.video_id, chunks)
    await repository.replace_chunks(session, transcript_id, ids, chunks)
    return ids

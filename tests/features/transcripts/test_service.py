"""Drafts that grow window by window, and the active revision."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import func, select

from cuepoint.adapters.asr.base import AsrModelInfo
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.models import (
    EmptyReason,
    Transcript,
    TranscriptSegment,
    TranscriptStatus,
)
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import (
    MODEL,
    make_running_job,
    make_transcript,
    plan_of,
    texts_of,
    utterances,
)
from tests.support.builders.videos import make_video

OTHER_MODEL = AsrModelInfo("fake", "other", is_demo=False, key="fake-2")


async def new_video(db: Database) -> Video:
    return await make_video(db, await make_project(db))


async def begin(
    db: Database, video: Video, job_id: UUID, *, model: AsrModelInfo = MODEL, windows: int = 2
) -> Transcript:
    async with db.write() as session:
        return await service.begin_or_resume_draft(
            session, video_id=video.id, job_id=job_id, model=model, plan=plan_of(windows)
        )


async def append(db: Database, draft: Transcript, window: int, *texts: str, offset_ms: int = 0) -> int:
    said = utterances(*texts, start_ms=window * 30_000)
    async with db.write() as session:
        return await service.append_window(session, draft.id, window, said, offset_ms=offset_ms, media_end_ms=600_000)


async def activate(db: Database, draft: Transcript) -> Transcript:
    async with db.write() as session:
        return await service.activate(session, draft.id)


async def revisions(db: Database, video: Video) -> list[tuple[int, TranscriptStatus]]:
    statement = select(Transcript.revision, Transcript.status).where(Transcript.video_id == video.id)
    async with db.read() as session:
        return [(row[0], row[1]) for row in await session.execute(statement.order_by(Transcript.revision))]


async def stored(db: Database, transcript: Transcript) -> list[TranscriptSegment]:
    async with db.read() as session:
        return list(await service.segments_of(session, transcript.id))


class TestBeginOrResumeDraft:
    async def test_the_first_draft_holds_the_plan(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)

        draft = await begin(db, video, job.id)

        assert (draft.revision, draft.status, draft.windows_done) == (1, TranscriptStatus.DRAFT, 0)
        assert service.planned_windows(draft) == list(plan_of(2).windows)
        assert (draft.language, draft.language_probability) == ("en", 0.98)

    async def test_the_same_job_and_model_go_on_where_they_were(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        await append(db, draft, 0, "Hello.")

        again = await begin(db, video, job.id)

        assert (again.id, again.windows_done) == (draft.id, 1)

    async def test_another_model_starts_anew(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        await append(db, draft, 0, "Hello.")

        again = await begin(db, video, job.id, model=OTHER_MODEL)

        assert again.id != draft.id
        assert (again.windows_done, again.model) == (0, "other")
        assert await revisions(db, video) == [(1, TranscriptStatus.DRAFT)]
        assert await stored(db, draft) == []

    async def test_a_draft_of_other_sound_is_dropped(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        extraction = await make_running_job(db, video, JobKind.AUDIO_EXTRACTION)
        async with db.write() as session:
            done = await session.get_one(Job, extraction.id)
            done.status, done.worker_id, done.finished_at = JobStatus.SUCCEEDED, None, func.now()

        assert (await begin(db, video, job.id)).id != draft.id

    async def test_the_draft_of_another_job_is_dropped(self, db: Database) -> None:
        video = await new_video(db)
        first = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        second = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        abandoned = await begin(db, video, first.id)

        await begin(db, video, second.id)

        assert await revisions(db, video) == [(1, TranscriptStatus.DRAFT)]
        with pytest.raises(NotFoundError):
            await append(db, abandoned, 0, "Hello.")

    async def test_drafts_of_other_videos_stay(self, db: Database) -> None:
        video, other = await new_video(db), await new_video(db)
        job, other_job = [await make_running_job(db, each, JobKind.TRANSCRIPTION) for each in (video, other)]
        await begin(db, other, other_job.id)

        await begin(db, video, job.id)

        assert await revisions(db, other) == [(1, TranscriptStatus.DRAFT)]

    async def test_two_jobs_at_once_leave_one_draft(self, db: Database) -> None:
        video = await new_video(db)
        jobs = [await make_running_job(db, video, JobKind.TRANSCRIPTION) for _ in range(4)]

        await asyncio.gather(*[begin(db, video, job.id) for job in jobs])

        assert await revisions(db, video) == [(1, TranscriptStatus.DRAFT)]

    async def test_an_absent_video_is_not_found(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        async with db.write() as session:
            (await session.get_one(Video, video.id)).deleted_at = func.now()

        with pytest.raises(NotFoundError):
            await begin(db, video, job.id)
        assert await revisions(db, video) == []


class TestAppendWindow:
    async def test_segments_lie_on_the_media_s_time_line(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)

        assert await append(db, draft, 0, "Hello there.", "Good bye.", offset_ms=250) == 2

        rows = await stored(db, draft)
        assert [(row.position, row.window, row.start_ms, row.end_ms) for row in rows] == [
            (0, 0, 250, 850),
            (1, 0, 1250, 1850),
        ]
        assert rows[0].word_texts == ["Hello", "there."]
        assert (rows[0].word_starts_ms, rows[0].word_ends_ms) == ([250, 550], [550, 850])
        assert (rows[0].avg_logprob, rows[0].no_speech_prob, rows[0].compression_ratio) == (-0.25, 0.125, 1.5)

    async def test_a_window_stored_twice_is_replaced(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        await append(db, draft, 0, "One.")
        await append(db, draft, 1, "Two.", "Three.")

        await append(db, draft, 1, "Second.")

        rows = await stored(db, draft)
        assert [(row.position, row.window, row.text) for row in rows] == [(0, 0, "One."), (1, 1, "Second.")]

    async def test_what_follows_a_replaced_window_goes(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        await append(db, draft, 0, "One.")
        await append(db, draft, 1, "Two.")

        await append(db, draft, 0, "First.")

        assert texts_of(await stored(db, draft)) == ["First."]
        assert (await begin(db, video, job.id)).windows_done == 1

    async def test_windows_never_overlap_in_time(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        async with db.write() as session:
            for window in range(2):
                said = utterances("One two three.", start_ms=window * 500)
                await service.append_window(session, draft.id, window, said, offset_ms=0, media_end_ms=None)

        rows = await stored(db, draft)
        assert [(row.start_ms, row.end_ms) for row in rows] == [(0, 900), (900, 1400)]

    async def test_an_empty_window_counts_as_done(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)

        assert await append(db, draft, 0) == 0

        assert (await begin(db, video, job.id)).windows_done == 1

    async def test_a_gap_is_refused(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)

        with pytest.raises(ValueError, match="window 1 comes before window 0"):
            await append(db, draft, 1, "Two.")
        assert await stored(db, draft) == []

    async def test_a_finished_revision_does_not_grow(self, db: Database) -> None:
        video = await new_video(db)
        transcript = await make_transcript(db, video, "One.")

        with pytest.raises(CuepointError) as raised:
            await append(db, transcript, 1, "Two.")

        assert raised.value.code is ErrorCode.ALREADY_FINAL
        assert texts_of(await stored(db, transcript)) == ["One."]


class TestActivate:
    async def test_the_former_revision_is_superseded(self, db: Database) -> None:
        video = await new_video(db)
        await make_transcript(db, video, "Old.")

        new = await make_transcript(db, video, "New.")

        assert await revisions(db, video) == [(1, TranscriptStatus.SUPERSEDED), (2, TranscriptStatus.ACTIVE)]
        assert new.activated_at is not None
        async with db.read() as session:
            assert texts_of(await service.active_segments(session, video.id)) == ["New."]

    async def test_activating_twice_changes_nothing(self, db: Database) -> None:
        video = await new_video(db)
        first = await make_transcript(db, video, "One.")

        again = await activate(db, first)

        assert again.activated_at == first.activated_at
        assert await revisions(db, video) == [(1, TranscriptStatus.ACTIVE)]

    async def test_nothing_recognised_is_no_speech_without_a_language(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id, windows=1)
        await append(db, draft, 0)

        transcript = await activate(db, draft)

        assert (transcript.empty_reason, transcript.language, transcript.language_probability) == (
            EmptyReason.NO_SPEECH,
            None,
            None,
        )

    async def test_a_missing_window_is_refused(self, db: Database) -> None:
        video = await new_video(db)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        await append(db, draft, 0, "One.")

        with pytest.raises(ValueError, match="only 1 of 2 windows"):
            await activate(db, draft)
        assert await revisions(db, video) == [(1, TranscriptStatus.DRAFT)]

    async def test_an_absent_revision_is_not_found(self, db: Database) -> None:
        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await service.activate(session, uuid7())


class TestActivateEmpty:
    async def test_replaces_a_draft_and_supersedes_what_was_active(self, db: Database) -> None:
        video = await new_video(db)
        await make_transcript(db, video, "Old.")
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        draft = await begin(db, video, job.id)
        await append(db, draft, 0, "Half.")

        async with db.write() as session:
            transcript = await service.activate_empty(
                session, video_id=video.id, job_id=job.id, model=MODEL, reason=EmptyReason.NO_AUDIO
            )

        assert (transcript.empty_reason, transcript.language) == (EmptyReason.NO_AUDIO, None)
        assert await revisions(db, video) == [(1, TranscriptStatus.SUPERSEDED), (2, TranscriptStatus.ACTIVE)]
        async with db.read() as session:
            assert list(await service.active_segments(session, video.id)) == []

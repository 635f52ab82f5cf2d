"""Recognition window by window, resumed after whatever ended an attempt, and the passages cut from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cuepoint.adapters.asr.base import AsrPlan, AsrWindow, Transcriber, WindowResult
from cuepoint.adapters.asr.fake import FakeTranscriber
from cuepoint.adapters.asr.whisper import WhisperTranscriber
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.context import FenceLost, JobCancelled
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.quotas.models import MediaUsage, Quota
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.models import EmptyReason, Transcript, TranscriptChunk, TranscriptStatus
from cuepoint.features.transcripts.tasks import segment, transcribe
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import (
    RecordedControl,
    add_audio,
    begin_attempt,
    make_running_job,
    make_transcript,
    task_context,
    texts_of,
)
from tests.support.builders.videos import INFO, make_video
from tests.support.speech import VIDEO, decode_to_wav, load_truth

TEXTS = {0: "One two three.", 1: "Four five.\nSix.", 2: "Seven eight nine ten."}
SENTENCES = ["One two three.", "Four five.", "Six.", "Seven eight nine ten."]
CRASH = AdapterError(ErrorCode.CHILD_CRASHED, "The recogniser's process ended.", retryable=True)
LONG_INFO = replace(INFO, duration_ms=100_000)
SILENT_INFO = replace(INFO, tracks=INFO.tracks[:1])


@dataclass
class Stage:
    """A video with audio, its running job, and what the worker offers."""

    db: Database
    settings: Settings
    storage: LocalStorage
    video: Video
    job: Job
    control: RecordedControl
    args: dict[str, Any] = field(default_factory=dict)

    async def run(self, transcriber: Transcriber) -> None:
        """The newest attempt of the job's task."""
        body = transcribe if self.job.kind is JobKind.TRANSCRIPTION else segment
        ports = {"storage": self.storage, "transcriber": transcriber}
        await body(replace(task_context(self.db, self.settings, self.job, self.control, **ports), args=self.args))

    async def next_attempt(self) -> None:
        """Another worker takes the job."""
        self.job = await begin_attempt(self.db, self.job)
        self.control = RecordedControl(self.control.temp)

    async def transcripts(self) -> Sequence[Transcript]:
        """Every revision of the video."""
        statement = select(Transcript).where(Transcript.video_id == self.video.id).order_by(Transcript.revision)
        async with self.db.read() as session:
            return (await session.scalars(statement)).all()

    async def said(self) -> list[str]:
        """What the active revision says."""
        async with self.db.read() as session:
            return texts_of(await service.active_segments(session, self.video.id))

    async def stored_job(self) -> Job:
        """The job's row."""
        async with self.db.read() as session:
            return await session.get_one(Job, self.job.id)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    """Real storage in the test's directory."""
    return LocalStorage(tmp_path / "storage", min_free_bytes=0)


@pytest.fixture
async def stage(db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path) -> Stage:
    """A video of 100 s whose audio begins 250 ms into it; the file's content matters to the real recogniser only."""
    video = await make_video(db, await make_project(db), info=LONG_INFO)
    audio = tmp_path / "audio.wav"
    audio.write_bytes(b"RIFF")
    await add_audio(db, storage, video, audio, start_ms=250)
    job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
    return Stage(db, settings, storage, video, job, RecordedControl(tmp_path))


class TestTranscribe:
    async def test_every_window_is_stored_and_the_revision_activated(self, stage: Stage) -> None:
        await stage.run(FakeTranscriber(TEXTS))

        (transcript,) = await stage.transcripts()
        assert (transcript.status, transcript.windows_done, transcript.language) == (TranscriptStatus.ACTIVE, 3, "en")
        assert (transcript.engine, transcript.model, transcript.is_demo_model) == ("fake", "fake", False)
        assert await stage.said() == SENTENCES
        assert (await stage.stored_job()).status is JobStatus.SUCCEEDED
        assert stage.control.has_ended

    async def test_takes_the_language_that_was_said(self, stage: Stage) -> None:
        asked: list[str | None] = []

        class Asked(FakeTranscriber):
            async def plan(self, audio: Path, *, language: str | None = None) -> AsrPlan:
                asked.append(language)
                return await super().plan(audio, language=language)

        stage.args = {"language": "de", "sources": {"language": "PROJECT"}}
        await stage.run(Asked(TEXTS))

        assert asked == ["de"]

    async def test_counts_for_the_month_once_and_not_without_speech(self, stage: Stage) -> None:
        await stage.run(FakeTranscriber(TEXTS))

        async with stage.db.read() as session:
            usage = (await session.scalars(select(MediaUsage))).all()
        assert [(one.job_id, one.project_id, one.media_ms) for one in usage] == [
            (stage.job.id, stage.video.project_id, 100_000)
        ]

    async def test_does_not_begin_beyond_the_quota(self, stage: Stage) -> None:
        async with stage.db.write() as session:
            session.add(Quota(project_id=stage.video.project_id, media_ms_per_month=99_999))

        with pytest.raises(CuepointError) as refused:
            await stage.run(FakeTranscriber(TEXTS))

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert await stage.transcripts() == []

    async def test_times_are_those_of_the_media(self, stage: Stage) -> None:
        await stage.run(FakeTranscriber(TEXTS))

        async with stage.db.read() as session:
            rows = await service.active_segments(session, stage.video.id)
        assert [(row.start_ms, row.end_ms) for row in rows] == [
            (250, 30_250),
            (30_250, 50_250),
            (50_250, 60_250),
            (60_250, 90_250),
        ]

    async def test_progress_is_media_time_and_grows(self, stage: Stage) -> None:
        await stage.run(FakeTranscriber(TEXTS))

        fractions = [fraction for fraction, *_ in stage.control.reports]
        assert fractions == sorted(fractions)
        assert [(stage_text, done, total) for _, stage_text, done, total in stage.control.reports] == [
            ("Finding speech", 0, 100_000),
            ("Recognising speech, window 1 of 3", 0, 100_000),
            ("Recognising speech, window 2 of 3", 30_250, 100_000),
            ("Recognising speech, window 3 of 3", 60_250, 100_000),
            ("Recognising speech, window 3 of 3", 90_250, 100_000),
            ("Activating the transcript", None, None),
        ]

    async def test_without_an_audio_track_it_succeeds_with_no_words(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db), info=SILENT_INFO)
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        stage = Stage(db, settings, storage, video, job, RecordedControl(tmp_path))

        await stage.run(FakeTranscriber(TEXTS))

        (transcript,) = await stage.transcripts()
        assert (transcript.status, transcript.empty_reason) == (TranscriptStatus.ACTIVE, EmptyReason.NO_AUDIO)
        assert (await stage.stored_job()).result == {"emptyReason": "NO_AUDIO"}

    async def test_audio_that_was_not_extracted_yet_is_not_ready(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        stage = Stage(db, settings, storage, video, job, RecordedControl(tmp_path))

        with pytest.raises(CuepointError) as raised:
            await stage.run(FakeTranscriber(TEXTS))

        assert raised.value.code is ErrorCode.NOT_READY
        assert await stage.transcripts() == []

    async def test_a_plan_without_windows_is_no_speech(self, stage: Stage) -> None:
        await stage.run(FakeTranscriber({}))

        (transcript,) = await stage.transcripts()
        assert (transcript.status, transcript.empty_reason) == (TranscriptStatus.ACTIVE, EmptyReason.NO_SPEECH)
        assert transcript.language is None

    async def test_windows_without_words_are_no_speech(self, stage: Stage) -> None:
        await stage.run(FakeTranscriber({0: "", 1: ""}))

        (transcript,) = await stage.transcripts()
        assert (transcript.empty_reason, transcript.language) == (EmptyReason.NO_SPEECH, None)

    @pytest.mark.parametrize("window", [0, 1, 2])
    async def test_a_new_attempt_goes_on_at_the_first_missing_window(self, stage: Stage, window: int) -> None:
        broken = FakeTranscriber(TEXTS, fail_at=window, error=CRASH)
        with pytest.raises(AdapterError):
            await stage.run(broken)
        (draft,) = await stage.transcripts()
        assert (draft.status, draft.windows_done) == (TranscriptStatus.DRAFT, window)
        assert await stage.said() == []

        await stage.next_attempt()
        whole = FakeTranscriber(TEXTS)
        await stage.run(whole)

        assert whole.recognised == list(range(window, 3))
        assert whole.plans == []
        assert await stage.said() == SENTENCES
        assert [(t.id, t.status) for t in await stage.transcripts()] == [(draft.id, TranscriptStatus.ACTIVE)]

    async def test_an_attempt_that_ended_before_its_last_step_recognises_nothing_again(self, stage: Stage) -> None:
        stage.control.cancel_at = 5
        with pytest.raises(JobCancelled):
            await stage.run(FakeTranscriber(TEXTS))
        await stage.next_attempt()
        whole = FakeTranscriber(TEXTS)

        await stage.run(whole)

        assert whole.recognised == []
        assert await stage.said() == SENTENCES

    async def test_another_model_starts_anew(self, stage: Stage) -> None:
        with pytest.raises(AdapterError):
            await stage.run(FakeTranscriber(TEXTS, fail_at=2, error=CRASH))
        await stage.next_attempt()
        other = FakeTranscriber({0: "Other words."}, key="fake-2")

        await stage.run(other)

        assert (len(other.plans), other.recognised) == (1, [0])
        assert await stage.said() == ["Other words."]
        assert len(await stage.transcripts()) == 1

    @pytest.mark.parametrize(
        ("first", "second", "recognised"),
        [(None, "de", [0, 1, 2]), ("en", None, [0, 1, 2]), ("de", "de", [2])],
        ids=["said-now", "said-before", "the-same"],
    )
    async def test_another_language_starts_anew(
        self, stage: Stage, first: str | None, second: str | None, recognised: list[int]
    ) -> None:
        stage.args, whole = {"language": first}, FakeTranscriber(TEXTS)
        with pytest.raises(AdapterError):
            await stage.run(FakeTranscriber(TEXTS, fail_at=2, error=CRASH))
        await stage.next_attempt()
        stage.args = {"language": second}
        await stage.run(whole)
        assert whole.recognised == recognised

    async def test_the_former_transcript_stays_in_use_until_the_new_one_is_whole(self, stage: Stage) -> None:
        await make_transcript(stage.db, stage.video, "Old.")

        with pytest.raises(AdapterError):
            await stage.run(FakeTranscriber(TEXTS, fail_at=1, error=CRASH))

        assert await stage.said() == ["Old."]
        assert [t.status for t in await stage.transcripts()] == [TranscriptStatus.ACTIVE, TranscriptStatus.DRAFT]

    async def test_a_cancel_stops_the_recogniser_between_windows(self, stage: Stage) -> None:
        stage.control.cancel_at = 2
        transcriber = ClosingTranscriber(TEXTS)

        with pytest.raises(JobCancelled):
            await stage.run(transcriber)

        assert transcriber.recognised == [0]
        assert transcriber.is_stopped
        assert [t.status for t in await stage.transcripts()] == [TranscriptStatus.DRAFT]

    async def test_an_attempt_that_was_replaced_writes_nothing(self, stage: Stage) -> None:
        stale = stage.job
        await stage.next_attempt()
        stage.job = stale

        with pytest.raises(FenceLost):
            await stage.run(FakeTranscriber(TEXTS))

        assert await stage.transcripts() == []

    async def test_a_deleted_video_ends_it(self, stage: Stage) -> None:
        async with stage.db.write() as session:
            (await session.get_one(Video, stage.video.id)).deleted_at = func.now()

        with pytest.raises(NotFoundError):
            await stage.run(FakeTranscriber(TEXTS))

        assert await stage.transcripts() == []

    @pytest.mark.models
    async def test_the_bundled_sample_is_recognised_without_an_error(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        await add_audio(db, storage, video, decode_to_wav(VIDEO, tmp_path / "sample.wav"))
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        stage = Stage(db, settings, storage, video, job, RecordedControl(tmp_path))
        transcriber = WhisperTranscriber(settings)

        try:
            await stage.run(transcriber)
        finally:
            await transcriber.close()

        (transcript,) = await stage.transcripts()
        assert (transcript.status, transcript.language, transcript.is_demo_model) == (
            TranscriptStatus.ACTIVE,
            "en",
            True,
        )
        assert " ".join(await stage.said()) == " ".join(sentence.text for sentence in load_truth(VIDEO))


class ClosingTranscriber(FakeTranscriber):
    """Notes when its work was stopped."""

    is_stopped = False

    async def transcribe(
        self, audio: Path, windows: Sequence[tuple[int, AsrWindow]], *, language: str | None
    ) -> AsyncIterator[WindowResult]:
        """Like the fake's, and says that it has ended."""
        try:
            async for result in super().transcribe(audio, windows, language=language):
                yield result
        finally:
            self.is_stopped = True


class TestSegment:
    async def new_stage(self, stage: Stage) -> Stage:
        job = await make_running_job(stage.db, stage.video, JobKind.SEGMENTATION)
        return replace(stage, job=job, control=RecordedControl(stage.control.temp))

    async def chunks(self, stage: Stage) -> Sequence[TranscriptChunk]:
        async with stage.db.read() as session:
            return (await service.active_chunks(session, stage.video.id))[1]

    async def test_the_active_transcript_is_cut_into_passages(self, stage: Stage) -> None:
        sentence = "This is a sentence of just eight words."
        await make_transcript(stage.db, stage.video, *[sentence] * 4)
        cutting = await self.new_stage(stage)

        await cutting.run(FakeTranscriber({}))

        rows = await self.chunks(stage)
        assert [row.text for row in rows] == [f"{sentence} {sentence}"] * 2
        assert [(row.position, row.start_ms) for row in rows] == [(0, 0), (1, 5600)]
        assert (await cutting.stored_job()).result == {"chunks": 2}

    async def test_a_second_run_leaves_the_same_rows(self, stage: Stage) -> None:
        await make_transcript(stage.db, stage.video, "One.", "Two.")
        ids = []
        for _ in range(2):
            cutting = await self.new_stage(stage)
            await cutting.run(FakeTranscriber({}))
            ids.append([row.id for row in await self.chunks(stage)])

        assert len(ids[0]) == 1
        assert ids[0] == ids[1]

    async def test_an_empty_transcript_has_no_passages(self, stage: Stage) -> None:
        await make_transcript(stage.db, stage.video)
        cutting = await self.new_stage(stage)

        await cutting.run(FakeTranscriber({}))

        assert await self.chunks(stage) == []
        assert (await cutting.stored_job()).status is JobStatus.SUCCEEDED

    async def test_without_a_transcript_it_is_not_ready(self, stage: Stage) -> None:
        cutting = await self.new_stage(stage)

        with pytest.raises(CuepointError) as raised:
            await cutting.run(FakeTranscriber({}))

        assert raised.value.code is ErrorCode.NOT_READY
        assert (await cutting.stored_job()).status is JobStatus.RUNNING

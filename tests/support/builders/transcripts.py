"""Rows and contexts for tests of transcripts: revisions with sentences, audio renditions, and a running job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import UUID

from cuepoint.adapters.asr.base import AsrModelInfo, AsrPlan, AsrSegment, AsrWindow, AsrWord, Transcriber
from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.context import JobCancelled, TaskContext
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import Job, JobKind, JobStatus, Worker, WorkerState
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.chunking import chunk_segments
from cuepoint.features.transcripts.models import Transcript, TranscriptSegment
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition

MODEL = AsrModelInfo("fake", "fake", is_demo=False, key="fake-1")
WORD_MS = 300
PAUSE_MS = 400


def utterance(text: str, start_ms: int = 0, *, word_ms: int = WORD_MS) -> AsrSegment:
    """A recognised segment whose words follow one another without a gap."""
    words = tuple(
        AsrWord(word, start_ms + index * word_ms, start_ms + (index + 1) * word_ms, 0.9)
        for index, word in enumerate(text.split())
    )
    return AsrSegment(start_ms, words[-1].end_ms, text, words, -0.25, 0.125, 1.5)


def utterances(*texts: str, start_ms: int = 0, pause_ms: int = PAUSE_MS) -> list[AsrSegment]:
    """Recognised segments one after the other."""
    found: list[AsrSegment] = []
    for text in texts:
        found.append(utterance(text, start_ms))
        start_ms = found[-1].end_ms + pause_ms
    return found


def segment_row(segment: AsrSegment, position: int = 0) -> TranscriptSegment:
    """The segment as a row, not stored."""
    return TranscriptSegment(
        position=position,
        window=0,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        text=segment.text,
        word_texts=[word.text for word in segment.words],
        word_starts_ms=[word.start_ms for word in segment.words],
        word_ends_ms=[word.end_ms for word in segment.words],
        word_probabilities=[word.probability for word in segment.words],
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
    )


def segment_rows(*texts: str, start_ms: int = 0, pause_ms: int = PAUSE_MS) -> list[TranscriptSegment]:
    """Segments one after the other as rows, not stored."""
    found = utterances(*texts, start_ms=start_ms, pause_ms=pause_ms)
    return [segment_row(segment, position) for position, segment in enumerate(found)]


def plan_of(windows: int, *, language: str | None = "en", probability: float | None = 0.98) -> AsrPlan:
    """A plan of windows of 30 s."""
    return AsrPlan(
        tuple(AsrWindow(index * 30_000, (index + 1) * 30_000) for index in range(windows)),
        language,
        probability,
        windows * 30_000,
    )


async def make_transcript(
    db: Database,
    video: Video,
    *texts: str,
    model: AsrModelInfo = MODEL,
    probability: float | None = 0.98,
    is_active: bool = True,
    with_chunks: bool = False,
) -> Transcript:
    """A revision that says these sentences, in one window."""
    job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
    async with db.write() as session:
        draft = await service.begin_or_resume_draft(
            session, video_id=video.id, job_id=job.id, model=model, plan=plan_of(1, probability=probability)
        )
        await service.append_window(session, draft.id, 0, utterances(*texts), offset_ms=0, media_end_ms=None)
        if is_active:
            draft = await service.activate(session, draft.id)
        if with_chunks:
            segments = await service.segments_of(session, draft.id)
            await service.replace_chunks(session, draft.id, chunk_segments(segments))
    return draft


async def member_of(db: Database, *projects: Project) -> Viewer:
    """A new user who may look at these projects."""
    viewer = await make_viewer(db)
    for project in projects:
        await make_member(db, project, viewer.user_id, ProjectRole.VIEWER)
    return viewer


async def add_audio(db: Database, storage: LocalStorage, video: Video, path: Path, *, start_ms: int = 0) -> Rendition:
    """The file at `path` is the video's audio for recognition."""
    key = f"projects/{video.project_id.hex}/videos/{video.id.hex}/audio/asr.wav"
    await storage.put_file(key, path)
    return await make_rendition(db, video, RenditionKind.ASR_AUDIO, storage_key=key, start_ms=start_ms)


async def make_running_job(db: Database, video: Video, kind: JobKind) -> Job:
    """A job of that kind in its first attempt, held by a worker of its own."""
    worker = Worker(id=uuid7(), lanes=[SPECS[kind].lane], state=WorkerState.LIVE, lease_until=video.created_at)
    job = Job(
        id=uuid7(),
        kind=kind,
        lane=SPECS[kind].lane,
        status=JobStatus.RUNNING,
        attempt=1,
        timeout_seconds=600,
        worker_id=worker.id,
        project_id=video.project_id,
        video_id=video.id,
    )
    async with db.write() as session:
        session.add_all([worker, job])
    return job


async def begin_attempt(db: Database, job: Job) -> Job:
    """Another worker runs the job again after the first one was lost."""
    worker = Worker(id=uuid7(), lanes=[job.lane], state=WorkerState.LIVE, lease_until=job.created_at)
    async with db.write() as session:
        session.add(worker)
        held = await session.get_one(Job, job.id)
        held.attempt += 1
        held.worker_id = worker.id
    return held


@dataclass
class RecordedControl:
    """What a worker offers a task; remembers what was reported, and asks to stop at a chosen report."""

    temp: Path
    cancel_at: int | None = None
    reports: list[tuple[float, str | None, int | None, int | None]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    has_ended: bool = False

    def report(self, fraction: float, stage: str | None, processed_ms: int | None, total_ms: int | None) -> None:
        """Note it."""
        self.reports.append((fraction, stage, processed_ms, total_ms))
        if len(self.reports) - 1 == self.cancel_at:
            raise JobCancelled

    def say(self, line: str) -> None:
        """Note it."""
        self.said.append(line)

    def ended(self) -> None:
        """Note it."""
        self.has_ended = True

    def temp_dir(self) -> Path:
        """The test's directory."""
        return self.temp


def task_context(
    db: Database,
    settings: Settings,
    job: Job,
    control: RecordedControl,
    *,
    storage: LocalStorage,
    transcriber: Transcriber,
) -> TaskContext:
    """The context of a job's newest attempt with these two ports."""
    adapters = cast(Adapters, SimpleNamespace(storage=storage, transcriber=transcriber))
    assert job.worker_id is not None
    return TaskContext(
        job_id=job.id,
        attempt=job.attempt,
        worker_id=job.worker_id,
        kind=job.kind,
        project_id=job.project_id,
        video_id=cast(UUID, job.video_id),
        args={},
        adapters=adapters,
        db=db,
        settings=settings,
        control=control,
    )


def texts_of(segments: Sequence[TranscriptSegment]) -> list[str]:
    """What the segments say."""
    return [segment.text for segment in segments]

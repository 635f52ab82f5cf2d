"""The bundled narrations as transcripts, sentences for the scorer, and contexts for tasks with an embedder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import cuepoint
from cuepoint.adapters.asr.base import AsrSegment, AsrWord
from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.embedding.base import Embedder
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.moments.finder import MomentCandidate, MomentMaterial, Passage, Sentence
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.chunking import chunk_segments
from cuepoint.features.transcripts.models import Transcript
from cuepoint.features.videos.models import Video
from tests.support.builders.transcripts import MODEL, RecordedControl, make_running_job, plan_of, segment_row

STORIES = Path(cuepoint.__file__).parent / "cli/sample/four_short_stories.json"
SPACE_TALK = Path(__file__).parents[1] / "data/space_and_computers.json"


def narration(path: Path) -> list[AsrSegment]:
    """The sentences of a narration's truth, as a recogniser would give them."""
    return [
        AsrSegment(
            round(sentence["start"] * 1000),
            round(sentence["end"] * 1000),
            sentence["text"],
            tuple(
                AsrWord(word["word"], round(word["start"] * 1000), round(word["end"] * 1000), 0.9)
                for word in sentence["words"]
            ),
            -0.25,
            0.125,
            1.5,
        )
        for sentence in json.loads(path.read_text(encoding="utf-8"))["sentences"]
    ]


async def narrated(path: Path, embedder: Embedder) -> MomentMaterial:
    """What the scorer gets of a narration."""
    segments = narration(path)
    chunks = chunk_segments(segment_row(segment, position) for position, segment in enumerate(segments))
    vectors = await embedder.embed([chunk.text for chunk in chunks])
    return MomentMaterial(
        [Sentence(segment.start_ms, segment.end_ms, segment.text) for segment in segments],
        [Passage(chunk.start_ms, chunk.end_ms, vector) for chunk, vector in zip(chunks, vectors, strict=True)],
    )


def spoken(
    *texts: str, seconds: float = 4.0, pause: float = 0.4, pauses: Mapping[int, float] | None = None
) -> MomentMaterial:
    """Sentences of equal length one after the other, without passages; `pauses` are by the index that follows."""
    sentences: list[Sentence] = []
    at = 0.0
    for index, text in enumerate(texts):
        at += (pauses or {}).get(index, pause if index else 0.0)
        sentences.append(Sentence(round(at * 1000), round((at + seconds) * 1000), text))
        at += seconds
    return MomentMaterial(sentences, [])


def told(material: MomentMaterial, moment: MomentCandidate) -> str:
    """The text of a moment."""
    return " ".join(sentence.text for sentence in material.sentences[moment.first : moment.last + 1])


async def make_narrated_transcript(db: Database, video: Video, segments: Sequence[AsrSegment]) -> Transcript:
    """The video's active revision says this, cut into passages."""
    job = await make_running_job(db, video, JobKind.TRANSCRIPTION)
    async with db.write() as session:
        draft = await transcripts.begin_or_resume_draft(
            session, video_id=video.id, job_id=job.id, model=MODEL, plan=plan_of(1)
        )
        await transcripts.append_window(session, draft.id, 0, segments, offset_ms=0, media_end_ms=None)
        active = await transcripts.activate(session, draft.id)
        rows = await transcripts.segments_of(session, draft.id)
        await transcripts.replace_chunks(session, draft.id, chunk_segments(rows))
    return active


def context_of(
    db: Database, settings: Settings, job: Job, control: RecordedControl, embedder: Embedder, **args: Any
) -> TaskContext:
    """The context of a running job's attempt with this embedder as its only port."""
    assert job.worker_id is not None
    return TaskContext(
        job_id=job.id,
        attempt=job.attempt,
        worker_id=job.worker_id,
        kind=job.kind,
        project_id=job.project_id,
        video_id=cast(UUID, job.video_id),
        args=args,
        adapters=cast(Adapters, SimpleNamespace(embedder=embedder)),
        db=db,
        settings=settings,
        control=control,
    )

"""The MOMENT_GENERATION job on real Postgres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cuepoint.adapters.embedding.fake import FakeEmbedder
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.moments import tasks
from cuepoint.features.moments.models import Moment
from cuepoint.features.search import tasks as search_tasks
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.models import EmptyReason
from cuepoint.features.videos.models import Video
from tests.support.builders.moments import STORIES, context_of, make_narrated_transcript, narration
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import MODEL, RecordedControl, make_running_job
from tests.support.builders.videos import make_video


async def run(
    db: Database, settings: Settings, tmp_path: Path, video: Video, **args: Any
) -> tuple[Job, list[Moment], RecordedControl]:
    job = await make_running_job(db, video, JobKind.MOMENT_GENERATION)
    control = RecordedControl(tmp_path)
    await tasks.generate_moments(context_of(db, settings, job, control, FakeEmbedder(), **args))
    async with db.read() as session:
        rows = list(await session.scalars(select(Moment).order_by(Moment.priority)))
        return await session.get_one(Job, job.id), rows, control


async def embedded(db: Database, settings: Settings, tmp_path: Path, video: Video) -> None:
    job = await make_running_job(db, video, JobKind.EMBEDDING)
    await search_tasks.embed(context_of(db, settings, job, RecordedControl(tmp_path), FakeEmbedder()))


class TestGenerateMoments:
    async def test_moments_begin_and_end_at_words_of_sentences(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        story = narration(STORIES)
        await make_narrated_transcript(db, video, story)
        await embedded(db, settings, tmp_path, video)

        job, rows, control = await run(db, settings, tmp_path, video)

        assert (job.status, job.result) == (
            JobStatus.SUCCEEDED,
            {"moments": len(rows), "method": "transcript-signals-1"},
        )
        assert 3 <= len(rows) <= 5
        assert [row.priority for row in rows] == list(range(1, len(rows) + 1))
        assert {row.start_ms for row in rows} <= {segment.words[0].start_ms for segment in story}
        assert {row.end_ms for row in rows} <= {segment.words[-1].end_ms for segment in story}
        assert {row.job_id for row in rows} == {job.id}
        assert control.has_ended
        assert control.reports[-1][2:] == (81_500, 81_500)

    async def test_a_second_run_leaves_the_same_rows(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))
        await make_narrated_transcript(db, video, narration(STORIES))
        _, before, _ = await run(db, settings, tmp_path, video)

        _, after, _ = await run(db, settings, tmp_path, video)

        assert [(row.id, row.title, row.score) for row in after] == [(row.id, row.title, row.score) for row in before]

    async def test_arguments_limit_count_and_length(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))
        await make_narrated_transcript(db, video, narration(STORIES))

        _, rows, _ = await run(db, settings, tmp_path, video, count=2, min_ms=10_000, max_ms=12_000)

        assert len(rows) == 2
        assert all(10_000 <= row.end_ms - row.start_ms <= 12_000 for row in rows)

    async def test_silence_is_a_success_without_moments(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))
        await make_narrated_transcript(db, video, narration(STORIES))
        await run(db, settings, tmp_path, video)
        speech = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        async with db.write() as session:
            await transcripts.activate_empty(
                session, video_id=video.id, job_id=speech.id, model=MODEL, reason=EmptyReason.NO_SPEECH
            )

        job, rows, _ = await run(db, settings, tmp_path, video)

        assert rows == []
        assert job.status is JobStatus.SUCCEEDED
        assert job.result == {"moments": 0, "method": "transcript-signals-1", "reason": "NO_SPEECH"}

    async def test_without_a_transcript_it_is_not_ready(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))

        with pytest.raises(CuepointError) as refused:
            await run(db, settings, tmp_path, video)

        assert refused.value.code is ErrorCode.NOT_READY

"""The EMBEDDING job on real Postgres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cuepoint.adapters.embedding.fake import FakeEmbedder
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs.context import JobCancelled
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.quotas.metering import Metering
from cuepoint.features.quotas.models import Quota
from cuepoint.features.search import tasks
from cuepoint.features.search.models import RetrievableText, RetrievableTextEmbedding
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.models import EmptyReason
from cuepoint.features.videos.models import Video
from tests.support.builders.moments import context_of
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import (
    MODEL,
    RecordedControl,
    make_running_job,
    make_transcript,
)
from tests.support.builders.videos import make_video

# Each sentence is a passage of its own: they have about the ideal length.
TEXTS = (
    "The storm destroyed all the apple trees that stood in our garden behind the house of my grandmother.",
    "We fried the mushrooms with butter and some garlic until they turned golden and smelled really wonderful.",
    "The referee showed a red card to the defender who had kicked the striker from behind without reason.",
)


async def run(
    db: Database, settings: Settings, tmp_path: Path, video: Video, embedder: Any, **control: Any
) -> tuple[Job, RecordedControl]:
    job = await make_running_job(db, video, JobKind.EMBEDDING)
    recorded = RecordedControl(tmp_path, **control)
    await tasks.embed(context_of(db, settings, job, recorded, embedder))
    async with db.read() as session:
        return await session.get_one(Job, job.id), recorded


async def indexed(db: Database) -> list[tuple[str, str | None, bool]]:
    """Text, language and whether it has a vector, in order."""
    async with db.read() as session:
        statement = (
            select(RetrievableText, RetrievableTextEmbedding.text_id)
            .outerjoin(RetrievableTextEmbedding, RetrievableTextEmbedding.text_id == RetrievableText.id)
            .order_by(RetrievableText.start_ms)
        )
        return [(row.text, row.language, vector is not None) for row, vector in await session.execute(statement)]


class TestEmbed:
    async def test_passages_become_findable_and_the_job_succeeds(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        embedder = FakeEmbedder()

        job, control = await run(db, settings, tmp_path, video, embedder)

        assert await indexed(db) == [(text, "en", True) for text in TEXTS]
        assert embedder.calls == [TEXTS]
        assert (job.status, job.result) == (
            JobStatus.SUCCEEDED,
            {"texts": 3, "embedded": 3, "provider": "fake", "model": "words-1"},
        )
        assert control.has_ended
        assert control.reports == [(0.99, "Embedding", 16_700, 16_700)]

    async def test_a_second_run_embeds_nothing(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        await run(db, settings, tmp_path, video, FakeEmbedder())
        embedder = FakeEmbedder()

        job, _ = await run(db, settings, tmp_path, video, embedder)

        assert embedder.calls == []
        assert job.result == {"texts": 3, "embedded": 0, "provider": "fake", "model": "words-1"}
        assert await indexed(db) == [(text, "en", True) for text in TEXTS]

    async def test_where_nothing_is_missing_a_spent_quota_refuses_nothing(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        await run(db, settings, tmp_path, video, FakeEmbedder())
        async with db.write() as session:
            session.add(Quota(tokens_per_month=0))
        paid = Database(db.engine, info={Metering: Metering({"EMBEDDING": "embedder-3"})})
        job = await make_running_job(db, video, JobKind.EMBEDDING)

        await tasks.embed(context_of(paid, settings, job, RecordedControl(tmp_path), FakeEmbedder()))

        async with db.read() as session:
            assert (await session.get_one(Job, job.id)).status is JobStatus.SUCCEEDED

    async def test_another_revision_embeds_only_what_changed(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        await run(db, settings, tmp_path, video, FakeEmbedder())
        changed = TEXTS[1].replace("mushrooms", "onions")
        await make_transcript(db, video, TEXTS[0], changed, with_chunks=True)
        embedder = FakeEmbedder()

        await run(db, settings, tmp_path, video, embedder)

        assert embedder.calls == [(changed,)]
        assert await indexed(db) == [(TEXTS[0], "en", True), (changed, "en", True)]

    async def test_the_same_words_twice_are_embedded_once(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, TEXTS[0], TEXTS[0], with_chunks=True)
        embedder = FakeEmbedder()

        await run(db, settings, tmp_path, video, embedder)

        assert embedder.calls == [(TEXTS[0],)]
        assert await indexed(db) == [(TEXTS[0], "en", True)] * 2

    async def test_silence_is_a_success_that_says_why(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        await run(db, settings, tmp_path, video, FakeEmbedder())
        speech = await make_running_job(db, video, JobKind.TRANSCRIPTION)
        async with db.write() as session:
            await transcripts.activate_empty(
                session, video_id=video.id, job_id=speech.id, model=MODEL, reason=EmptyReason.NO_AUDIO
            )
        embedder = FakeEmbedder()

        job, _ = await run(db, settings, tmp_path, video, embedder)

        assert embedder.calls == []
        assert await indexed(db) == []
        assert job.status is JobStatus.SUCCEEDED
        assert job.result == {
            "texts": 0,
            "embedded": 0,
            "provider": "fake",
            "model": "words-1",
            "reason": "NO_AUDIO",
        }

    async def test_without_a_transcript_it_is_not_ready(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))

        with pytest.raises(CuepointError) as refused:
            await run(db, settings, tmp_path, video, FakeEmbedder())

        assert refused.value.code is ErrorCode.NOT_READY

    async def test_a_provider_that_fails_leaves_the_index_as_it_was(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        class Limited(FakeEmbedder):
            async def embed(self, texts: Any) -> Any:
                raise AdapterError(ErrorCode.PROVIDER_RATE_LIMITED, "Slow down.", retryable=True, retry_after_seconds=9)

        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)

        with pytest.raises(AdapterError) as failed:
            await run(db, settings, tmp_path, video, Limited())

        assert failed.value.retry_after_seconds == 9
        assert await indexed(db) == []


class TestLongTranscripts:
    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "BATCH", 1)

    async def test_batches_before_a_failure_are_kept(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        class BreaksOff(FakeEmbedder):
            async def embed(self, texts: Any) -> Any:
                if len(self.calls) == 2:
                    raise AdapterError(ErrorCode.PROVIDER_UNAVAILABLE, "Gone.", retryable=True)
                return await super().embed(texts)

        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        with pytest.raises(AdapterError):
            await run(db, settings, tmp_path, video, BreaksOff())
        assert await indexed(db) == [(text, "en", True) for text in TEXTS[:2]]
        embedder = FakeEmbedder()

        await run(db, settings, tmp_path, video, embedder)

        assert embedder.calls == [(TEXTS[2],)]
        assert await indexed(db) == [(text, "en", True) for text in TEXTS]

    async def test_progress_is_media_time_and_a_cancel_stops_it(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS, with_chunks=True)
        embedder = FakeEmbedder()

        with pytest.raises(JobCancelled):
            await run(db, settings, tmp_path, video, embedder, cancel_at=1)

        assert len(embedder.calls) == 2
        assert await indexed(db) == [(TEXTS[0], "en", True)]


class TestSupersededMeanwhile:
    async def test_the_newest_revision_is_what_remains(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        video = await make_video(db, await make_project(db))
        await make_transcript(db, video, *TEXTS[:2], with_chunks=True)

        class Slow(FakeEmbedder):
            async def embed(self, texts: Any) -> Any:
                await make_transcript(db, video, TEXTS[0], TEXTS[2], with_chunks=True)
                return await super().embed(texts)

        await run(db, settings, tmp_path, video, Slow())

        assert await indexed(db) == [(TEXTS[0], "en", True), (TEXTS[2], "en", False)]

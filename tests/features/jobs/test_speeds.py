"""What this instance has measured, and the time left that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import Job, JobKind, JobSpeed, JobStatus
from cuepoint.features.jobs.speeds import (
    MIN_SAMPLES,
    PipelineState,
    Speed,
    measure_speeds,
    pipeline_state,
    read_speeds,
    seconds_left,
    seconds_left_of,
)
from cuepoint.features.videos.models import Video
from tests.support.builders.attempts import make_job
from tests.support.builders.jobs import make_video

NOW = datetime.now(UTC)


def job(kind: JobKind, status: JobStatus, **values: Any) -> Job:
    """A job that no database knows."""
    given = {"attempt": 1, "progress": 0.0, **values}
    return Job(id=uuid7(), kind=kind, lane=SPECS[kind].lane, status=status, **given)


async def measured(db: Database) -> dict[JobKind, tuple[float, float | None]]:
    async with db.write() as session:
        await measure_speeds(session)
    async with db.read() as session:
        return {kind: (s.run_seconds, s.seconds_per_media_second) for kind, s in (await read_speeds(session)).items()}


async def make_runs(
    db: Database, kind: JobKind, seconds: list[float], video: UUID | None = None, **values: Any
) -> None:
    """Jobs that have taken so long."""
    for one in seconds:
        begun = NOW - timedelta(hours=1)
        times = {"started_at": begun, "finished_at": begun + timedelta(seconds=one), "attempt": 1}
        made = await make_job(db, kind, status=JobStatus.SUCCEEDED, **{**times, **values})
        async with db.write() as session:
            await session.execute(update(Job).where(Job.id == made.id).values(video_id=video))


class TestMeasureSpeeds:
    async def test_medians_of_those_that_ended_well_at_once(self, db: Database, project: UUID) -> None:
        video = await make_video(db, project)
        async with db.write() as session:
            await session.execute(update(Video).values(duration_ms=60_000))
        await make_runs(db, JobKind.TRANSCRIPTION, [10, 20, 30, 40, 1000], video)
        await make_runs(db, JobKind.CLIP_EXTRACTION, [2, 2, 2, 2, 4])
        await make_runs(db, JobKind.CLIP_EXTRACTION, [500] * 9, attempt=2)
        await make_runs(db, JobKind.CLIP_EXTRACTION, [0.001] * 9, result={"skipped": True})
        await make_runs(db, JobKind.CLIP_EXTRACTION, [500] * 9, finished_at=NOW - timedelta(days=40))
        await make_runs(db, JobKind.PROBE, [1] * (MIN_SAMPLES - 1))

        assert await measured(db) == {JobKind.TRANSCRIPTION: (30.0, 0.5), JobKind.CLIP_EXTRACTION: (2.0, None)}

    async def test_what_is_measured_no_more_is_forgotten(self, db: Database) -> None:
        async with db.write() as session:
            await session.execute(insert(JobSpeed).values(kind="PROBE", run_seconds=1, samples=9))

        assert await measured(db) == {}
        async with db.read() as session:
            assert (await session.scalars(select(JobSpeed))).all() == []


class TestSecondsLeft:
    @pytest.mark.parametrize(
        ("kind", "attempt", "media_ms", "elapsed", "left"),
        [
            (JobKind.TRANSCRIPTION, 1, 60_000, 10.0, 20.0),
            (JobKind.TRANSCRIPTION, 1, None, 10.0, None),
            (JobKind.TRANSCRIPTION, 1, 60_000, 31.0, None),
            (JobKind.TRANSCRIPTION, 2, 60_000, 10.0, None),
            (JobKind.CLIP_EXTRACTION, 1, 60_000, 0.5, 1.5),
            (JobKind.PROBE, 1, 60_000, 0.0, None),
        ],
        ids=["by-the-media", "unknown-length", "longer-than-ever", "later-attempt", "by-itself", "never-measured"],
    )
    def test_follows_the_measured_speed(
        self, kind: JobKind, attempt: int, media_ms: int | None, elapsed: float, left: float | None
    ) -> None:
        speeds = {JobKind.TRANSCRIPTION: Speed(99.0, 0.5), JobKind.CLIP_EXTRACTION: Speed(2.0, 0.1)}

        assert seconds_left(job(kind, JobStatus.RUNNING, attempt=attempt), speeds, media_ms, elapsed) == left

    async def test_ones_own_speed_goes_first(self, db: Database, project: UUID) -> None:
        async with db.write() as session:
            await session.execute(insert(JobSpeed).values(kind="CLIP_EXTRACTION", run_seconds=1000, samples=9))
        begun = datetime.now(UTC) - timedelta(seconds=10)
        slow = await make_job(db, JobKind.CLIP_EXTRACTION, status=JobStatus.RUNNING, started_at=begun)
        quick = await make_job(db, JobKind.CLIP_EXTRACTION, status=JobStatus.RUNNING, started_at=begun, progress=0.5)

        async with db.read() as session:
            left = await seconds_left_of(session, [slow, quick])

        assert left[slow] == pytest.approx(990, abs=2)
        assert left[quick] == pytest.approx(10, abs=2)


class TestPipelineState:
    def test_steps_count_by_their_time(self) -> None:
        speeds = {JobKind.PROBE: Speed(1.0, None), JobKind.TRANSCRIPTION: Speed(99.0, 0.5)}
        probe = job(JobKind.PROBE, JobStatus.SUCCEEDED)
        running = job(JobKind.TRANSCRIPTION, JobStatus.RUNNING, progress=0.5)

        state = pipeline_state([probe, running], speeds, 18_000, {running.id: 4.5})

        assert state == PipelineState((1.0 + 4.5) / 10.0, 4.5)

    def test_what_waits_counts_as_measured_and_is_unknown_otherwise(self) -> None:
        speeds = {JobKind.PROBE: Speed(4.0, None)}
        waiting = [job(JobKind.PROBE, JobStatus.QUEUED), job(JobKind.SEGMENTATION, JobStatus.BLOCKED)]

        assert pipeline_state(waiting[:1], speeds, None, {}) == PipelineState(0.0, 4.0)
        assert pipeline_state(waiting, speeds, None, {}) == PipelineState(0.0, None)

    def test_what_is_over_counts_whole_however_it_ended(self) -> None:
        over = [job(JobKind.PROBE, JobStatus.FAILED), job(JobKind.SEGMENTATION, JobStatus.CANCELLED)]

        assert pipeline_state(over, {}, None, {}) == PipelineState(1.0, 0.0)

    def test_without_a_step_there_is_none(self) -> None:
        assert pipeline_state([job(JobKind.CLIP_EXTRACTION, JobStatus.RUNNING)], {}, None, {}) is None

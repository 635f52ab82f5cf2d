"""Pipelines that are started while an earlier start is under way: what is joined, and what is created once more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest

from cuepoint.db.session import Database
from cuepoint.features.jobs import service
from cuepoint.features.jobs.claims import Outcome, end_attempt
from cuepoint.features.jobs.joining import wait_for_more
from cuepoint.features.jobs.kinds import PIPELINE, SPECS, JobSpec
from cuepoint.features.jobs.models import Job, JobKind
from tests.support.builders.jobs import make_job, make_project, make_video
from tests.support.jobs import event_types, make, row, run, status, take

SEGMENTATION, EMBEDDING, MOMENTS = JobKind.SEGMENTATION, JobKind.EMBEDDING, JobKind.MOMENT_GENERATION


@pytest.fixture
async def video(db: Database) -> dict[str, Any]:
    project_id = await make_project(db)
    return {"project_id": project_id, "video_id": await make_video(db, project_id), "created_by_id": None}


async def start(db: Database, video: dict[str, Any], *kinds: JobKind) -> list[Job]:
    async with db.write() as session:
        return await service.start_pipeline(session, **video, kinds=kinds or None)


async def edges(sql: Any, job_id: UUID) -> set[tuple[UUID, bool]]:
    rows = await sql.fetch("select dependency_id, is_required from job_dependencies where job_id = $1", job_id)
    return {(UUID(int=r["dependency_id"].int), r["is_required"]) for r in rows}


class TestWhileAStageRuns:
    async def test_what_runs_on_the_old_gets_a_next_one_on_the_new(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        [running] = await start(db, video, EMBEDDING)
        await take(sql, worker, lane="llm")

        segmentation, following = await start(db, video, SEGMENTATION, EMBEDDING)

        assert following.id != running.id
        assert following.dedupe_key == f"{running.dedupe_key}:next"
        assert await edges(sql, following.id) == {(running.id, False), (segmentation.id, True)}
        assert await status(sql, running.id, segmentation.id, following.id) == ["RUNNING", "QUEUED", "BLOCKED"]

    async def test_the_next_one_runs_after_both_whatever_became_of_the_first(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        await start(db, video, EMBEDDING)
        [claimed] = await take(sql, worker, lane="llm")
        segmentation, following = await start(db, video, SEGMENTATION, EMBEDDING)

        await run(sql, worker, segmentation.id, lane="cpu")
        after_one = await status(sql, following.id)
        await end_attempt(sql, claimed.fence, Outcome.PERMANENT)

        assert after_one == ["BLOCKED"]
        assert await status(sql, following.id) == ["QUEUED"]

    async def test_a_third_call_joins_the_next_one(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        await start(db, video, EMBEDDING)
        await take(sql, worker, lane="llm")
        second = await start(db, video, SEGMENTATION, EMBEDDING)

        third = await start(db, video, SEGMENTATION, EMBEDDING)

        assert [job.id for job in third] == [job.id for job in second]
        assert await sql.fetchval("select count(*) from jobs") == 3

    async def test_once_the_next_one_runs_the_first_key_is_free_again(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        await start(db, video, EMBEDDING)
        [first] = await take(sql, worker, lane="llm")
        segmentation, second = await start(db, video, SEGMENTATION, EMBEDDING)
        await run(sql, worker, segmentation.id, lane="cpu")
        await end_attempt(sql, first.fence, Outcome.PERMANENT)
        await take(sql, worker, lane="llm")

        again, third = await start(db, video, SEGMENTATION, EMBEDDING)

        assert third.dedupe_key == f"video:{video['video_id']}:EMBEDDING"
        assert await edges(sql, third.id) == {(second.id, False), (again.id, True)}

    async def test_alone_it_is_joined(self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]) -> None:
        [running] = await start(db, video, EMBEDDING)
        await take(sql, worker, lane="llm")

        assert [job.id for job in await start(db, video, EMBEDDING)] == [running.id]

    async def test_everything_behind_it_follows_the_new_one(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        first = {job.kind: job for job in await start(db, video)}
        await run(sql, worker, first[JobKind.PROBE].id)
        running = {claimed.fence.job_id for claimed in await take(sql, worker, lane="cpu", limit=10)}

        second = {job.kind: job for job in await start(db, video)}

        assert first[JobKind.AUDIO_EXTRACTION].id in running
        for kind in PIPELINE[1:]:  # what has not started is joined, and behind the new ones as well
            assert (second[kind].id == first[kind].id) is (first[kind].id not in running)
        assert (second[JobKind.AUDIO_EXTRACTION].id, True) in await edges(sql, first[JobKind.TRANSCRIPTION].id)


class TestBeforeAStageStarts:
    async def test_it_is_joined_and_waits_for_what_is_made_anew(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        [queued] = await start(db, video, EMBEDDING)

        segmentation, joined = await start(db, video, SEGMENTATION, EMBEDDING)

        assert joined.id == queued.id
        assert (joined.status.value, joined.due, joined.dependencies_left) == ("BLOCKED", None, 1)
        assert await event_types(sql, joined.id) == ["CREATED", "BLOCKED"]
        await run(sql, worker, segmentation.id, lane="cpu")
        assert await status(sql, joined.id) == ["QUEUED"]

    async def test_one_between_two_attempts_waits_too_and_keeps_its_time(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        await start(db, video, EMBEDDING)
        [claimed] = await take(sql, worker, lane="llm")
        await end_attempt(sql, claimed.fence, Outcome.ERROR, delay_seconds=60)

        segmentation, joined = await start(db, video, SEGMENTATION, EMBEDDING)
        await run(sql, worker, segmentation.id, lane="cpu")

        assert joined.id == claimed.fence.job_id
        assert await status(sql, joined.id) == ["SCHEDULED"]

    async def test_one_that_waits_for_less_takes_up_the_rest(
        self, db: Database, sql: Any, video: dict[str, Any]
    ) -> None:
        probe, moments = await start(db, video, JobKind.PROBE, MOMENTS)

        embedding, joined = await start(db, video, EMBEDDING, MOMENTS)

        assert joined.id == moments.id
        assert await edges(sql, joined.id) == {(probe.id, True), (embedding.id, True)}
        assert await event_types(sql, joined.id) == ["CREATED"]
        assert joined.dependencies_left == 2

    async def test_two_calls_at_once_make_one_of_each(self, db: Database, sql: Any, video: dict[str, Any]) -> None:
        async def once() -> list[Job]:
            return await service.in_transaction(db, lambda s: service.start_pipeline(s, **video))

        answers = await asyncio.gather(*[once() for _ in range(4)])

        assert {tuple(job.id for job in jobs) for jobs in answers} == {tuple(job.id for job in answers[0])}
        assert await sql.fetchval("select count(*) from jobs") == len(PIPELINE)


class TestWaitForMore:
    async def test_one_that_has_started_or_is_over_does_not(self, sql: Any, worker: UUID) -> None:
        other = await make(sql, JobKind.SEGMENTATION)
        running, over = await make(sql), await make(sql)
        await take(sql, worker)
        await run(sql, worker, over)

        assert [await wait_for_more(sql, job, {other: True}) for job in (running, over)] == [None, None]
        assert await edges(sql, running) == await edges(sql, over) == set()

    async def test_a_dependency_that_cannot_succeed_is_refused(self, sql: Any, worker: UUID) -> None:
        dead = await make(sql)
        await run(sql, worker, dead, Outcome.PERMANENT)
        job = await make(sql, JobKind.SEGMENTATION)

        assert await wait_for_more(sql, job, {dead: True}) is None
        assert await status(sql, job) == ["QUEUED"]

    async def test_one_that_has_succeeded_already_changes_nothing(self, sql: Any, worker: UUID) -> None:
        done = await make(sql)
        await run(sql, worker, done)
        job = await make(sql, JobKind.SEGMENTATION)

        assert await wait_for_more(sql, job, {done: True}) == ()
        assert (await row(sql, job))["dependencies_left"] == 0
        assert await edges(sql, job) == {(done, True)}
        assert await event_types(sql, job) == ["CREATED"]

    async def test_the_same_edge_twice_counts_once(self, sql: Any) -> None:
        other = await make(sql)
        job = await make(sql, JobKind.SEGMENTATION)

        await wait_for_more(sql, job, {other: True})
        await wait_for_more(sql, job, {other: True})

        assert (await row(sql, job))["dependencies_left"] == 1

    async def test_what_it_waits_for_takes_it_along_when_it_fails(self, db: Database, sql: Any, worker: UUID) -> None:
        job = await make(sql, JobKind.SEGMENTATION)
        other = await make_job(db)
        await wait_for_more(sql, job, {other.id: True})

        await run(sql, worker, other.id, Outcome.PERMANENT)

        assert await status(sql, job) == ["CANCELLED"]

    async def test_what_it_only_waits_for_does_not(self, db: Database, sql: Any, worker: UUID) -> None:
        job = await make(sql, JobKind.SEGMENTATION)
        over = await make(sql)
        await run(sql, worker, over, Outcome.PERMANENT)
        other = await make_job(db)
        await wait_for_more(sql, job, {other.id: False, over: False})
        before = (await row(sql, job))["dependencies_left"]

        await run(sql, worker, other.id, Outcome.PERMANENT)

        assert before == 1
        assert await status(sql, job) == ["QUEUED"]


class TestOrder:
    def test_every_step_comes_after_those_that_it_waits_for(self) -> None:
        """So there is no cycle that jobs could wait in; nobody else may say what a job waits for."""
        known = {JobKind.INGEST}
        for kind in PIPELINE:
            assert known.issuperset(SPECS[kind].after), kind
            known.add(kind)


class TestOptionalSteps:
    @pytest.fixture(autouse=True)
    def audio_is_optional(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As a feature would declare it."""
        optional = replace(SPECS[JobKind.AUDIO_EXTRACTION], is_optional=True)
        monkeypatch.setitem(cast(dict[JobKind, JobSpec], SPECS), JobKind.AUDIO_EXTRACTION, optional)

    async def test_one_that_fails_does_not_fail_the_rest(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        kinds = (JobKind.PROBE, JobKind.AUDIO_EXTRACTION, JobKind.TRANSCRIPTION)
        probe, audio, transcription = await start(db, video, *kinds)
        await run(sql, worker, probe.id)

        await run(sql, worker, audio.id, Outcome.PERMANENT, lane="cpu")

        assert await edges(sql, transcription.id) == {(audio.id, False), (probe.id, True)}
        assert await status(sql, probe.id, audio.id, transcription.id) == ["SUCCEEDED", "FAILED", "QUEUED"]

    async def test_what_both_require_is_still_required(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        kinds = (JobKind.PROBE, JobKind.AUDIO_EXTRACTION, JobKind.TRANSCRIPTION)
        probe, audio, transcription = await start(db, video, *kinds)

        await run(sql, worker, probe.id, Outcome.PERMANENT)

        assert await status(sql, audio.id, transcription.id) == ["CANCELLED", "CANCELLED"]

    async def test_a_later_start_joins_them_the_same_way(
        self, db: Database, sql: Any, worker: UUID, video: dict[str, Any]
    ) -> None:
        [transcription] = await start(db, video, JobKind.TRANSCRIPTION)
        audio, joined = await start(db, video, JobKind.AUDIO_EXTRACTION, JobKind.TRANSCRIPTION)

        assert joined.id == transcription.id
        assert await edges(sql, transcription.id) == {(audio.id, False)}
        assert await status(sql, transcription.id) == ["BLOCKED"]

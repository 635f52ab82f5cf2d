"""Running jobs again by hand: as they were, with other options, and never for what is being deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.jobs import service
from cuepoint.features.jobs.bulk import retry_failed
from cuepoint.features.jobs.claims import Outcome
from cuepoint.features.jobs.effective import JobOptions
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.retrying import AS_IT_WAS, Changes, retry_job
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_job, make_video, make_viewer
from tests.support.graphql import api_of
from tests.support.jobs import event_types, row, run, status
from tests.support.waiting import blocked_or_done

RETRY = """mutation ($input: RetryJobInput!) { retryJob(input: $input) {
  job { priority events(first: 10) { nodes { type changes } } } errors { code field message } } }"""


@pytest.fixture
async def admin(db: Database) -> Viewer:
    return await make_viewer(db, is_admin=True)


async def failed_job(db: Database, sql: Any, worker: UUID, kind: JobKind = JobKind.PROBE, **values: Any) -> Job:
    """A job that failed."""
    job = await make_job(db, kind, **values)
    await run(sql, worker, job.id, Outcome.PERMANENT, lane=job.lane)
    return job


async def delete(db: Database, video: UUID) -> None:
    """Mark the video as deleted."""
    async with db.write() as session:
        await session.execute(update(Video).where(Video.id == video).values(deleted_at=datetime.now(UTC)))


class TestRetryJob:
    @pytest.mark.parametrize("outcome", [Outcome.PERMANENT, Outcome.STOPPED])
    async def test_queues_it_again(self, db: Database, sql: Any, worker: UUID, admin: Viewer, outcome: Outcome) -> None:
        job = await make_job(db)
        await run(sql, worker, job.id, outcome)

        async with db.write() as session:
            retried, changed = await retry_job(session, admin, job.id)

        assert (retried.status, retried.attempt, changed) == (JobStatus.QUEUED, 1, True)

    @pytest.mark.parametrize("is_over", [False, True], ids=["waits", "succeeded"])
    async def test_leaves_one_that_has_not_failed_as_it_is(
        self, db: Database, sql: Any, worker: UUID, admin: Viewer, is_over: bool
    ) -> None:
        job = await make_job(db)
        if is_over:
            await run(sql, worker, job.id)
        before = await row(sql, job.id)

        async with db.write() as session:
            left, changed = await retry_job(session, admin, job.id)

        assert (left.id, changed) == (job.id, False)
        assert await row(sql, job.id) == before

    async def test_says_why_not(self, db: Database, sql: Any, worker: UUID, admin: Viewer) -> None:
        queued = await make_job(db)
        failed = await make_job(db, JobKind.SEGMENTATION)
        child = await make_job(db, depends_on=[(failed.id, True)])
        await run(sql, worker, failed.id, Outcome.PERMANENT, lane="cpu")
        doubled = await make_job(db, dedupe_key="k")
        async with db.write() as session:
            await service.cancel_job(session, admin, doubled.id)
        await make_job(db, dedupe_key="k")

        codes = []
        for job, changes in ((queued, Changes(timeout_seconds=9)), (child, AS_IT_WAS), (doubled, AS_IT_WAS)):
            async with db.write() as session:
                with pytest.raises(CuepointError) as caught:
                    await retry_job(session, admin, job.id, changes)
                codes.append(caught.value.code)

        assert codes == [ErrorCode.NOT_RETRYABLE, ErrorCode.DEPENDENCY_FAILED, ErrorCode.DUPLICATE_JOB]
        assert (await row(sql, child.id))["status"] == "CANCELLED"


class TestChanges:
    async def test_they_are_taken_over_and_stand_in_the_event(
        self, db: Database, sql: Any, worker: UUID, settings: Settings, project: UUID, viewer: Viewer
    ) -> None:
        job = await failed_job(
            db, sql, worker, JobKind.MOMENT_GENERATION, project_id=project, args={"count": 3, "min_ms": 9000}
        )
        wanted = {"timeoutSeconds": 77, "options": {"priority": 9, "momentCount": 5, "momentMaxDuration": 30}}

        api = api_of(db, settings, viewer)
        answer = (await api.data(RETRY, {"input": {"id": encode_id("Job", job.id), **wanted}}))["retryJob"]

        assert answer["errors"] == []
        assert answer["job"]["priority"] == 9
        assert answer["job"]["events"]["nodes"][-1] == {
            "type": "RETRIED",
            "changes": {"priority": 9, "timeoutSeconds": 77, "momentCount": 5, "momentMaxMs": 30_000},
        }
        now = await row(sql, job.id)
        assert (now["priority"], now["timeout_seconds"]) == (9, 77)
        said = {"count": "CALL", "max_ms": "CALL"}
        assert now["args"] == {"count": 5, "min_ms": 9000, "max_ms": 30_000, "sources": said}

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ({"options": {"priority": 11}}, ["options", "priority"]),
            ({"timeoutSeconds": 0}, ["timeoutSeconds"]),
            ({"options": {"momentCount": 51}}, ["options", "momentCount"]),
            ({"options": {"momentMinDuration": 20, "momentMaxDuration": 10}}, ["options"]),
            ({"options": {"momentMaxDuration": 2}}, ["options"]),
            ({"options": {"language": "en"}}, ["options"]),
            ({"options": {"steps": ["PROBE"]}}, ["options"]),
        ],
        ids=["priority", "timeout", "range", "order", "order-with-the-old", "of-another-kind", "steps"],
    )
    async def test_wrong_ones_change_nothing(
        self,
        db: Database,
        sql: Any,
        worker: UUID,
        settings: Settings,
        project: UUID,
        viewer: Viewer,
        wanted: dict[str, Any],
        field: list[str],
    ) -> None:
        job = await failed_job(
            db, sql, worker, JobKind.MOMENT_GENERATION, project_id=project, args={"count": 3, "min_ms": 9000}
        )

        api = api_of(db, settings, viewer)
        answer = (await api.data(RETRY, {"input": {"id": encode_id("Job", job.id), **wanted}}))["retryJob"]

        assert [(e["code"], e["field"]) for e in answer["errors"]] == [("BAD_USER_INPUT", field)]
        assert (await row(sql, job.id))["args"] == {"count": 3, "min_ms": 9000}
        assert await event_types(sql, job.id) == ["CREATED", "STARTED", "FAILED"]

    @pytest.mark.parametrize(
        ("kind", "before", "option", "after"),
        [
            (JobKind.TRANSCRIPTION, {}, {"language": "yue"}, {"language": "yue"}),
            (JobKind.MOMENT_GENERATION, {"count": 3}, {"momentCount": 4}, {"count": 4}),
            (JobKind.MOMENT_GENERATION, {}, {"momentMinDuration": 2}, {"min_ms": 2000}),
            (JobKind.MOMENT_GENERATION, {}, {"momentMaxDuration": 9}, {"max_ms": 9000}),
            (
                JobKind.CLIP_EXTRACTION,
                {"clip_id": "c", "mode": "FAST"},
                {"clipMode": "RENDER"},
                {"clip_id": "c", "mode": "RENDER"},
            ),
        ],
        ids=["language", "count", "shortest", "longest", "clip-mode"],
    )
    async def test_each_option_changes_what_its_kind_reads(
        self,
        db: Database,
        sql: Any,
        worker: UUID,
        settings: Settings,
        project: UUID,
        viewer: Viewer,
        kind: JobKind,
        before: dict[str, Any],
        option: dict[str, Any],
        after: dict[str, Any],
    ) -> None:
        job = await failed_job(db, sql, worker, kind, project_id=project, args=before)

        wanted = {"id": encode_id("Job", job.id), "options": option}
        answer = (await api_of(db, settings, viewer).data(RETRY, {"input": wanted}))["retryJob"]

        assert answer["errors"] == []
        args = (await row(sql, job.id))["args"]
        assert set(args.pop("sources").values()) == {"CALL"}
        assert args == after

    async def test_a_kind_without_options_takes_none(self, db: Database, sql: Any, worker: UUID, admin: Viewer) -> None:
        job = await failed_job(db, sql, worker)

        async with db.write() as session:
            with pytest.raises(BadInputError, match="PROBE has no option language, momentMinDuration"):
                await retry_job(session, admin, job.id, Changes(JobOptions(language="en", moment_min_ms=1_000)))

    async def test_a_refused_retry_takes_nothing_over(
        self, db: Database, sql: Any, worker: UUID, admin: Viewer
    ) -> None:
        job = await make_job(db)

        with pytest.raises(CuepointError):
            async with db.write() as session:
                await retry_job(session, admin, job.id, Changes(JobOptions(priority=9)))

        assert (await row(sql, job.id))["priority"] == 5


class TestDeletedVideo:
    async def test_its_jobs_are_not_retried(
        self, db: Database, sql: Any, worker: UUID, admin: Viewer, project: UUID
    ) -> None:
        gone, kept = await make_video(db, project), await make_video(db, project)
        jobs = [await failed_job(db, sql, worker, project_id=project, video_id=video) for video in (gone, kept)]
        await delete(db, gone)

        async with db.write() as session:
            with pytest.raises(CuepointError) as caught:
                await retry_job(session, admin, jobs[0].id)
        async with db.write() as session:
            many = await retry_failed(session, admin, JobFilter(project_id=project))

        assert caught.value.code is ErrorCode.NOT_RETRYABLE
        assert ([job.id for job in many.jobs], many.skipped) == ([jobs[1].id], 1)
        assert await status(sql, jobs[0].id) == ["FAILED"]

    async def test_its_deletion_is(self, db: Database, sql: Any, worker: UUID, admin: Viewer, project: UUID) -> None:
        video = await make_video(db, project)
        job = await failed_job(db, sql, worker, JobKind.VIDEO_DELETION, project_id=project, video_id=video)
        await delete(db, video)

        async with db.write() as session:
            assert (await retry_job(session, admin, job.id))[0].status is JobStatus.QUEUED

    async def test_a_deletion_waits_for_a_retry_that_came_first(
        self, db: Database, sql: Any, worker: UUID, admin: Viewer, project: UUID
    ) -> None:
        video = await make_video(db, project)
        job = await failed_job(db, sql, worker, project_id=project, video_id=video)

        async def remove() -> None:
            async with db.write() as session:
                await videos.delete_video(session, admin, video)

        async with db.write() as session:
            await retry_job(session, admin, job.id)
            removing = asyncio.create_task(remove())
            await blocked_or_done(db, removing)
            was_done = removing.done()
        await removing

        assert not was_done
        assert await status(sql, job.id) == ["CANCELLED"]

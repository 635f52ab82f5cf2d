"""Housekeeping: chores of all features, deletions that failed, speeds, and old jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.clips.models import Reel
from cuepoint.features.imports.models import Import, ImportKind
from cuepoint.features.jobs import chores
from cuepoint.features.jobs.chores import chore, do_chores
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobDependency, JobKind, JobStatus
from cuepoint.features.jobs.pruning import prune_jobs
from cuepoint.features.jobs.tasks import prune, retry_deletions
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.worker.registry import task_bodies
from tests.support.builders.attempts import begin_attempt, make_job
from tests.support.builders.jobs import make_video
from tests.support.jobs import status

YEAR = timedelta(days=365)
KEEP = timedelta(days=30)


class TestDoChores:
    async def test_one_that_fails_does_not_keep_the_rest(
        self, db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(chores, "_chores", [])
        done: list[str] = []

        @chore
        async def bad(ctx: TaskContext) -> dict[str, Any]:
            raise CuepointError(ErrorCode.NOT_READY, "not now")

        @chore
        async def good(ctx: TaskContext) -> dict[str, Any]:
            done.append("good")
            return {"good": 1}

        context, _ = await begin_attempt(db, settings, JobKind.MAINTENANCE)
        with pytest.raises(CuepointError, match="not now"):
            await do_chores(context)

        assert done == ["good"]

    async def test_every_feature_has_its_say(self, db: Database, settings: Settings) -> None:
        task_bodies()  # as a worker does: every feature has registered its chores
        context, _ = await begin_attempt(db, settings, JobKind.MAINTENANCE)

        result = await do_chores(context)

        assert {"sweptUploads", "retriedDeletions", "measuredKinds", "prunedJobs"} <= set(result)


class TestRetryDeletions:
    async def test_those_that_failed_are_queued_again(self, db: Database, sql: Any, settings: Settings) -> None:
        failed = await make_job(db, JobKind.VIDEO_DELETION, status=JobStatus.FAILED, seq=0)
        other = await make_job(db, JobKind.PROBE, status=JobStatus.FAILED, seq=0)
        context, _ = await begin_attempt(db, settings, JobKind.MAINTENANCE)

        result = await retry_deletions(context)

        assert result == {"retriedDeletions": 1}
        assert await status(sql, failed.id, other.id) == ["QUEUED", "FAILED"]
        await sql.execute("delete from jobs")  # rows without events


@pytest.fixture
async def video(db: Database, project: UUID) -> UUID:
    return await make_video(db, project)


async def old(db: Database, kind: JobKind, video: UUID | None = None, *, days: int = 400, **values: Any) -> UUID:
    """A job that ended so long ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    job = await make_job(db, kind, status=values.pop("status", JobStatus.SUCCEEDED), **values)
    key = UUID(int=(int(at.timestamp() * 1000) << 80) | (job.id.int & ((1 << 80) - 1)))
    facts = {"id": key, "video_id": video, "created_at": at, "finished_at": at}
    async with db.write() as session:
        await session.execute(update(Job).where(Job.id == job.id).values(**facts))
    return key


class TestPruneJobs:
    @pytest.fixture(autouse=True)
    async def _leave_nothing(self, sql: Any) -> Any:
        """Rows without events: the invariants of the other tests are not theirs."""
        yield
        await sql.execute("delete from jobs")

    async def ids(self, sql: Any) -> set[UUID]:
        return {UUID(int=row["id"].int) for row in await sql.fetch("select id from jobs")}

    async def test_what_ended_long_ago_goes_and_what_is_needed_stays(self, db: Database, sql: Any, video: UUID) -> None:
        await old(db, JobKind.MAINTENANCE)
        await old(db, JobKind.PROBE, video, days=500)
        newest_success = await old(db, JobKind.PROBE, video, days=450)
        newest = await old(db, JobKind.PROBE, video, days=420, status=JobStatus.FAILED)
        clip = await old(db, JobKind.CLIP_EXTRACTION, video)
        young = await old(db, JobKind.MAINTENANCE, days=20)
        waiting = (await make_job(db, JobKind.MAINTENANCE)).id

        assert await prune_jobs(db, keep=KEEP) == 2
        assert await self.ids(sql) == {newest_success, newest, clip, young, waiting}

    async def test_what_reels_and_imports_show_stays_as_long_as_they(
        self, db: Database, sql: Any, project: UUID
    ) -> None:
        reel, imported = await old(db, JobKind.REEL_RENDERING), await old(db, JobKind.INGEST)
        await old(db, JobKind.REEL_RENDERING)
        await old(db, JobKind.INGEST)
        async with db.write() as session:
            session.add(Reel(project_id=project, title="Best of", job_id=reel))
            facts = {"kind": ImportKind.HTTP, "address": "", "shown_url": "", "on_duplicate": OnDuplicate.KEEP}
            session.add(Import(project_id=project, job_id=imported, **facts))

        assert await prune_jobs(db, keep=KEEP) == 2
        assert await self.ids(sql) == {reel, imported}
        await sql.execute("delete from reels")
        await sql.execute("delete from imports")
        assert await prune_jobs(db, keep=KEEP) == 2

    async def test_a_chain_goes_from_its_end_and_stays_while_one_waits(self, db: Database, sql: Any) -> None:
        gone = [await old(db, JobKind.MAINTENANCE, days=500 - n) for n in range(3)]
        kept = await old(db, JobKind.MAINTENANCE)
        waiting = (await make_job(db, JobKind.MAINTENANCE, status=JobStatus.BLOCKED)).id
        edges = [(gone[0], gone[1]), (gone[1], gone[2]), (kept, waiting)]
        async with db.write() as session:
            values = [{"dependency_id": before, "job_id": after, "is_required": True} for before, after in edges]
            await session.execute(insert(JobDependency).values(values))

        assert await prune_jobs(db, keep=KEEP) == 3
        assert await self.ids(sql) == {kept, waiting}

    async def test_zero_days_keep_all(self, db: Database, sql: Any, settings: Settings) -> None:
        await old(db, JobKind.MAINTENANCE)
        keeping = settings.model_copy(update={"jobs_keep_days": 0})
        for days, count in ((0, 0), (30, 1)):
            own = keeping.model_copy(update={"jobs_keep_days": days})
            context, _ = await begin_attempt(db, own, JobKind.MAINTENANCE)
            assert await prune(context) == {"prunedJobs": count}

"""What a task may write: under the fence, together with the end of the job, through outages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome, end_attempt, succeed
from cuepoint.features.jobs.context import FenceLost, FinishInterrupted, JobCancelled, TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.transitions import cancel
from cuepoint.features.moments.repository import lock_video
from cuepoint.features.projects.models import Project
from cuepoint.worker.attempt import Attempt
from tests.support.builders.jobs import make_project, make_video
from tests.support.jobs import make, row, status, take
from tests.support.waiting import blocked_or_done


@pytest.fixture
async def running(sql: Any, worker: UUID, db: Database, settings: Settings, tmp_path: Path):
    """The context and the control of a running attempt."""
    await make(sql)
    [claimed] = await take(sql, worker)
    attempt = Attempt(claimed, tmp_path / "tmp")
    adapters = build_adapters(settings)
    context = TaskContext(
        job_id=claimed.fence.job_id,
        attempt=1,
        worker_id=worker,
        kind=JobKind.PROBE,
        project_id=None,
        video_id=None,
        args={},
        adapters=adapters,
        db=db,
        settings=settings,
        control=attempt,
    )
    yield context, attempt
    await adapters.close()


Running = tuple[TaskContext, Attempt]


def project(name: str = "made") -> Project:
    return Project(id=uuid7(), name=name, description="")


async def names(sql: Any) -> list[str]:
    return [r["name"] for r in await sql.fetch("select name from projects order by name")]


class TestFinish:
    async def test_commits_results_and_state_together(self, sql: Any, running: Running) -> None:
        ctx, attempt = running

        async with ctx.finish(result={"n": 1}) as session:
            session.add(project())
            assert await status(sql, ctx.job_id) == ["RUNNING"]

        assert (await row(sql, ctx.job_id))["result"] == {"n": 1}
        assert (await status(sql, ctx.job_id), await names(sql)) == (["SUCCEEDED"], ["made"])
        assert attempt.has_finished is True

    async def test_nobody_can_take_or_cancel_the_job_meanwhile(
        self, sql: Any, running: Running, database_url: str
    ) -> None:
        ctx, _ = running

        async with ctx.finish():
            locked = await sql.fetch("select id from jobs where id = $1 for update skip locked", ctx.job_id)

        assert locked == []

    async def test_the_video_is_locked_before_the_job_as_by_whoever_starts_its_pipeline(
        self, db: Database, sql: Any, running: Running
    ) -> None:
        ctx = replace(running[0], video_id=await make_video(db, await make_project(db)))

        async def finish() -> None:
            async with ctx.finish() as session:
                await lock_video(session, ctx.video_id)

        async with db.write() as session:  # as `startPipeline` does: the video, then what it joins
            await session.execute(text("select from videos where id = :id for share"), {"id": ctx.video_id})
            finishing = asyncio.create_task(finish())
            await blocked_or_done(db, finishing)
            await session.execute(text("select from jobs where id = :id for share"), {"id": ctx.job_id})
        await finishing

        assert await status(sql, ctx.job_id) == ["SUCCEEDED"]

    async def test_a_lost_fence_writes_nothing(self, sql: Any, running: Running) -> None:
        ctx, attempt = running
        await end_attempt(sql, attempt.fence, Outcome.RELEASE)

        with pytest.raises(FenceLost):
            async with ctx.finish() as session:
                session.add(project())

        assert (await names(sql), attempt.has_finished) == ([], False)

    async def test_a_cancelled_job_writes_nothing(self, sql: Any, running: Running) -> None:
        ctx, _ = running
        await cancel(sql, [ctx.job_id])

        with pytest.raises(JobCancelled):
            async with ctx.finish() as session:
                session.add(project())

        assert (await names(sql), await status(sql, ctx.job_id)) == ([], ["RUNNING"])

    async def test_a_broken_connection_before_the_commit_asks_for_another_run(self, sql: Any, running: Running) -> None:
        ctx, attempt = running

        async def finish() -> None:
            async with ctx.finish() as session:
                session.add(project())
                pid = await session.scalar(text("select pg_backend_pid()"))
                await sql.fetch("select pg_terminate_backend($1)", pid)

        with pytest.raises(FinishInterrupted):
            await finish()

        assert (await names(sql), await status(sql, ctx.job_id)) == ([], ["RUNNING"])
        assert attempt.has_finished is False

    async def test_a_commit_whose_answer_was_lost_counts(self, sql: Any, running: Running) -> None:
        ctx, attempt = running

        async with ctx.finish() as session:
            pid = await session.scalar(text("select pg_backend_pid()"))
            await sql.fetch("select pg_terminate_backend($1)", pid)
            await succeed(sql, [(attempt.fence, None)])  # what the lost commit would have done

        assert attempt.has_finished is True

    async def test_a_file_error_of_the_task_is_its_own(self, sql: Any, running: Running) -> None:
        ctx, _ = running

        with pytest.raises(FileNotFoundError):
            async with ctx.finish():
                raise FileNotFoundError("poster.jpg")

        assert await status(sql, ctx.job_id) == ["RUNNING"]


class TestSave:
    async def test_is_seen_at_once_and_the_job_goes_on(self, sql: Any, running: Running) -> None:
        ctx, _ = running

        async with ctx.save() as session:
            session.add(project("draft"))

        assert (await names(sql), await status(sql, ctx.job_id)) == (["draft"], ["RUNNING"])

    async def test_a_lost_fence_writes_nothing(self, sql: Any, running: Running) -> None:
        ctx, attempt = running
        await end_attempt(sql, attempt.fence, Outcome.RELEASE)

        with pytest.raises(FenceLost):
            async with ctx.save() as session:
                session.add(project())

        assert await names(sql) == []

"""A step whose result is fresh is skipped: same input, same options, same engine - and the result is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import NotFoundError
from cuepoint.features.jobs import freshness
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.freshness import MadeOf, fingerprint, fresh_by
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.jobs.pipeline import start_pipeline
from tests.support.builders.jobs import make_project, make_video
from tests.support.jobs import ended, event_types
from tests.support.workers import worker_for_tests

STEP = JobKind.EMBEDDING  # any step that has no rule of its own


@pytest.fixture
async def project(db: Database) -> UUID:
    return await make_project(db)


@pytest.fixture
async def video(db: Database, project: UUID) -> UUID:
    return await make_video(db, project)


class Stage:
    """A step with an input and a result that a test can change, and how often it ran."""

    def __init__(self) -> None:
        self.input: object | None = "a"
        self.is_there = False  # as long as nothing has made it
        self.makes: dict[str, Any] = {}
        self.failure: Exception | None = None
        self.runs: list[dict[str, Any]] = []

    async def made_of(self, ctx: TaskContext) -> MadeOf | None:
        return None if self.input is None else MadeOf(self.input, is_there=self.is_there)

    async def body(self, ctx: TaskContext) -> dict[str, Any]:
        self.runs.append(dict(ctx.args))
        if self.failure is not None:
            raise self.failure
        self.is_there = not self.makes
        return {"run": len(self.runs), **self.makes}


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    fresh_by(STEP, version=1)(stage.made_of)
    yield stage
    del freshness._rules[STEP]


class TestReusedResult:
    async def run(
        self,
        db: Database,
        sql: Any,
        settings: Settings,
        stage: Stage,
        video: UUID,
        *,
        force: bool = False,
        args: dict[str, Any] | None = None,
        end: str = "SUCCEEDED",
        kind: JobKind = STEP,
    ) -> Any:
        """The row of the step once it is over."""
        async with db.write() as session:
            project_id = await sql.fetchval("select project_id from videos where id = $1", video)
            arguments = {kind: args} if args else None
            [job] = await start_pipeline(
                session,
                project_id=project_id,
                video_id=video,
                created_by_id=None,
                kinds=[kind],
                force=force,
                arguments=arguments,
            )
        async with worker_for_tests(settings, {kind: stage.body}):
            assert await ended(sql, job.id) == [end]
        return await sql.fetchrow("select id, result, is_forced from jobs where id = $1", job.id)

    async def test_the_same_again_is_skipped_with_the_result_of_the_first(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        first = await self.run(db, sql, settings, stage, video)
        second = await self.run(db, sql, settings, stage, video)
        third = await self.run(db, sql, settings, stage, video)

        assert len(stage.runs) == 1
        assert (first["result"], second["result"]) == ({"run": 1}, {"run": 1, "skipped": True})
        assert third["result"] == second["result"]
        assert await event_types(sql, second["id"]) == ["CREATED", "STARTED", "SUCCEEDED"]

    @pytest.mark.parametrize("change", ["input", "options", "engine", "force"])
    async def test_what_differs_runs(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID, change: str
    ) -> None:
        await self.run(db, sql, settings, stage, video)
        if change == "input":
            stage.input = "b"
        if change == "engine":
            fresh_by(STEP, version=2)(stage.made_of)
        args = {"language": "de"} if change == "options" else None
        second = await self.run(db, sql, settings, stage, video, args=args, force=change == "force")

        assert len(stage.runs) == 2
        assert (second["result"], second["is_forced"]) == ({"run": 2}, change == "force")

    async def test_only_the_newest_success_counts(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        for value in ("a", "b", "a"):
            stage.input = value
            await self.run(db, sql, settings, stage, video)

        assert len(stage.runs) == 3

    async def test_a_result_that_is_gone_is_made_again(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        await self.run(db, sql, settings, stage, video)
        stage.is_there = False
        second = await self.run(db, sql, settings, stage, video)
        third = await self.run(db, sql, settings, stage, video)

        assert len(stage.runs) == 2
        assert (second["result"], third["result"]) == ({"run": 2}, {"run": 2, "skipped": True})

    async def test_what_other_steps_have_done_meanwhile_does_not_matter(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        await self.run(db, sql, settings, stage, video)
        await self.run(db, sql, settings, stage, video, kind=JobKind.SEGMENTATION)
        again = await self.run(db, sql, settings, stage, video)

        assert again["result"] == {"run": 1, "skipped": True}

    async def test_of_a_step_that_had_nothing_to_make_nothing_can_be_gone(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        stage.makes = {"reason": "NO_AUDIO"}
        await self.run(db, sql, settings, stage, video)
        second = await self.run(db, sql, settings, stage, video)

        assert second["result"] == {"run": 1, "reason": "NO_AUDIO", "skipped": True}

    async def test_a_step_without_its_inputs_runs_and_proves_nothing(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        stage.input = None
        first = await self.run(db, sql, settings, stage, video)
        await self.run(db, sql, settings, stage, video)

        assert len(stage.runs) == 2
        assert await sql.fetchval("select fingerprint from jobs where id = $1", first["id"]) is None

    async def test_a_run_that_failed_is_no_proof(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        stage.failure, stage.is_there = NotFoundError("video"), True
        await self.run(db, sql, settings, stage, video, end="FAILED")
        stage.failure = None
        await self.run(db, sql, settings, stage, video)

        assert len(stage.runs) == 2

    async def test_another_videos_result_is_not_ones_own(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID, project: UUID
    ) -> None:
        await self.run(db, sql, settings, stage, video)
        await self.run(db, sql, settings, stage, await make_video(db, project))

        assert len(stage.runs) == 2

    async def test_a_newer_success_of_unknown_origin_is_no_proof(
        self, db: Database, sql: Any, settings: Settings, stage: Stage, video: UUID
    ) -> None:
        first = await self.run(db, sql, settings, stage, video)
        await self.run(db, sql, settings, stage, video)
        async with db.write() as session:
            await session.execute(update(Job).where(Job.id != first["id"]).values(fingerprint=None))
        await self.run(db, sql, settings, stage, video)

        assert len(stage.runs) == 2


class TestForce:
    async def test_a_step_that_waits_is_marked_when_it_is_joined(
        self, db: Database, sql: Any, video: UUID, project: UUID
    ) -> None:
        values = {"project_id": project, "video_id": video, "created_by_id": None, "kinds": [STEP]}
        async with db.write() as session:
            [first] = await start_pipeline(session, **values)
        async with db.write() as session:
            [joined] = await start_pipeline(session, **values, force=True)

        assert joined.id == first.id
        assert await sql.fetchval("select is_forced from jobs where id = $1", first.id)


class TestFingerprint:
    def test_only_the_order_of_names_and_who_said_so_do_not_matter(self) -> None:
        base = fingerprint(STEP, 1, {"a": 1, "b": 2}, ["x", None])

        assert fingerprint(STEP, 1, {"b": 2, "a": 1, "sources": {"a": "CALL"}}, ["x", None]) == base
        others = {
            fingerprint(JobKind.PROBE, 1, {"a": 1, "b": 2}, ["x", None]),
            fingerprint(STEP, 2, {"a": 1, "b": 2}, ["x", None]),
            fingerprint(STEP, 1, {"a": 1}, ["x", None]),
            fingerprint(STEP, 1, {"a": 1, "b": 2}, ["x"]),
        }
        assert len(others | {base}) == 5

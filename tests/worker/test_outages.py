"""A worker whose Redis or Postgres goes away: jobs go on, none is lost, none is repeated."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from tests.support.database import Door, put_out_others
from tests.support.jobs import connect, ended, event_types, make, until
from tests.support.redis import start_redis
from tests.support.workers import worker_for_tests


class TestWithoutRedis:
    async def test_jobs_run_and_pipelines_go_on(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            ctx.report(0.5)

        first = await make(sql)
        second = await make(sql, needs=[first])
        deaf = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})

        async with worker_for_tests(deaf, {JobKind.PROBE: probe}):
            assert await ended(sql, first, second) == ["SUCCEEDED", "SUCCEEDED"]

    async def test_a_redis_that_dies_and_comes_back_loses_nothing(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            return None

        with start_redis() as redis:
            own = settings.model_copy(update={"redis_url": SecretStr(redis.url)})
            async with worker_for_tests(own, {JobKind.PROBE: probe}):
                before = await make(sql)
                assert await ended(sql, before) == ["SUCCEEDED"]
                redis.kill()
                without = await make(sql)
                assert await ended(sql, without) == ["SUCCEEDED"]
                redis.start()
                after = await make(sql)
                assert await ended(sql, after) == ["SUCCEEDED"]


class TestPostgresAway:
    async def test_a_running_job_survives_and_is_not_repeated(self, sql: Any, settings: Settings) -> None:
        began, go_on = asyncio.Event(), asyncio.Event()
        attempts: list[int] = []

        async def probe(ctx: TaskContext) -> dict[str, Any]:
            attempts.append(ctx.attempt)
            began.set()
            await go_on.wait()
            return {"ok": True}

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            await began.wait()
            for _ in range(3):
                await put_out_others(sql)
                await asyncio.sleep(0.05)
            go_on.set()
            assert await ended(sql, job) == ["SUCCEEDED"]
            later = await make(sql)
            assert await ended(sql, later) == ["SUCCEEDED"]

        assert attempts == [1, 1]

    async def test_a_finish_that_is_cut_off_is_run_again_without_a_failure(
        self, sql: Any, settings: Settings, database_url: str
    ) -> None:
        async def probe(ctx: TaskContext) -> None:
            async with ctx.finish(result={"attempt": ctx.attempt}) as session:
                session.add(Project(id=uuid7(), name=f"attempt {ctx.attempt}", description=""))
                await session.flush()
                if ctx.attempt == 1:
                    pid = await session.scalar(text("select pg_backend_pid()"))
                    async with connect(database_url) as other:  # the test asks for the job's state meanwhile
                        await other.fetch("select pg_terminate_backend($1)", pid)

        job = await make(sql, max_attempts=1)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert [r["name"] for r in await sql.fetch("select name from projects")] == ["attempt 2"]
        assert (await event_types(sql, job))[2] == "RELEASED"

    async def test_the_log_has_one_line_of_it_and_one_of_its_end(
        self, settings: Settings, door: Door, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def probe(ctx: TaskContext) -> None:
            return None

        async def said(text: str) -> bool:
            return text in caplog.text

        caplog.set_level(logging.INFO, "cuepoint")
        behind = settings.model_copy(update={"database_url": SecretStr(door.url)})

        async with worker_for_tests(behind, {JobKind.PROBE: probe}):
            async with connect(door.url) as sql:
                assert await ended(sql, await make(sql)) == ["SUCCEEDED"]
            await door.shut()
            await until(lambda: said("Postgres is away"))
            await asyncio.sleep(1.0)  # in which each of its loops tries again
            door.open()
            await until(lambda: said("Postgres is back"))
            async with connect(door.url) as sql:
                assert await ended(sql, await make(sql)) == ["SUCCEEDED"]

        told = [one.message.partition(",")[0] for one in caplog.records if one.levelno > logging.INFO]
        assert told == ["Postgres is away"]
        assert caplog.text.count("Postgres is back") == 1

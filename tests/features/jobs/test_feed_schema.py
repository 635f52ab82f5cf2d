"""Feeds as clients see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.gateway import response_body
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import succeed
from cuepoint.features.jobs.hub import JobHub
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_project, make_video, make_viewer
from tests.support.graphql import process_of
from tests.support.jobs import make, run, take

FIELDS = "{ cursor jobId kind videoId result update { type seq status progress event { seq type } job { status } } }"
PROJECT = f"subscription ($id: ID!, $after: String) {{ projectEvents(projectId: $id, after: $after) {FIELDS} }}"
VIDEO = f"subscription ($id: ID!, $after: String) {{ videoEvents(videoId: $id, after: $after) {FIELDS} }}"
JOBS = (
    f"subscription ($filter: JobFilterInput, $after: String) {{ jobsUpdated(filter: $filter, after: $after) {FIELDS} }}"
)


@pytest.fixture
async def project(db: Database) -> UUID:
    return await make_project(db)


@pytest.fixture
async def viewer(db: Database, project: UUID) -> Viewer:
    return await make_viewer(db, project)


Watch = Callable[..., Any]


@pytest.fixture
async def watch(db: Database, settings: Settings, viewer: Viewer, redis_url: str) -> AsyncIterator[Watch]:
    """Runs a subscription: an async context manager with a function that awaits its next response."""
    live = RedisLive(redis_url)
    hub = JobHub(db, live, safety_seconds=0.1)
    base = process_of(db, settings)
    process = Process(db, base.adapters, settings, base.bindings, {JobHub: hub})

    @asynccontextmanager
    async def watching(query: str, variables: dict[str, Any], viewer: Viewer = viewer) -> AsyncIterator[Any]:
        context = Context(process, viewer=viewer, request_id="r1")
        results = await schema.stream(query, variable_values=variables, context_value=context)

        async def next_body() -> Any:
            async with asyncio.timeout(10):
                return response_body(await anext(results), "r1")

        yield next_body
        await results.aclose()

    yield watching
    await hub.close()
    await live.close()


class TestProjectEvents:
    async def test_snapshot_cursor_events_and_result(
        self, sql: Any, worker: UUID, db: Database, watch: Watch, project: UUID
    ) -> None:
        video = await make_video(db, project)
        job = await make(sql, project_id=project, video_id=video)
        async with watch(PROJECT, {"id": encode_id("Project", project)}) as next_body:
            bodies = [await next_body(), await next_body()]
            [claimed] = await take(sql, worker)
            await succeed(sql, [(claimed.fence, None)])
            bodies += [await next_body(), await next_body()]

        updates = [body["data"]["projectEvents"] for body in bodies]
        assert [u["update"] and (u["update"]["type"], u["update"]["seq"]) for u in updates] == [
            ("SNAPSHOT", 1),
            None,
            ("EVENT", 2),
            ("EVENT", 3),
        ]
        assert [u["result"] for u in updates] == [None, None, None, "MEDIA"]
        last = updates[-1]
        assert (last["jobId"], last["kind"], last["videoId"]) == (
            encode_id("Job", job),
            "PROBE",
            encode_id("Video", video),
        )
        assert last["update"]["event"] == {"seq": 3, "type": "SUCCEEDED"}
        assert last["update"]["job"] == {"status": "SUCCEEDED"}

    async def test_strangers_do_not_find_it(self, db: Database, watch: Watch, project: UUID) -> None:
        stranger = await make_viewer(db, await make_project(db))

        async with watch(PROJECT, {"id": encode_id("Project", project)}, stranger) as next_body:
            body = await next_body()

        assert [error["extensions"]["code"] for error in body["errors"]] == ["NOT_FOUND"]

    async def test_a_cursor_that_is_none_is_refused(self, watch: Watch, project: UUID) -> None:
        async with watch(PROJECT, {"id": encode_id("Project", project), "after": "x"}) as next_body:
            body = await next_body()

        assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"]


class TestVideoEvents:
    async def test_only_that_video(self, sql: Any, worker: UUID, db: Database, watch: Watch, project: UUID) -> None:
        video, other = await make_video(db, project), await make_video(db, project)
        async with watch(VIDEO, {"id": encode_id("Video", video)}) as next_body:
            cursor = (await next_body())["data"]["videoEvents"]["cursor"]
        await make(sql, project_id=project, video_id=other)
        job = await make(sql, project_id=project, video_id=video)
        await run(sql, worker, job)
        async with watch(VIDEO, {"id": encode_id("Video", video), "after": cursor}) as next_body:
            updates = [(await next_body())["data"]["videoEvents"] for _ in range(5)]

        assert [u["update"] and (u["update"]["type"], u["update"]["seq"]) for u in updates] == [
            ("SNAPSHOT", 3),
            ("EVENT", 1),
            ("EVENT", 2),
            ("EVENT", 3),
            None,
        ]
        assert {u["jobId"] for u in updates[:4]} == {encode_id("Job", job)}


class TestJobsUpdated:
    async def test_all_visible_jobs_that_match(
        self, sql: Any, worker: UUID, db: Database, watch: Watch, project: UUID
    ) -> None:
        foreign = await make_project(db)
        async with watch(JOBS, {"filter": {"status": ["QUEUED"]}}) as next_body:
            first = (await next_body())["data"]["jobsUpdated"]
            await make(sql, project_id=foreign)
            job = await make(sql, project_id=project)
            second = (await next_body())["data"]["jobsUpdated"]

        assert (first["jobId"], second["jobId"]) == (None, encode_id("Job", job))
        assert second["update"]["event"] == {"seq": 1, "type": "CREATED"}

"""The client over restarts of the API: real servers, one after the other at the same address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.app import create_app
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.schema import schema
from cuepoint.client import CuepointClient, watch_job, watch_project
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome, end_attempt
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.projects.models import ProjectMember, ProjectRole
from cuepoint.graphql.context import Process
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.jobs import make_project
from tests.support.graphql import process_of
from tests.support.jobs import make, make_worker, run, take
from tests.support.serve import Serving, serving
from tests.support.web import make_token, opener

Start = Callable[[int], AbstractAsyncContextManager[Serving]]


@pytest.fixture
def start(db: Database, settings: Settings, redis_url: str) -> Start:
    """Another API process's inside, at that port."""

    @asynccontextmanager
    async def started(port: int) -> AsyncIterator[Serving]:
        live = RedisLive(redis_url)
        hub = JobHub(db, live, safety_seconds=0.1)
        base = process_of(db, settings)
        process = Process(db, base.adapters, settings, base.bindings, {JobHub: hub})
        app = create_app(settings, opener(Gateway(schema, process, Authenticator(db))))
        async with app.router.lifespan_context(app), serving(app, settings, port) as served:
            yield served
        await hub.close()
        await live.close()

    return started


@pytest.fixture
async def project(db: Database) -> UUID:
    return await make_project(db)


@pytest.fixture
async def token(db: Database, project: UUID) -> str:
    viewer, secret = await make_token(db)
    async with db.write() as session:
        session.add(ProjectMember(project_id=project, user_id=viewer.user_id, role=ProjectRole.VIEWER))
    return secret


def port_of(served: Serving) -> int:
    return int(served.host.rpartition(":")[2])


class TestRestart:
    async def test_a_job_and_a_feed_go_on_behind_what_was_told(
        self, sql: Any, start: Start, project: UUID, token: str
    ) -> None:
        worker, job = await make_worker(sql), await make(sql, project_id=project)
        progress: list[dict[str, Any]] = []
        feed: list[dict[str, Any]] = []

        async def read(client: CuepointClient) -> None:
            async with aclosing(watch_job(client, encode_id("Job", job))) as updates:
                async for update in updates:
                    progress.append(update)  # noqa: PERF401 - looked at meanwhile

        async def follow(client: CuepointClient) -> None:
            async with aclosing(watch_project(client, encode_id("Project", project))) as updates:
                async for update in updates:
                    feed.append(update)
                    if (update["update"] or {}).get("seq") == 5 and update["update"]["type"] == "EVENT":
                        return

        async with asyncio.timeout(20):
            async with start(0) as first:
                port = port_of(first)
                async with CuepointClient(f"http://127.0.0.1:{port}", token) as client:
                    reading = asyncio.gather(read(client), follow(client))
                    while not progress or not any(update["jobId"] is None for update in feed):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                    first.stop()
                    await first.stopped
                    [claimed] = await take(sql, worker)  # nobody serves
                    await end_attempt(sql, claimed.fence, Outcome.RELEASE)
                    async with start(port):
                        while progress[-1]["seq"] < 3:  # noqa: ASYNC110
                            await asyncio.sleep(0.01)
                        await run(sql, worker, job)
                        await reading

        assert [u["seq"] for u in progress if u["type"] == "EVENT"] == [2, 3, 4, 5]
        assert progress[-1]["status"] == "SUCCEEDED"
        assert [u["update"]["seq"] for u in feed if u["update"] and u["update"]["type"] == "EVENT"] == [2, 3, 4, 5]

"""Feeds and progress as server-sent events, read by what a browser's EventSource does: it goes on at the last id."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.app import create_app
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.projects.models import ProjectMember, ProjectRole
from cuepoint.graphql.context import Process
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.jobs import make_video
from tests.support.graphql import process_of
from tests.support.jobs import make, run
from tests.support.serve import serving
from tests.support.web import bearer, make_token, opener

UPDATE = "cursor update { type seq }"
FEEDS = {
    "jobsUpdated": f"subscription ($id: ID!) {{ jobsUpdated(filter: {{ projectId: $id }}) {{ {UPDATE} }} }}",
    "projectEvents": f"subscription ($id: ID!) {{ projectEvents(projectId: $id) {{ {UPDATE} }} }}",
    "videoEvents": f"subscription ($id: ID!) {{ videoEvents(videoId: $id) {{ {UPDATE} }} }}",
}
PROGRESS = "subscription ($id: ID!) { jobProgress(jobId: $id, after: 0) { type seq } }"


@dataclass
class EventSource:
    """Reads a stream and begins it again after the last id, as the HTML standard says."""

    url: str
    token: str
    query: str
    variables: dict[str, Any]
    last_id: str | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    status: int = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncio.Task[None]]:
        """One connection; it is cut at the end of the block."""
        reading = asyncio.create_task(self._read())
        try:
            yield reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """The first `count` results."""
        async with asyncio.timeout(10):
            while len(self.bodies) < count:  # noqa: ASYNC110 - filled by another task
                await asyncio.sleep(0.01)
        return [next(iter(body["data"].values())) for body in self.bodies[:count]]

    async def _read(self) -> None:
        params = {"query": self.query, "variables": json.dumps(self.variables)}
        headers = {"Accept": "text/event-stream", **bearer(self.token)}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=20) as client,
            client.stream("GET", self.url, params=params, headers=headers) as response,
        ):
            self.status = response.status_code
            data, pending = "", self.last_id
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    pending = value
                elif name == "data":
                    data = value
                elif not line and data:
                    self.last_id = pending
                    self.bodies.append(json.loads(data))
                    data = ""


@pytest.fixture
async def url(db: Database, settings: Settings, redis_url: str) -> AsyncIterator[str]:
    """A server with a hub."""
    live = RedisLive(redis_url)
    hub = JobHub(db, live, safety_seconds=0.1)
    base = process_of(db, settings)
    process = Process(db, base.adapters, settings, base.bindings, {JobHub: hub})
    app = create_app(settings, opener(Gateway(schema, process, Authenticator(db))))
    async with app.router.lifespan_context(app), serving(app, settings) as served:
        yield served.http_url
        await hub.close()
    await live.close()


@pytest.fixture
async def token(db: Database, project: UUID) -> str:
    """A viewer of the project."""
    viewer, secret = await make_token(db)
    async with db.write() as session:
        session.add(ProjectMember(project_id=project, user_id=viewer.user_id, role=ProjectRole.VIEWER))
    return secret


class TestFeeds:
    @pytest.mark.parametrize("name", FEEDS)
    async def test_a_cut_stream_goes_on_behind_its_last_cursor(
        self, db: Database, sql: Any, worker: UUID, project: UUID, url: str, token: str, name: str
    ) -> None:
        video = await make_video(db, project)
        watched = encode_id("Video", video) if name == "videoEvents" else encode_id("Project", project)
        source = EventSource(url, token, FEEDS[name], {"id": watched})
        async with source.connected():
            [caught_up] = await source.until(1)
            job = await make(sql, project_id=project, video_id=video)
            await source.until(2)
        await run(sql, worker, job)  # nobody listens
        async with source.connected():
            updates = await source.until(6)
            other = await make(sql, project_id=project, video_id=video)
            *_, last = await source.until(7)

        assert caught_up["update"] is None
        assert [u["update"] and (u["update"]["type"], u["update"]["seq"]) for u in updates[1:]] == [
            ("EVENT", 1),
            ("SNAPSHOT", 3),
            ("EVENT", 2),
            ("EVENT", 3),
            None,
        ]
        assert last["update"] == {"type": "EVENT", "seq": 1}
        assert source.last_id == last["cursor"]
        await run(sql, worker, other)

    async def test_the_number_of_another_subscription_is_refused(self, project: UUID, url: str, token: str) -> None:
        source = EventSource(url, token, FEEDS["projectEvents"], {"id": encode_id("Project", project)}, last_id="12")
        async with source.connected() as reading:
            await reading

        assert (source.status, source.bodies[0]["errors"][0]["extensions"]["code"]) == (200, "BAD_USER_INPUT")


class TestProgress:
    async def test_a_cut_stream_goes_on_behind_its_last_number(
        self, sql: Any, worker: UUID, project: UUID, url: str, token: str
    ) -> None:
        job = await make(sql, project_id=project)
        source = EventSource(url, token, PROGRESS, {"id": encode_id("Job", job)})
        async with source.connected():
            await source.until(2)
        await run(sql, worker, job)
        async with source.connected() as reading:
            await reading

        updates = await source.until(5)
        assert [(u["type"], u["seq"]) for u in updates] == [
            ("SNAPSHOT", 1),
            ("EVENT", 1),
            ("SNAPSHOT", 3),
            ("EVENT", 2),
            ("EVENT", 3),
        ]

    async def test_a_cursor_is_refused(self, sql: Any, project: UUID, url: str, token: str) -> None:
        job = await make(sql, project_id=project)
        source = EventSource(url, token, PROGRESS, {"id": encode_id("Job", job)}, last_id="A" * 40)
        async with source.connected() as reading:
            await reading

        assert source.bodies[0]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"

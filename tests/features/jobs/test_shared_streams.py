"""Subscriptions of jobs that are told together: each of them exact, and only for as long as its viewer may see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sized
from contextlib import aclosing
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import delete
from strawberry.types.graphql import OperationType

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.graphql_request import GraphQLRequest
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome, end_attempt
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.projects.models import ProjectMember
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_viewer
from tests.support.feeds import publish
from tests.support.graphql import process_of
from tests.support.jobs import make, run, take, until

ANY = frozenset(OperationType)
JOB = "subscription ($id: ID!, $after: Int) { jobProgress(jobId: $id, after: $after) { type seq status } }"
PROJECT = """subscription ($id: ID!, $after: String) {
  projectEvents(projectId: $id, after: $after) { cursor jobId update { type seq status } }
}"""


class Subscriber:
    """Collects the results of one subscription."""

    def __init__(
        self, gateway: Gateway, viewer: Viewer, text: str, after: int | str | None = None, **values: Any
    ) -> None:
        context = Context(gateway.process, viewer=viewer, request_id="r1")
        operation = GraphQLRequest(text, {**values, "after": after})
        self.bodies: list[dict[str, Any]] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.following = gateway.fanout.follow(operation, context, ANY)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with aclosing(self.following) as frames:
            async for frame in frames:
                self.bodies.append(orjson.loads(frame.body))
                await self.may_take.wait()

    @property
    def updates(self) -> list[dict[str, Any]]:
        """Of the jobs."""
        found = [next(iter(body["data"].values())) for body in self.bodies if body.get("data")]
        return [update["update"] if "cursor" in update else update for update in found]

    @property
    def numbers(self) -> list[int]:
        """Of the events."""
        return [update["seq"] for update in self.updates if update and update["type"] == "EVENT"]

    @property
    def codes(self) -> list[str]:
        """Of errors."""
        return [error["extensions"]["code"] for body in self.bodies for error in body.get("errors", ())]

    async def until(self, count: int) -> None:
        """So many results have come."""
        async with asyncio.timeout(10):
            while len(self.bodies) < count:  # noqa: ASYNC110 - filled by another task
                await asyncio.sleep(0.005)


@pytest.fixture
async def hub(db: Database, live: RedisLive) -> AsyncIterator[JobHub]:
    made = JobHub(db, live, safety_seconds=0.1, rights_seconds=0.1)
    yield made
    await made.close()


@pytest.fixture
async def gateway(db: Database, settings: Settings, hub: JobHub) -> AsyncIterator[Gateway]:
    base = process_of(db, settings)
    made = Gateway(schema, Process(db, base.adapters, settings, base.bindings, {JobHub: hub}), Authenticator(db))
    yield made
    await made.close()


async def share(gateway: Gateway, lines: int, readers: int) -> None:
    """So many are told together."""
    async with asyncio.timeout(10):
        while sorted(len(line.readers) for line in gateway.fanout._lines.values()) != [readers] * lines:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def only_one(found: Callable[[], Sized]) -> Callable[[], Awaitable[bool]]:
    """Whether all the others have gone."""

    async def is_so() -> bool:
        return len(found()) == 1

    return is_so


def has_come(found: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """The same, to be awaited."""

    async def is_so() -> bool:
        return found()

    return is_so


class TestJobProgress:
    async def test_all_hear_every_event_once_and_in_order_from_one_execution(
        self, sql: Any, worker: UUID, live: RedisLive, gateway: Gateway, hub: JobHub, viewer: Viewer, project: UUID
    ) -> None:
        job = await make(sql, project_id=project)
        readers = [Subscriber(gateway, viewer, JOB, after, id=encode_id("Job", job)) for after in (None, 0, 1)]
        await share(gateway, 1, 3)
        await until(only_one(hub._all_watches))
        [claimed] = await take(sql, worker)
        await publish(live, [claimed.change, *await end_attempt(sql, claimed.fence, Outcome.RELEASE)])
        await publish(live, await run(sql, worker, job))
        await asyncio.wait_for(asyncio.gather(*[reader.task for reader in readers]), 10)

        assert [reader.numbers for reader in readers] == [[2, 3, 4, 5], [1, 2, 3, 4, 5], [2, 3, 4, 5]]
        assert [reader.updates[0]["type"] for reader in readers] == ["SNAPSHOT"] * 3
        assert [sum(u["type"] == "SNAPSHOT" for u in reader.updates) for reader in readers] == [1, 1, 1]

    async def test_a_member_who_has_left_is_told_so_and_others_go_on(
        self, db: Database, sql: Any, worker: UUID, live: RedisLive, gateway: Gateway, viewer: Viewer, project: UUID
    ) -> None:
        job = await make(sql, project_id=project)
        other = await make_viewer(db, project)
        gone = [Subscriber(gateway, viewer, JOB, id=encode_id("Job", job)) for _ in range(2)]
        staying = [Subscriber(gateway, other, JOB, id=encode_id("Job", job)) for _ in range(2)]
        await share(gateway, 2, 2)
        async with db.write() as session:
            await session.execute(delete(ProjectMember).where(ProjectMember.user_id == viewer.user_id))
        await asyncio.wait_for(asyncio.gather(*[reader.task for reader in gone]), 5)  # the job itself is quiet
        await publish(live, await run(sql, worker, job))
        await asyncio.wait_for(asyncio.gather(*[reader.task for reader in staying]), 5)

        assert [reader.codes for reader in gone] == [["NOT_FOUND"]] * 2
        assert [reader.numbers[-1] for reader in staying] == [3, 3]

    @pytest.mark.parametrize("after", [3, -1], ids=["future", "negative"])
    async def test_an_after_that_the_job_has_not_reached_is_refused(
        self, sql: Any, gateway: Gateway, viewer: Viewer, project: UUID, after: int
    ) -> None:
        job = await make(sql, project_id=project)
        reader = Subscriber(gateway, viewer, JOB, after, id=encode_id("Job", job))
        await asyncio.wait_for(reader.task, 5)

        assert reader.codes == ["BAD_USER_INPUT"]


class TestFeeds:
    async def test_all_hear_every_event_once_and_in_order_from_one_feed(
        self, sql: Any, worker: UUID, live: RedisLive, gateway: Gateway, hub: JobHub, viewer: Viewer, project: UUID
    ) -> None:
        ids = {"id": encode_id("Project", project)}
        first = Subscriber(gateway, viewer, PROJECT, **ids)
        await first.until(1)
        cursor = first.bodies[0]["data"]["projectEvents"]["cursor"]
        job = await make(sql, project_id=project)
        await first.until(2)
        readers = [
            first,
            Subscriber(gateway, viewer, PROJECT, **ids),
            Subscriber(gateway, viewer, PROJECT, cursor, **ids),
        ]
        await share(gateway, 1, 3)
        await until(only_one(lambda: hub._feeds))
        await publish(live, await run(sql, worker, job))
        async with asyncio.timeout(10):
            while any(reader.numbers[-1:] != [3] for reader in readers):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for reader in readers:
            reader.task.cancel()
        await asyncio.gather(*[reader.task for reader in readers], return_exceptions=True)

        assert [reader.numbers for reader in readers] == [[1, 2, 3], [2, 3], [1, 2, 3]]
        cursors = {reader.bodies[-1]["data"]["projectEvents"]["cursor"] for reader in readers}
        assert len(cursors) == 1


class TestLag:
    @pytest.mark.parametrize("text", [JOB, PROJECT], ids=["job", "project"])
    async def test_lasts_from_the_first_event_that_is_not_taken_to_the_last_that_is(
        self, sql: Any, worker: UUID, live: RedisLive, gateway: Gateway, viewer: Viewer, project: UUID, text: str
    ) -> None:
        job = await make(sql, project_id=project)
        watched = encode_id("Job", job) if text is JOB else encode_id("Project", project)
        alone = Subscriber(gateway, viewer, text, id=watched)
        await alone.until(1 if text is JOB else 2)
        lag = lambda: alone.following.lag_seconds  # noqa: E731 - read again and again

        await until(has_come(lambda: lag() == 0.0))
        alone.may_take.clear()
        [claimed] = await take(sql, worker)
        await publish(live, [claimed.change])
        await until(has_come(lambda: lag() > 0.05))
        await publish(live, await end_attempt(sql, claimed.fence, Outcome.RELEASE))
        stalled = lag()
        alone.may_take.set()
        await until(has_come(lambda: alone.numbers == [2, 3]))
        await until(has_come(lambda: lag() == 0.0))

        assert stalled > 0.05
        alone.task.cancel()
        await asyncio.gather(alone.task, return_exceptions=True)

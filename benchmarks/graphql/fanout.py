"""`python -m benchmarks.graphql.fanout`: a thousand subscribers of ten jobs at one API process, and what they cost it.

Real sockets (graphql-transport-ws), a real API process, Redis and Postgres; the events are rows of `job_events`,
announced as every transition announces them, and progress as workers send it, by turns. CPU and memory are those of the
API process and mean something on a busy machine, too; delays do not.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from uuid import UUID

import psutil

from benchmarks.graphql.requests import Running, running
from benchmarks.jobs.servers import Servers, running_servers
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs import service
from cuepoint.features.jobs.announce import Change, announce, dispatcher, job_messages
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.progress import ProgressMessage
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.users import service as users
from cuepoint.features.users.models import User
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.jobs import connect, make_worker, take

SUBSCRIBERS, TOPICS, STALLED = 1000, 10, 50
WARM_UP = 100  # clients that come and go first: caches are filled, and the pool of connections
EVENTS_A_SECOND = 5.0  # of each topic; every other one is progress
SECONDS = 10.0
BURST = 120  # large progress messages that fill the buffers of those who do not read
LARGE = 32_000
MATCH_SECONDS = 3.0  # readers of equal subscriptions have found each other
SETTLE_SECONDS = 2.0  # whatever was sent has come
QUERY = """subscription JobProgress($id: ID!) { jobProgress(jobId: $id) {
  type seq at status attempt progress stage processedSeconds totalSeconds etaSeconds
  event { type error { code message hint } }
} }"""
PACKAGES = ("uvicorn", "websockets", "uvloop", "starlette", "strawberry-graphql", "graphql-core", "orjson", "redis")
# A transition that leaves the job running, as every transition is written.
_EVENT = """
with u as (update jobs set seq = seq + 1 where id = $1 returning *), e as (
  insert into job_events (job_id, seq, at, type, attempt, data)
  select id, seq, job_now(), 'CANCEL_REQUESTED', attempt, jsonb_build_object('status', 'RUNNING') from u
) select id as job_id, project_id, lane, seq, job_now() as at, 'CANCEL_REQUESTED' as type, attempt,
  jsonb_build_object('status', 'RUNNING') as data from u"""


@dataclass
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str
    target: float | None = None

    def __str__(self) -> str:
        met = "" if self.target is None else "yes" if self.value <= self.target else "**no**"
        target = "" if self.target is None else f"≤ {self.target:g} {self.unit}"
        return f"| {self.what} | {self.value:.4g} {self.unit} | {target} | {met} |"


@dataclass
class Round:
    """What was sent in one round, and what was heard of it."""

    due: dict[tuple[int, int], float] = field(default_factory=dict)  # (topic, number): when it was committed
    cpu_seconds: float = 0.0
    heard: list[list[list[Any]]] = field(default_factory=list)

    def delays(self, clients: Sequence[int]) -> list[float]:
        """Milliseconds from the commit of each event to each of these clients."""
        found = [
            1000 * (now - self.due[number % TOPICS, seq])
            for number in clients
            for now, seq, kind in self.heard[number]
            if kind == "EVENT" and (number % TOPICS, seq) in self.due
        ]
        return sorted(found)

    def missed(self, clients: Sequence[int]) -> int:
        """Events that did not come to one of them exactly once and in order."""
        wrong = 0
        for number in clients:
            expected = sorted(seq for topic, seq in self.due if topic == number % TOPICS)
            wrong += [seq for _, seq, kind in self.heard[number] if kind == "EVENT"] != expected
        return wrong

    @property
    def deliveries(self) -> int:
        """Frames in all."""
        return sum(map(len, self.heard))


class Clients:
    """The process of clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, word: str) -> dict[str, Any]:
        """One command; its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n".encode())
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer


@asynccontextmanager
async def clients(plan: dict[str, Any]) -> AsyncIterator[Clients]:
    """A process of them; gone at the end."""
    argv = [sys.executable, "-m", "benchmarks.graphql.fanout_clients", json.dumps(plan)]
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**28
    )
    try:
        yield Clients(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass
class Source:
    """What happens to the ten jobs."""

    db: Database
    live: RedisLive
    sql: Any
    jobs: list[UUID]
    told: int = 0  # messages of progress, which only grows

    async def happen(self, api: Running, crowd: Clients, seconds: float) -> Round:
        """Events at a steady pace, and what was heard of them."""
        found = Round()
        await crowd.do("take")
        before = api.cpu_seconds()
        began = time.monotonic()
        for count in range(int(seconds * EVENTS_A_SECOND * TOPICS)):
            await asyncio.sleep(max(0.0, began + count / (EVENTS_A_SECOND * TOPICS) - time.monotonic()))
            topic, turn = count % TOPICS, count // TOPICS
            if turn % 2:
                await self.progress(topic, "Working")
            else:
                seq, at = await self.event(topic)
                found.due[topic, seq] = at
        await asyncio.sleep(SETTLE_SECONDS)
        found.heard = (await crowd.do("take"))["heard"]
        found.cpu_seconds = api.cpu_seconds() - before
        return found

    async def event(self, topic: int) -> tuple[int, float]:
        """One change of state: its number, and when it was committed."""
        [row] = await self.sql.fetch(_EVENT, self.jobs[topic])
        at = time.monotonic()
        async with self.db.write() as session:
            announce(session, [Change.from_row(row)])
        return row["seq"], at

    async def progress(self, topic: int, stage: str) -> None:
        """One message of a worker."""
        self.told += 1
        message = ProgressMessage(1, datetime.now(UTC), self.told / 100_000, stage, 1000, 2000, 3.5)
        job = self.jobs[topic]
        await self.live.publish(job_messages([message.item(job)]))


async def main() -> None:
    """Measure and print the table."""
    gc.disable()  # a pause of what measures would count as a delay of what is measured
    async with running_servers() as servers:
        live = RedisLive(servers.redis.url)
        engine = create_engine(servers.database_url, pool_size=4, application_name="bench")
        db = Database(engine, dispatcher(live))
        try:
            async with connect(servers.database_url) as sql:
                rows = await _measure(servers, db, live, sql)
        finally:
            await db.close()
            await live.close()
    print(f"\nPython {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    print(f"{SUBSCRIBERS} subscribers of {TOPICS} jobs under one API key, {EVENTS_A_SECOND:g} events a second each\n")
    print("| figure | value | target | met |\n|---|---|---|---|")
    print("\n".join(map(str, rows)))


async def _measure(servers: Servers, db: Database, live: RedisLive, sql: Any) -> list[Row]:
    token, jobs = await _make_world(db)
    source = Source(db, live, sql, jobs)
    await take(sql, await make_worker(sql, lease_seconds=3600.0), limit=TOPICS)  # they run, and nobody works on them
    with running("product", servers.environment()) as api:
        plan = {
            "url": api.url,
            "token": token,
            "query": QUERY,
            "topics": [encode_id("Job", job) for job in jobs],
            "subscribers": SUBSCRIBERS,
            "stalled": STALLED,
        }
        async with clients({**plan, "subscribers": WARM_UP, "stalled": 0}) as few:  # what is loaded at the first use
            await few.do("connect")
            await source.happen(api, few, 2.0)
        async with clients(plan) as crowd:
            return await _rounds(api, source, crowd)


async def _rounds(api: Running, source: Source, crowd: Clients) -> list[Row]:
    process = psutil.Process(api.pid)
    everybody = range(SUBSCRIBERS)
    stalled = [number for number in everybody if number % TOPICS == 0][:STALLED]
    others = [number for number in everybody if number not in set(stalled)]
    empty = process.memory_info().rss
    await crowd.do("connect")
    await asyncio.sleep(MATCH_SECONDS)
    full = process.memory_info().rss
    await source.happen(api, crowd, 2.0)
    calm = await source.happen(api, crowd, SECONDS)

    await crowd.do("stall")
    for _ in range(BURST):
        await source.progress(0, "x" * LARGE)
        await asyncio.sleep(0.01)
    await asyncio.sleep(1.0)
    blocked = process.memory_info().rss
    held = await source.happen(api, crowd, SECONDS)
    grown = process.memory_info().rss - blocked
    await crowd.do("resume")
    await asyncio.sleep(3.0)
    late = (await crowd.do("take"))["heard"]
    held.heard = [[*first, *then] for first, then in zip(held.heard, late, strict=True)]

    stopped = time.monotonic()
    os.kill(api.pid, signal.SIGTERM)
    closed = (await crowd.do("closed"))["closed"]
    undisturbed, disturbed = calm.delays(everybody), held.delays(others)
    return [
        Row("CPU of the API for each delivery", 1e6 * calm.cpu_seconds / calm.deliveries, "µs", 60),
        Row("memory for each subscriber", (full - empty) / 1024 / SUBSCRIBERS, "KiB", 30),
        Row("delay of an event, p50", statistics.median(undisturbed), "ms"),
        Row("delay of an event, p99", _p99(undisturbed), "ms", 50),
        Row(f"the same while {STALLED} do not read, p50", statistics.median(disturbed), "ms"),
        Row(f"the same while {STALLED} do not read, p99", _p99(disturbed), "ms", 50),
        Row("memory that grew while they did not read", grown / 1024 / 1024, "MiB", 5),
        Row("subscribers who missed an event, or heard one twice", calm.missed(everybody), "", 0),
        Row("the same while some did not read, and of those afterwards", held.missed(everybody), "", 0),
        Row("sockets that were not closed with 1012", sum(code != 1012 for _, code in closed), "", 0),
        Row("SIGTERM to the last of them", max(at for at, _ in closed) - stopped, "s", 0.5),
    ]


async def _make_world(db: Database) -> tuple[str, list[UUID]]:
    user, project = User(id=uuid7(), email="bench@example.org", name="Bench"), Project(id=uuid7(), name="Bench")
    async with db.write() as session:
        session.add_all([user, project])
        await session.flush()
        session.add(ProjectMember(project_id=project.id, user_id=user.id, role=ProjectRole.VIEWER))
        viewer = Viewer(user_id=user.id, is_admin=False)
        _, token = await users.create_api_key(session, viewer, name="bench", expires_at=None, user_id=None)
        jobs = [await service.enqueue(session, JobKind.MAINTENANCE, project_id=project.id) for _ in range(TOPICS)]
    return token, [UUID(int=job.id.int) for job in jobs]


def _p99(ordered: Sequence[float]) -> float:
    return ordered[int(0.99 * (len(ordered) - 1))]


if __name__ == "__main__":
    asyncio.run(main())

"""How long things take to happen to a job: to start, to start again after a kill, to stop, and to be heard of."""

# ruff: noqa: ASYNC110 - what is waited for happens in other processes, and is timed as it comes

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psutil

from benchmarks.jobs.results import Results, percentile
from benchmarks.jobs.servers import Servers
from cuepoint.adapters.live.redis import Message, RedisLive
from cuepoint.db.session import Database, Dispatch, create_engine
from cuepoint.features.jobs import service
from cuepoint.features.jobs.announce import Change, dispatcher, effects_of
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.progress import UpdateType
from tests.support.jobs import connect

STARTS, WARM_UP = 300, 20
KILLED_TOGETHER = 12
CANCELS, CANCELS_WITHOUT_REDIS = 20, 2
SUBSCRIBERS = 200
EVENTS = {10: 20, 1: 100}  # of each job, by how many jobs the subscribers watch
LOSSY_EVENTS = 40
EVENT_PAUSE_SECONDS = 0.05
LOST_SHARE = 0.3
LEASE_SECONDS = 15.0  # a default instance's
SAFETY_SECONDS = 2.5  # and a moment: what was not heard of by then is missed


class LossyLive(RedisLive):
    """Three of ten messages do not arrive."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._chance = random.Random(1)

    async def publish(self, messages: Sequence[Message]) -> int:
        """Some of them."""
        return await super().publish([one for one in messages if self._chance.random() >= LOST_SHARE])


@dataclass
class Heard:
    """When events of the jobs were committed, and when subscribers heard of them."""

    jobs: int
    due: dict[tuple[int, int], float] = field(default_factory=dict)  # (job, number of the event)
    heard: list[tuple[int, int, float]] = field(default_factory=list)  # (subscriber, number of the event, when)

    @property
    def delays(self) -> list[float]:
        """Milliseconds from the commit to each subscriber, who may hear of it before the one who commits."""
        return [1000 * max(0.0, at - self.due[number % self.jobs, seq]) for number, seq, at in self.heard]

    @property
    def wrong(self) -> int:
        """How many events one of the subscribers did not hear of, or heard of twice."""
        times = Counter((number, seq) for number, seq, _ in self.heard)
        expected = [(n, seq) for n in range(SUBSCRIBERS) for topic, seq in self.due if topic == n % self.jobs]
        return sum(times[one] != 1 for one in expected)


def _judge(found: Heard, results: Results) -> None:
    words = f"{SUBSCRIBERS} subscribers of {'one job' if found.jobs == 1 else f'{found.jobs} jobs'}"
    # Where all of them watch one job, the middle one is told after a hundred others: no target of the median.
    results.add_times("T9", f"event -> {words}", found.delays, p50=1 if found.jobs > 1 else None, p99=15)
    _add_wrong(f"by {words}", found, results)


def _add_wrong(words: str, found: Heard, results: Results) -> None:
    wrong, count = found.wrong, len(found.due) * SUBSCRIBERS // found.jobs
    results.add("T9", f"missed or doubled {words}", f"{wrong}", f"of {count} to be heard", "0", is_met=wrong == 0)


async def measure(servers: Servers, results: Results) -> None:
    """All of them."""
    live = RedisLive(servers.redis.url)
    engine = create_engine(servers.database_url, pool_size=10, application_name="bench")
    db = Database(engine, dispatcher(live))
    try:
        await _starts(servers, db, results)
        await _kills(servers, db, results)
        await _cancels(servers, db, results)
        async with connect(servers.database_url) as sql:
            for jobs, count in EVENTS.items():
                _judge(await _events(db, live, sql, jobs, count), results)
            lossy = LossyLive(servers.redis.url)
            found = await _events(db, lossy, sql, 1, LOSSY_EVENTS)
            _add_wrong(f"with {LOST_SHARE:.0%} of the messages dropped", found, results)
            await lossy.close()
    finally:
        await db.close()
        await live.close()


@asynccontextmanager
async def worker(servers: Servers, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process whose jobs do what their arguments say; it is LIVE."""
    env = servers.environment(worker_lanes="io", worker_slots_io="20", **settings)
    argv = [sys.executable, "-m", "benchmarks.jobs.worker"]
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def create(db: Database, **args: Any) -> tuple[UUID, float, float, float]:
    """A job; when it was asked for, when its commit began and when it was over."""
    asked = time.time()
    async with db.write() as session:
        job = await service.enqueue(session, JobKind.MAINTENANCE, project_id=None, args=args, timeout_seconds=600)
        committing = time.time()
        await session.commit()
        committed = time.time()
    return job.id, asked, committing, committed


async def until(sql: Any, ids: Sequence[UUID], condition: str, *, seconds: float = 60.0) -> None:
    """Returns once all of these jobs are so."""
    async with asyncio.timeout(seconds):
        while await sql.fetchval(f"select count(*) from jobs where id = any($1) and {condition}", ids) < len(ids):
            await asyncio.sleep(0.02)


async def began_at(process: asyncio.subprocess.Process) -> float:
    """When the body of the next job began, as its worker says."""
    assert process.stdout is not None
    return float(await process.stdout.readline())


async def _starts(servers: Servers, db: Database, results: Results) -> None:
    """One job after the other for an idle worker, which says when its body began."""
    from_commit: list[float] = []
    beyond_commit: list[float] = []
    async with worker(servers) as process, connect(servers.database_url) as sql:
        for number in range(STARTS + WARM_UP):
            job_id, asked, committing, committed = await create(db, say=True)
            began = await began_at(process)
            while await sql.fetchval("select finished_at is null from jobs where id = $1", job_id):
                await asyncio.sleep(0.001)
            if number >= WARM_UP:
                from_commit.append(1000 * max(0.0, began - committed))
                beyond_commit.append(1000 * (began - asked - (committed - committing)))
    results.add_times("T3", "committed -> started", from_commit, p50=2, p99=15)
    middle = statistics.median(beyond_commit)
    spread = f"p10 {percentile(beyond_commit, 0.1):.2f}, p90 {percentile(beyond_commit, 0.9):.2f} ms"
    results.add(
        "T3", "call -> started, without its one commit", f"p50 {middle:.2f} ms", spread, "<= 3 ms", is_met=middle <= 3
    )


async def _kills(servers: Servers, db: Database, results: Results) -> None:
    seconds = {count: await _kill(servers, db, count) for count in (1, KILLED_TOGETHER)}
    for count, took in seconds.items():
        most = LEASE_SECONDS + 1.5
        what = f"kill -9 -> running again, {count} jobs"
        results.add("T4", what, f"{took:.1f} s", "once", f"<= {most:g} s", is_met=took <= most)


async def _kill(servers: Servers, db: Database, count: int) -> float:
    """kill -9 of the worker that runs these; another one lives already, and has for a lease."""
    async with connect(servers.database_url) as sql:
        await sql.execute("delete from jobs")
        async with worker(servers) as victim:
            ids = [(await create(db, seconds=600.0))[0] for _ in range(count)]
            await until(sql, ids, "status = 'RUNNING'")
            async with worker(servers):
                # A process that has not been in touch for a lease declares nobody lost.
                await asyncio.sleep(LEASE_SECONDS + 1)
                victim.send_signal(signal.SIGKILL)
                began = time.monotonic()
                await until(sql, ids, "status = 'RUNNING' and attempt = 2")
                took = time.monotonic() - began
        await sql.execute("delete from jobs")
    return took


async def _cancels(servers: Servers, db: Database, results: Results) -> None:
    """A job that waits for a child process is cancelled; the child is gone."""
    async with worker(servers), connect(servers.database_url) as sql:
        times = [await _cancel(db, sql, number) for number in range(CANCELS)]
        results.add_times("T7", "cancel -> child process gone", times, p50=None, p99=1000)
        servers.redis.kill()
        times = [await _cancel(db, sql, CANCELS + number) for number in range(CANCELS_WITHOUT_REDIS)]
        servers.redis.start()
        results.add_times("T7", "the same without Redis", times, p50=None, p99=5500)


async def _cancel(db: Database, sql: Any, number: int) -> float:
    mark = f"9{number:04}"
    job_id, *_ = await create(db, child=mark)
    while not (pids := _sleepers(mark)):
        await asyncio.sleep(0.005)
    began = time.monotonic()
    async with db.write() as session:
        await service.cancel_unchecked(session, [job_id])
    while any(psutil.pid_exists(pid) for pid in pids):
        await asyncio.sleep(0.001)
    took = 1000 * (time.monotonic() - began)
    await until(sql, [job_id], "status = 'CANCELLED'")
    return took


def _sleepers(mark: str) -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", mark]]


async def _events(db: Database, live: RedisLive, sql: Any, jobs: int, count: int) -> Heard:
    """Subscribers of these jobs hear of their events, as an API process would tell them."""
    hub = JobHub(db, live)
    ids = [(await create(db, seconds=0.0))[0] for _ in range(jobs)]
    found = Heard(jobs)
    listening = asyncio.Event()
    snapshots = 0

    async def listen(number: int) -> None:
        nonlocal snapshots
        async for update in hub.watch_job(ids[number % jobs]):
            if update.type is UpdateType.SNAPSHOT:
                snapshots += 1
                if snapshots == SUBSCRIBERS:
                    listening.set()
            elif update.type is UpdateType.EVENT:
                found.heard.append((number, update.seq, time.perf_counter()))

    listeners = [asyncio.create_task(listen(number)) for number in range(SUBSCRIBERS)]
    await listening.wait()
    for _ in range(count):
        for topic, job_id in enumerate(ids):
            await asyncio.sleep(EVENT_PAUSE_SECONDS)
            seq, committed = await _bump(dispatcher(live), sql, job_id)
            found.due[topic, seq] = committed
    await asyncio.sleep(SAFETY_SECONDS)
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    await hub.close()
    return found


async def _bump(tell: Dispatch, sql: Any, job_id: UUID) -> tuple[int, float]:
    """An event of the job as every transition writes one, announced after its commit as a worker does: its number, and
    when it was committed."""
    rows = await sql.fetch(
        "with u as (update jobs set seq = seq + 1 where id = $1 returning *), e as ("
        "insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, job_now(), 'BLOCKED', attempt, "
        "jsonb_build_object('status', 'BLOCKED') from u) select id as job_id, project_id, lane, seq, job_now() as at, "
        "'BLOCKED' as type, attempt, jsonb_build_object('status', 'BLOCKED') as data from u",
        job_id,
    )
    committed = time.perf_counter()
    await tell(effects_of([Change.from_row(rows[0])]))
    return rows[0]["seq"], committed

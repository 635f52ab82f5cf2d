"""How long things take to happen to a job: to start, to start again after a kill, to stop, and to be heard of."""

# ruff: noqa: ASYNC110, PERF401 - what is waited for happens in other processes, and is timed as it comes

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psutil

from benchmarks.jobs.servers import Servers
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs import service
from cuepoint.features.jobs.announce import Change, announce, dispatcher
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.progress import UpdateType
from tests.support.jobs import connect

STARTS = 300
KILLED_TOGETHER = 12
CANCELS = 20
SUBSCRIBERS = 200
EVENTS = 100


async def measure(servers: Servers) -> None:
    """Print them all."""
    live = RedisLive(servers.redis.url)
    engine = create_engine(servers.database_url, pool_size=10, application_name="bench")
    db = Database(engine, dispatcher(live))
    try:
        await _starts(servers, db)
        for count in (1, KILLED_TOGETHER):
            await _kill(servers, db, count)
        await _cancel(servers, db)
        await _events(servers, db, live)
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


async def _create(db: Database, **args: Any) -> tuple[UUID, float, float]:
    """A job; when it was asked for, and when it was committed."""
    asked = time.time()
    async with db.write() as session:
        job = await service.enqueue(session, JobKind.MAINTENANCE, project_id=None, args=args, timeout_seconds=600)
        await session.commit()
        committed = time.time()
    return job.id, asked, committed


async def _starts(servers: Servers, db: Database) -> None:
    """One job after the other for an idle worker, which says when its body began."""
    from_call, from_commit = [], []
    async with worker(servers) as process, connect(servers.database_url) as sql:
        for number in range(STARTS + 20):
            job_id, asked, committed = await _create(db, say=True)
            assert process.stdout is not None
            began = float(await process.stdout.readline())
            while await sql.fetchval("select finished_at is null from jobs where id = $1", job_id):
                await asyncio.sleep(0.001)
            if number >= 20:  # caches are warm
                from_call.append(1000 * (began - asked))
                from_commit.append(1000 * max(0.0, began - committed))
    _print("committed -> started (T3)", from_commit, "ms")
    _print("call -> started (T3)", from_call, "ms")


async def _kill(servers: Servers, db: Database, count: int) -> None:
    """kill -9 of the worker that runs these; another one lives already, and has for a lease."""
    async with connect(servers.database_url) as sql:
        await sql.execute("delete from jobs")
        async with worker(servers) as victim:
            ids = [(await _create(db, seconds=600.0))[0] for _ in range(count)]
            await _until(sql, ids, "status = 'RUNNING'")
            async with worker(servers):
                await asyncio.sleep(16.0)  # a process that has not been in touch for a lease declares nobody lost
                victim.send_signal(signal.SIGKILL)
                began = time.monotonic()
                await _until(sql, ids, "status = 'RUNNING' and attempt = 2")
                print(
                    f"  kill -9 -> running again, {count:2} jobs (T4) {time.monotonic() - began:10.1f} s (lease 15 s)"
                )
        await sql.execute("delete from jobs")


async def _cancel(servers: Servers, db: Database) -> None:
    """A job that waits for a child process is cancelled; the child is gone."""
    times = []
    async with worker(servers), connect(servers.database_url) as sql:
        for number in range(CANCELS):
            mark = f"9{number:04}"
            job_id, _, _ = await _create(db, child=mark)
            while not (pids := _sleepers(mark)):
                await asyncio.sleep(0.005)
            began = time.monotonic()
            async with db.write() as session:
                await service.cancel_unchecked(session, [job_id])
            while any(psutil.pid_exists(pid) for pid in pids):
                await asyncio.sleep(0.001)
            times.append(1000 * (time.monotonic() - began))
            await _until(sql, [job_id], "status = 'CANCELLED'")
    _print("cancel -> child gone (T7)", times, "ms")


def _sleepers(mark: str) -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", mark]]


async def _events(servers: Servers, db: Database, live: RedisLive) -> None:
    """Subscribers of one job hear of its events: from the commit to each of them."""
    hub = JobHub(db, live)
    job_id, _, _ = await _create(db, seconds=0.0)
    heard: list[float] = []
    due: dict[int, float] = {}

    async def listen() -> None:
        async for update in hub.watch_job(job_id):
            if update.type is UpdateType.EVENT and update.seq in due:
                heard.append(1000 * (time.perf_counter() - due[update.seq]))

    listeners = [asyncio.create_task(listen()) for _ in range(SUBSCRIBERS)]
    await asyncio.sleep(1.0)
    async with connect(servers.database_url) as sql:
        for _ in range(EVENTS):
            await _bump(db, sql, job_id, due)
            await asyncio.sleep(0.05)
    await asyncio.sleep(2.5)
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    await hub.close()
    missed = SUBSCRIBERS * EVENTS - len(heard)
    _print(f"event -> {SUBSCRIBERS} subscribers (T9)", heard, "ms", f"{missed} missed")


async def _bump(db: Database, sql: Any, job_id: UUID, due: dict[int, float]) -> None:
    """An event of the job as every transition writes one, announced after its commit."""
    rows = await sql.fetch(
        "with u as (update jobs set seq = seq + 1 where id = $1 returning *), e as ("
        "insert into job_events (job_id, seq, at, type, attempt, data) select id, seq, job_now(), 'BLOCKED', attempt, "
        "jsonb_build_object('status', 'BLOCKED') from u) select id as job_id, project_id, lane, seq, job_now() as at, "
        "'BLOCKED' as type, attempt, jsonb_build_object('status', 'BLOCKED') as data from u",
        job_id,
    )
    due[rows[0]["seq"]] = time.perf_counter()
    async with db.write() as session:
        announce(session, [Change.from_row(rows[0])])


async def _until(sql: Any, ids: Sequence[UUID], condition: str) -> None:
    async with asyncio.timeout(60):
        while await sql.fetchval(f"select count(*) from jobs where id = any($1) and {condition}", ids) < len(ids):
            await asyncio.sleep(0.02)


def _print(name: str, values: Sequence[float], unit: str, words: str = "") -> None:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    print(
        f"  {name:36} p50 {statistics.median(ordered):8.2f}  p99 {p99:8.2f}  worst {ordered[-1]:8.2f} {unit}  {words}"
    )

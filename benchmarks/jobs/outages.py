"""What jobs notice of it when Redis or Postgres is away, or their worker is told to end."""

from __future__ import annotations

import signal
import time
from typing import Any
from uuid import UUID

from benchmarks.jobs.latencies import began_at, create, until, worker
from benchmarks.jobs.results import Results
from benchmarks.jobs.servers import Servers
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.announce import dispatcher
from tests.support.jobs import connect

WITHOUT_REDIS = 8
OUTAGE_SECONDS = 40.0
RUNNING_SECONDS = 20.0  # they end in the middle of the outage
RUNNING, QUEUED = 20, 20  # all slots of the worker, and more
DRAINS, DRAINED_SECONDS = 3, 2.0

_TELLING = "select count(*) filter (where status = 'SUCCEEDED') as done, count(*) filter (where attempt > 1) as again"


async def measure(servers: Servers, results: Results) -> None:
    """All of them."""
    live = RedisLive(servers.redis.url)
    db = Database(create_engine(servers.database_url, pool_size=5, application_name="bench"), dispatcher(live))
    try:
        await _without_redis(servers, db, results)
        await _drains(servers, db, results)
        await _without_postgres(servers, db, results)
    finally:
        await db.close()
        await live.close()


async def _without_redis(servers: Servers, db: Database, results: Results) -> None:
    """Redis is flushed, killed, and back; jobs come all the time."""
    delays: list[float] = []
    ids: list[UUID] = []
    async with worker(servers) as process, connect(servers.database_url) as sql:
        for number in range(2 * WITHOUT_REDIS):
            if number == WITHOUT_REDIS // 2:
                assert servers.ask_redis("FLUSHALL").startswith("+OK")
            if number == WITHOUT_REDIS:
                servers.redis.kill()
            job_id, _, _, committed = await create(db, say=True)
            delays.append(await began_at(process) - committed)
            ids.append(job_id)
        servers.redis.start()
        await until(sql, ids, "status = 'SUCCEEDED'")
        told = await _told(sql, ids)
    spread = f"worst of {len(delays)}; {len(ids) - told['done']} lost, {told['again']} repeated"
    is_met = max(delays) <= 1.2 and told["done"] == len(ids) and told["again"] == 0
    what, goal = "FLUSHALL, kill -9 of Redis: longest delay", "<= 1.2 s, 0, 0"
    results.add("T5", what, f"{max(delays):.2f} s", spread, goal, is_met=is_met)


async def _drains(servers: Servers, db: Database, results: Results) -> None:
    """SIGTERM while a job runs: the process ends when the job has."""
    beyond = []
    async with connect(servers.database_url) as sql:
        for _ in range(DRAINS):
            async with worker(servers) as process:
                job_id, *_ = await create(db, say=True, seconds=DRAINED_SECONDS)
                began = await began_at(process)
                process.send_signal(signal.SIGTERM)
                await process.wait()
                beyond.append(time.time() - began - DRAINED_SECONDS)
            await until(sql, [job_id], "status = 'SUCCEEDED'")
    worst = max(beyond)
    spread = f"worst of {DRAINS}, best {min(beyond):.2f} s"
    results.add("T8", "drain, beyond the running job", f"{worst:.2f} s", spread, "<= 0.5 s", is_met=worst <= 0.5)


async def _without_postgres(servers: Servers, db: Database, results: Results) -> None:
    """kill -9 of Postgres, away for long: jobs that end meanwhile keep their results, those that wait run after it."""
    async with worker(servers):
        async with connect(servers.database_url) as sql:
            ids = [(await create(db, seconds=RUNNING_SECONDS))[0] for _ in range(RUNNING)]
            await until(sql, ids, "status = 'RUNNING'")
            ids += [(await create(db))[0] for _ in range(QUEUED)]
        await servers.crash_postgres(seconds=OUTAGE_SECONDS)
        async with connect(servers.database_url) as sql:
            await until(sql, ids, "status = 'SUCCEEDED'")
            told = await _told(sql, ids)
    lost, again = len(ids) - told["done"], told["again"]
    what, spread = f"kill -9 of Postgres, {OUTAGE_SECONDS:g} s away", f"{RUNNING} running, {QUEUED} queued, once"
    figure, is_met = f"{lost} lost, {again} repeated", lost == again == 0
    results.add("T6", what, figure, spread, "0 and 0", is_met=is_met)


async def _told(sql: Any, ids: list[UUID]) -> Any:
    return await sql.fetchrow(f"{_TELLING} from jobs where id = any($1)", ids)

"""Real worker processes that are killed, stopped, frozen and blocked: every job ends once, nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.transitions import cancel
from tests.support.jobs import connect, event_types, make, row, status, until
from tests.support.workers import own_worker

SLEEP_SECONDS = 100_000 + os.getpid()  # as no other run on this machine sleeps


@pytest.fixture
async def sql(own_database_url: str) -> AsyncIterator[Any]:
    """A connection to a database with a table of effects."""
    async with connect(own_database_url) as connection:
        await connection.execute("create table effects (job_id uuid, attempt integer)")
        yield connection


@pytest.fixture
def own(settings: Settings, own_database_url: str) -> Settings:
    """Settings with a short lease on that database."""
    return settings.model_copy(
        update={"database_url": SecretStr(own_database_url), "lease_seconds": 1.0, "stop_seconds": 1.0}
    )


async def until_status(sql: Any, job: Any, wanted: str, *, seconds: float = 15.0) -> None:
    async def holds() -> bool:
        return await status(sql, job) == [wanted]

    await until(holds, seconds=seconds)


async def effects(sql: Any, job: Any) -> list[int]:
    return [r["attempt"] for r in await sql.fetch("select attempt from effects where job_id = $1", job)]


class TestKill:
    async def test_another_worker_takes_over_after_the_lease_and_the_effect_is_one(
        self, sql: Any, own: Settings
    ) -> None:
        job = await make(sql, args={"wait": 60})
        async with own_worker(own) as first:
            await until_status(sql, job, "RUNNING")
            async with own_worker(own):
                first.signal(signal.SIGKILL)
                assert await first.wait() == -signal.SIGKILL
                await until_status(sql, job, "SUCCEEDED")

        assert await effects(sql, job) == [2]
        assert await event_types(sql, job) == ["CREATED", "STARTED", "LOST", "STARTED", "SUCCEEDED"]

    async def test_what_it_left_on_disk_is_swept_by_the_next(self, sql: Any, own: Settings) -> None:
        job = await make(sql, args={"wait": 60})
        async with own_worker(own) as first:
            await until_status(sql, job, "RUNNING")
            left = own.home / "tmp" / str(job) / "1" / "half"

            async def is_there() -> bool:
                return left.exists()

            await until(is_there)
            first.signal(signal.SIGKILL)
            await first.wait()
        await sql.execute("update workers set state = 'LOST'")
        await sql.execute("update jobs set status = 'QUEUED', worker_id = null where id = $1", job)
        async with own_worker(own):

            async def is_swept() -> bool:
                return not left.parent.exists()

            await until(is_swept)

        assert not left.exists()


class TestTerminate:
    async def test_running_jobs_end_and_the_exit_is_clean(self, sql: Any, own: Settings) -> None:
        job = await make(sql, args={"wait": 0.5})
        async with own_worker(own) as worker:
            await until_status(sql, job, "RUNNING")
            worker.signal(signal.SIGTERM)
            assert await worker.wait() == 0

        assert (await status(sql, job), await effects(sql, job)) == (["SUCCEEDED"], [1])
        assert await sql.fetchval("select array_agg(state) from workers") == ["GONE"]

    async def test_a_second_sigterm_gives_them_back_now(self, sql: Any, own: Settings) -> None:
        job = await make(sql, args={"wait": 60})
        async with own_worker(own) as worker:
            await until_status(sql, job, "RUNNING")
            worker.signal(signal.SIGTERM)

            async def is_draining() -> bool:
                return bool(await sql.fetchval("select state = 'DRAINING' from workers"))

            await until(is_draining)
            worker.signal(signal.SIGTERM)
            assert await worker.wait() == 0

        assert (await status(sql, job), await effects(sql, job)) == (["QUEUED"], [])


class TestCancel:
    async def test_its_child_process_is_gone(self, sql: Any, own: Settings, db: Database) -> None:
        job = await make(sql, args={"child": SLEEP_SECONDS})
        async with own_worker(own) as worker:

            async def has_child() -> bool:
                return bool(sleepers())

            await until(has_child)
            await cancel(sql, [job])
            await until_status(sql, job, "CANCELLED")

            assert sleepers() == []
            assert worker.process.returncode is None
        assert await effects(sql, job) == []


def sleepers() -> list[int]:
    """Processes of the test's own `sleep`."""
    found = psutil.process_iter(["cmdline"])
    return [process.pid for process in found if process.info["cmdline"] == ["sleep", str(SLEEP_SECONDS)]]


class TestBlockedLoop:
    async def test_a_job_that_blocks_the_loop_does_not_look_dead(self, sql: Any, own: Settings) -> None:
        job = await make(sql, args={"block": 2.5})
        async with own_worker(own), own_worker(own):
            await until_status(sql, job, "SUCCEEDED")

        assert await effects(sql, job) == [1]

    async def test_beyond_its_timeout_the_process_ends_itself(self, sql: Any, own: Settings) -> None:
        job = await make(sql, args={"block": 60}, timeout_seconds=1)
        began = time.monotonic()
        async with own_worker(own) as worker:
            assert await worker.wait() == 70

        assert time.monotonic() - began < 10
        assert await status(sql, job) == ["RUNNING"]


class TestFreeze:
    async def test_a_worker_that_wakes_up_late_writes_nothing(self, sql: Any, own: Settings) -> None:
        job = await make(sql, args={"wait": 1.5})
        async with own_worker(own) as frozen:
            await until_status(sql, job, "RUNNING")
            frozen.signal(signal.SIGSTOP)
            async with own_worker(own):
                await until_status(sql, job, "SUCCEEDED")
                frozen.signal(signal.SIGCONT)

                async def has_started_over() -> bool:
                    return bool(await sql.fetchval("select count(*) = 3 from workers"))

                await until(has_started_over)

        assert await effects(sql, job) == [2]
        assert (await row(sql, job))["losses"] == 1

"""Cron slots and leftovers on disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database, Effect
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.announcer import Announcer
from cuepoint.worker.connections import Connections
from cuepoint.worker.ticker import Ticker, newest_slot, sweep_temp
from tests.support.jobs import make, make_worker, move_clock, status, take

KINDS = ", ".join(f"'{kind.value}'" for kind in JobKind)


async def nowhere(effects: Sequence[Effect]) -> None:
    """A dispatcher for nobody."""


async def slot_of_now(sql: Any) -> str:
    slot = (await sql.fetchval("select date_trunc('minute', job_now())")).astimezone(UTC)
    return f"cron:tidy:{slot.isoformat()}"


@pytest.fixture
async def ticker(settings: Settings, database_url: str, db: Database) -> AsyncIterator[Ticker]:
    connections = Connections(database_url)
    await connections.open()
    yield Ticker(settings, connections, db, Announcer(nowhere), may_reap=lambda: False)
    await connections.close()


class TestNewestSlot:
    @pytest.mark.parametrize(
        ("now", "slot", "following"),
        [("10:30:00", "10:17", "11:17"), ("10:17:00", "10:17", "11:17"), ("10:16:59", "09:17", "10:17")],
    )
    def test_is_never_ahead(self, now: str, slot: str, following: str) -> None:
        found = newest_slot("17 * * * *", datetime.fromisoformat(f"2026-05-01T{now}+00:00"))

        assert [f"{at:%H:%M}" for at in found] == [slot, following]
        assert found[0].tzinfo is not None


class TestSlots:
    async def test_of_missed_slots_only_the_newest_is_made_and_once(self, sql: Any, ticker: Ticker) -> None:
        await sql.execute(
            "insert into schedules (name, cron, kind, args, next_at) values "
            "('tidy', '* * * * *', 'MAINTENANCE', '{\"deep\": true}', now() - interval '3 hours')"
        )

        await ticker.tick()
        await sql.execute("update schedules set next_at = now() - interval '2 hours'")
        before = await slot_of_now(sql)
        await ticker.tick()

        rows = await sql.fetch("select kind, args, system_key, lane from jobs order by id")
        assert [(r["kind"], r["args"], r["lane"]) for r in rows][:1] == [("MAINTENANCE", {"deep": True}, "io")]
        assert len(rows) <= 2  # a minute may begin between the two ticks
        assert rows[-1]["system_key"] in {before, await slot_of_now(sql)}  # or during the second
        assert await sql.fetchval("select next_at > now() from schedules")

    async def test_a_new_schedule_waits_for_its_first_slot(self, sql: Any, ticker: Ticker) -> None:
        await sql.execute(
            "insert into schedules (name, cron, kind, next_at) values ('s', '0 0 1 1 *', 'MAINTENANCE', now())"
        )

        await ticker.tick()

        assert await sql.fetchval("select count(*) from jobs") == 0
        assert await sql.fetchval("select extract(month from next_at at time zone 'UTC') from schedules") == 1

    async def test_that_of_a_kind_of_the_next_release_is_left_to_its_workers(self, sql: Any, ticker: Ticker) -> None:
        """Before one that everybody knows: an older worker goes on with that."""
        await sql.execute("alter table schedules drop constraint ck_schedules_kind")
        await sql.execute(
            "insert into schedules (name, cron, kind, next_at) select name, '* * * * *', kind, now() - interval '1 h' "
            "from (values ('a', 'OF_THE_NEXT_RELEASE'), ('b', 'MAINTENANCE')) as x (name, kind)"
        )

        await ticker.tick()

        due = await sql.fetch("select name from schedules where next_at < now()")
        assert await sql.fetchval("select array_agg(kind) from jobs") == ["MAINTENANCE"]
        assert [row["name"] for row in due] == ["a"]
        await sql.execute("delete from schedules where name = 'a'")
        await sql.execute(f"alter table schedules add constraint ck_schedules_kind check (kind in ({KINDS}))")


class TestTick:
    async def test_nobody_is_declared_lost_before_this_process_is_trusted(self, sql: Any, ticker: Ticker) -> None:
        job = await make(sql)
        await take(sql, await make_worker(sql))
        await move_clock(sql, 3600)

        await ticker.tick()

        assert await status(sql, job) == ["RUNNING"]


def left_in(root: Path, pattern: str = "*/*") -> set[str]:
    return {str(path.relative_to(root)) for path in root.glob(pattern)}


class TestSweepTemp:
    async def test_keeps_what_runs_and_what_is_not_an_attempts(self, sql: Any, tmp_path: Path) -> None:
        running, over = await make(sql), await make(sql)
        await take(sql, await make_worker(sql))
        for name in (f"{running}/1", f"{running}/0", f"{over}/1", "notes/readme"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "file").touch()

        empty, new = tmp_path / str(uuid7()), tmp_path / str(uuid7())
        for directory in (empty, new):  # killed before it made one in it, or after it removed that
            directory.mkdir()
        os.utime(empty, (0, 0))

        await sweep_temp(sql, tmp_path)

        assert left_in(tmp_path) == {f"{running}/1", "notes/readme"}
        assert left_in(tmp_path, "*") == {str(running), new.name, "notes"}

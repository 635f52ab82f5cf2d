"""The job layer on a real database beside its model: each operation runs on both, then every row is compared.

The database is a clone of its own: `job_now()` answers what the test says, and a table `effects` stands for the
results that a task writes in the transaction of its success.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cuepoint.db.base import uuid7
from cuepoint.features.jobs import claims, leases, transitions
from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.claims import Fence, Held, Outcome, Progress
from cuepoint.features.jobs.models import JobKind
from tests.support.job_model import FINAL, Event, Model, ModelJob, ModelWorker, Token
from tests.support.jobs import LEASE, violations

START = datetime(2030, 1, 1, tzinfo=UTC)
LANES = ("io", "cpu")
STOP = 10.0
ERROR = {"code": "INTERNAL", "message": "broken"}
LOST_ERROR = {"code": "WORKER_LOST", "message": "gone"}

_SET_UP = """
create table test_clock (at timestamptz not null);
insert into test_clock values ('2030-01-01 00:00Z');
create or replace function job_now() returns timestamptz language sql volatile as $$ select at from test_clock $$;
create table effects (job_id uuid, attempt integer);
alter table jobs alter max_losses set default 2;
insert into projects (id, name, description)
select id::uuid, 'p', '' from unnest(array['{first}', '{second}']) as id;
"""
_EMPTY = """
delete from job_events;
delete from job_dependencies;
delete from jobs;
delete from workers;
delete from effects;
update test_clock set at = '2030-01-01 00:00Z';
update lanes set is_paused = false, virtual_now = '2030-01-01 00:00Z';
"""
PROJECTS = (UUID(int=1), UUID(int=2))

_COLUMNS = [f.name for f in dataclasses.fields(ModelJob) if f.name not in ("edges", "events")] + ["seq"]
_ROWS = f"select {', '.join(_COLUMNS)}, dependencies_left from jobs"
_NEWER = """
select e.* from job_events e left join unnest($1::uuid[], $2::integer[]) as known (id, seq) on known.id = e.job_id
where e.seq > coalesce(known.seq, 0) order by e.job_id, e.seq
"""
_OTHERS = """
select name as key, virtual_now as at, is_paused::text as state from lanes where name = any ($1::text[])
union all select id::text, lease_until, state from workers
"""


class Twin:
    """One database and its model. Every method is one transaction, checked."""

    def __init__(self, sql: Any) -> None:
        self.sql = sql
        self.model = Model(START, LANES)
        self.tokens: list[Token] = []  # every one that was ever given out
        self.story: list[str] = []
        self.comparisons = 0  # of all rows with the model, since the database was set up

    @staticmethod
    async def set_up(sql: Any) -> None:
        """Once per database."""
        await sql.execute(_SET_UP.format(first=PROJECTS[0], second=PROJECTS[1]))
        await sql.execute(_EMPTY)

    async def empty(self) -> None:
        """Begin again."""
        await self.sql.execute(_EMPTY)
        self.model = Model(START, LANES)
        self.tokens = []
        self.story = []

    def live_tokens(self) -> list[Token]:
        return [t for t in self.tokens if self.model.holds(t)]

    # --- clients ---

    async def create(self, wanted: ModelJob) -> None:
        self._begin("create", wanted.edges, wanted.run_at, wanted.dedupe_key, wanted.system_key)
        existing = self.model.existing(wanted)
        given = ("lane", "timeout_seconds", "max_attempts", "cost", "priority", "run_at", "project_id")
        new = transitions.NewJob(
            kind=JobKind.PROBE,
            depends_on=list(wanted.edges.items()),
            system_key=wanted.system_key,
            dedupe_key=wanted.dedupe_key,
            **{name: getattr(wanted, name) for name in given},
        )
        _next_millisecond()
        created = await transitions.create(self.sql, new)
        if existing:
            assert created.job_id in existing
        else:
            assert created.job_id not in self.model.jobs
            self.model.create(dataclasses.replace(wanted, id=created.job_id))
        await self._check(created.changes)

    async def cancel(self, ids: Sequence[UUID]) -> None:
        self._begin("cancel", *ids)
        told = {(j.id, j.worker_id, j.attempt) for j in self.model.running() if j.id in ids}
        self.model.cancel(ids)
        cancelled = await transitions.cancel(self.sql, ids)
        assert {(r.job_id, r.worker_id, r.attempt) for r in cancelled.running} == told
        await self._check(cancelled.changes)

    async def retry(self, job_id: UUID) -> None:
        self._begin("retry", job_id)
        self.model.retry(job_id)
        await self._check(await transitions.retry(self.sql, job_id))

    # --- workers ---

    async def claim(self, lane: str, worker_id: UUID, limit: int) -> None:
        self._begin("claim", lane, limit)
        expected = self.model.claim(lane, worker_id, limit)
        claimed = await claims.claim(self.sql, lane=lane, worker_id=worker_id, limit=limit)
        assert [(c.fence.job_id, c.fence.attempt) for c in claimed] == expected, "claims come by due"
        self.tokens += [(c.fence.job_id, c.fence.attempt, c.fence.worker_id) for c in claimed]
        await self._check([c.change for c in claimed])

    async def progress(self, token: Token, fraction: float, stage: str | None, processed_ms: int | None) -> None:
        self._begin("progress", token)
        expected = self.model.progress(token, fraction, stage, processed_ms)
        item = Progress(Fence(*token), fraction, stage, processed_ms, None)
        assert await claims.save_progress(self.sql, [item]) == expected
        await self._check([])

    async def succeed(self, items: Sequence[tuple[Token, Any]]) -> None:
        """Many at once, as simple jobs end."""
        self._begin("succeed", *(t for t, _ in items))
        self.model.succeed(items)
        async with self.sql.transaction():
            changes = await claims.succeed(self.sql, [(Fence(*t), result) for t, result in items])
            for change in changes:
                if change.type == "SUCCEEDED":
                    await self._effect(change.job_id, change.attempt)
        await self._check(changes)

    async def finish(self, token: Token, *, looks: bool) -> None:
        """With results in the same transaction, as most jobs end; half of them never look at their fence before."""
        self._begin("finish", token, looks)
        job = self.model.holds(token)
        expected = Held.LOST if job is None else Held.CANCELLED if job.cancel_requested_at else Held.MINE
        self.model.succeed([(token, {"n": token[1]})])
        transaction = self.sql.transaction()
        await transaction.start()
        if looks:
            assert await claims.hold(self.sql, Fence(*token)) is expected
        await self._effect(token[0], token[1])
        changes = await claims.succeed(self.sql, [(Fence(*token), {"n": token[1]})])
        if any(c.type == "SUCCEEDED" for c in changes):
            await transaction.commit()
        else:
            await transaction.rollback()
        assert bool(changes) == (expected is Held.MINE), "a result is stored if and only if the fence holds"
        await self._check(changes)

    async def _effect(self, job_id: UUID, attempt: int) -> None:
        await self.sql.execute("insert into effects values ($1, $2)", job_id, attempt)

    async def end_attempt(self, token: Token, outcome: Outcome, delay_seconds: float, error: Any) -> None:
        self._begin("end", token, outcome.value, delay_seconds)
        self.model.end_attempt(token, outcome.value, delay_seconds, error)
        changes = await claims.end_attempt(self.sql, Fence(*token), outcome, delay_seconds=delay_seconds, error=error)
        await self._check(changes)

    async def read(self, token: Token) -> None:
        """What a worker asks after a commit whose outcome is unknown."""
        self._begin("read", token)
        state = await claims.attempt_state(self.sql, Fence(*token))
        job = self.model.jobs.get(token[0])
        has_succeeded = job is not None and (job.status, job.attempt, job.ended_by) == ("SUCCEEDED", *token[1:])
        assert (state.is_mine, state.has_succeeded) == (self.model.holds(token) is not None, has_succeeded)

    # --- tickers and leases ---

    async def promote(self) -> None:
        self._begin("promote")
        self.model.promote()
        await self._check(await leases.promote(self.sql))

    async def lost(self) -> None:
        self._begin("lost")
        self.model.lost(STOP, LEASE, LOST_ERROR)
        await self._check(await leases.lost(self.sql, stop_seconds=STOP, lease_seconds=LEASE, error=LOST_ERROR))

    async def advance(self, seconds: float) -> None:
        self._begin("advance", seconds)
        self.model.now += timedelta(seconds=seconds)
        await self.sql.execute("update test_clock set at = $1", self.model.now)

    async def register(self) -> None:
        self._begin("register")
        worker_id = uuid7()
        await leases.register_worker(self.sql, worker_id, lanes=list(LANES), info={}, lease_seconds=LEASE)
        self.model.workers[worker_id] = ModelWorker(self.model.now + timedelta(seconds=LEASE))
        await self._check([])

    async def drain(self, worker_id: UUID) -> None:
        self._begin("drain")
        await leases.drain_worker(self.sql, worker_id)
        worker = self.model.workers[worker_id]
        worker.state = "DRAINING" if worker.state == "LIVE" else worker.state
        await self._check([])

    async def remove(self, worker_id: UUID, *, row_too: bool) -> None:
        self._begin("remove", row_too)
        worker = self.model.workers[worker_id]
        worker.state = "GONE" if worker.is_alive else worker.state
        await leases.remove_worker(self.sql, worker_id)
        if row_too:
            await self.sql.execute("delete from workers where id = $1", worker_id)
            del self.model.workers[worker_id]
        await self._check([])

    async def renew(self, worker_id: UUID, held: Sequence[Token]) -> None:
        self._begin("renew")
        worker = self.model.workers[worker_id]
        if worker.is_alive:
            worker.lease_until = self.model.now + timedelta(seconds=LEASE)
        jobs = {t[:2]: self.model.holds((t[0], t[1], worker_id)) for t in held}
        renewal = await leases.renew(self.sql, worker_id, lease_seconds=LEASE, held=list(jobs))
        assert renewal.is_alive == worker.is_alive
        assert sorted(renewal.gone) == sorted(pair[0] for pair, job in jobs.items() if job is None)
        assert sorted(renewal.cancelled) == sorted(j.id for j in jobs.values() if j and j.cancel_requested_at)
        await self._check([])

    async def pause(self, lane: str, *, is_paused: bool) -> None:
        self._begin("pause", lane, is_paused)
        self.model.lanes[lane].is_paused = is_paused
        await self.sql.execute("update lanes set is_paused = $2 where name = $1", lane, is_paused)

    # --- comparison ---

    def _begin(self, name: str, *values: Any) -> None:
        self.story.append(f"{name} {' '.join(str(v) for v in values)}")
        self._known = {j.id: j.seq for j in self.model.jobs.values()}
        self.model.begin()

    async def _check(self, changes: Sequence[Change]) -> None:
        self.comparisons += 1
        rows = {r["id"]: dict(r) for r in await self.sql.fetch(_ROWS)}
        self.model.place({i: r["due"] for i, r in rows.items()})
        expected = {j.id: self._row(j) for j in self.model.jobs.values()}
        assert rows == expected, _difference(rows, expected)

        events = await self.sql.fetch(_NEWER, list(self._known), list(self._known.values()))
        log = sorted(self.model.log, key=lambda e: (e.job_id, e.seq))
        assert [to_event(e) for e in events] == log, "the log has what happened"
        told = sorted((c.job_id, c.seq, c.type, c.status, c.at, c.attempt, c.lane) for c in changes)
        assert told == [self._told(e) for e in log], "every event is announced, once"
        others = {name: (lane.virtual_now, str(lane.is_paused).lower()) for name, lane in self.model.lanes.items()}
        others |= {str(i): (w.lease_until, w.state) for i, w in self.model.workers.items()}
        assert {r["key"]: (r["at"], r["state"]) for r in await self.sql.fetch(_OTHERS, LANES)} == others
        self._check_promises()

    def _row(self, job: ModelJob) -> dict[str, Any]:
        return {name: getattr(job, name) for name in _COLUMNS} | {"dependencies_left": self.model.left(job)}

    def _told(self, event: Event) -> tuple[Any, ...]:
        lane = self.model.jobs[event.job_id].lane
        return (event.job_id, event.seq, event.type, event.data["status"], event.at, event.attempt, lane)

    def _check_promises(self) -> None:
        """Of the model, which equals the database at this moment."""
        for job in self.model.jobs.values():
            bad = self.model.dead_requirements(job)
            assert not (bad and job.is_live), "nothing lives on a dead required dependency"
            assert job.status != "BLOCKED" or self.model.left(job) > 0, "nothing waits for nothing"
            if job.cancel_reason == "DEPENDENCY":
                assert bad or job.id in self.model.passed_over, "nothing is cancelled for a dependency that lives"

    async def check_history(self) -> None:
        """The whole log replays to the states, and each success had one effect."""
        events = [to_event(r) for r in await self.sql.fetch("select * from job_events order by job_id, seq")]
        assert replayed(events) == {
            j.id: (j.status, j.attempt, j.seq, j.worker_id, j.started_at, j.finished_at)
            for j in self.model.jobs.values()
        }
        effects = sorted(tuple(r) for r in await self.sql.fetch("select job_id, attempt from effects"))
        assert effects == sorted((j.id, j.attempt) for j in self.model.jobs.values() if j.status == "SUCCEEDED")
        assert [v for v in await violations(self.sql) if "cancelled because" not in v] == []


def to_event(row: Any) -> Event:
    data = dict(row["data"])
    if "run_at" in data:
        data["run_at"] = datetime.fromisoformat(data["run_at"])
    return Event(row["job_id"], row["seq"], row["at"], row["type"], row["attempt"], data)


def replayed(events: Sequence[Event]) -> dict[UUID, tuple[Any, ...]]:
    """What the log alone says of each job: status, attempt, number, worker, start, end. Raises on a gap."""
    jobs: dict[UUID, tuple[Any, ...]] = {}
    last: dict[UUID, Event] = {}
    for event in events:
        before, attempt, seq, worker_id, started_at, finished_at = jobs.get(
            event.job_id, (None, 0, 0, None, None, None)
        )
        starts = event.type == "STARTED"
        assert event.seq == seq + 1, "numbers have no gaps"
        assert event.attempt == attempt + starts, "attempts strictly grow"
        assert before != "SUCCEEDED", "a success is the end"
        status = event.data["status"]
        if event.data.get("reason") == "REVIVED":
            assert last[event.job_id].data.get("reason") == "DEPENDENCY", "what a user cancelled stays cancelled"
        last[event.job_id] = event
        if starts:
            worker_id, started_at = UUID(event.data["worker_id"]), event.at
        elif status != "RUNNING":
            worker_id = None
        if status not in FINAL:
            finished_at = None
        elif before not in FINAL:
            finished_at = event.at
        jobs[event.job_id] = (status, event.attempt, event.seq, worker_id, started_at, finished_at)
    return jobs


def _difference(rows: dict[UUID, dict[str, Any]], expected: dict[UUID, dict[str, Any]]) -> str:
    """Only what differs: database, model."""
    found = []
    for job_id in rows.keys() | expected.keys():
        row, model = rows.get(job_id, {}), expected.get(job_id, {})
        found += [
            f"{job_id} {k}: {row.get(k)} != {model.get(k)}" for k in {**row, **model} if row.get(k) != model.get(k)
        ]
    return "\n".join(sorted(found))


def _next_millisecond() -> None:
    """Ids made in different milliseconds are in order: what depends on their order repeats."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        pass

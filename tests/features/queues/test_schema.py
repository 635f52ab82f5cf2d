"""Queues and workers as operators see them, and what they may do with them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database, Effect
from cuepoint.features.jobs.announce import RingLane
from cuepoint.features.jobs.claims import Outcome, end_attempt
from cuepoint.features.jobs.leases import drain_worker, register_worker, renew
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.jobs import make_job
from tests.support.graphql import Api, api_of
from tests.support.jobs import LEASE, make, make_worker, move_clock, take

QUEUES = "{ queues { name queued running scheduled oldestAgeSeconds isPaused workerCount slots } }"
WORKERS = """query ($states: [WorkerState!], $first: Int! = 25) { workers(states: $states, first: $first) {
  id host pid version state lanes slots startedAt lastHeartbeatAt leaseUntil warnings currentJobs { id status } } }"""
PAUSE = """mutation ($input: PauseQueueInput!) {
  pauseQueue(input: $input) { queue { name isPaused } changed errors { code field } } }"""
RESUME = """mutation ($input: ResumeQueueInput!) {
  resumeQueue(input: $input) { queue { name isPaused } changed errors { code field } } }"""
DRAIN = """mutation ($input: DrainWorkerInput!) {
  drainWorker(input: $input) { worker { state } changed errors { code field } } }"""


def lane(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(q for q in answer["queues"] if q["name"] == name)


class TestQueues:
    async def test_are_four_and_empty_at_first(self, member: Api) -> None:
        found = (await member.data(QUEUES))["queues"]

        assert [q["name"] for q in found] == ["cpu", "gpu", "io", "llm"]
        assert found[0] == {
            "name": "cpu",
            "queued": 0,
            "running": 0,
            "scheduled": 0,
            "oldestAgeSeconds": None,
            "isPaused": False,
            "workerCount": 0,
            "slots": 0,
        }

    async def test_count_what_waits_and_who_works(self, sql: Any, worker: UUID, member: Api) -> None:
        await register_worker(sql, uuid7(), lanes=["io", "cpu"], info={"slots": {"io": 4}}, lease_seconds=LEASE)
        await make(sql)
        await make(sql)
        [first, second] = await take(sql, worker, limit=2)
        await end_attempt(sql, first.fence, Outcome.ERROR, delay_seconds=60)
        await move_clock(sql, -100)
        await make(sql)
        await move_clock(sql, 0)
        await make(sql)

        io = lane(await member.data(QUEUES), "io")

        assert (io["queued"], io["running"], io["scheduled"]) == (2, 1, 1)
        assert io["oldestAgeSeconds"] == pytest.approx(100, abs=5)
        assert (io["workerCount"], io["slots"]) == (2, 5)
        assert second.fence.attempt == 1

    async def test_do_not_count_workers_that_fell_silent(self, sql: Any, worker: UUID, member: Api) -> None:
        await move_clock(sql, LEASE + 1)

        assert lane(await member.data(QUEUES), "io")["workerCount"] == 0

    async def test_need_a_credential(self, db: Database, settings: Settings) -> None:
        assert await api_of(db, settings, None).codes(QUEUES) == ["UNAUTHENTICATED"]


class TestPauseQueue:
    async def test_nothing_is_claimed_until_it_is_resumed(self, sql: Any, worker: UUID, admin: Api) -> None:
        await make(sql)
        name = {"input": {"name": "io"}}

        paused = [(await admin.data(PAUSE, name))["pauseQueue"] for _ in range(2)]
        claimed = await take(sql, worker)
        resumed = [(await admin.data(RESUME, name))["resumeQueue"] for _ in range(2)]

        assert paused[0] == {"queue": {"name": "io", "isPaused": True}, "changed": True, "errors": []}
        assert paused[1]["changed"] is False
        assert claimed == []
        assert resumed[0] == {"queue": {"name": "io", "isPaused": False}, "changed": True, "errors": []}
        assert resumed[1]["changed"] is False
        assert len(await take(sql, worker)) == 1

    async def test_a_resume_rings_the_lane(self, db: Database, settings: Settings, admin: Api) -> None:
        rung: list[Effect] = []

        async def keep(effects: Any) -> None:
            rung.extend(effects)

        ringing = api_of(Database(db.engine, keep), settings, admin.viewer)

        await ringing.data(PAUSE, {"input": {"name": "io"}})
        await ringing.data(RESUME, {"input": {"name": "io"}})

        assert rung == [RingLane("io")]

    async def test_an_unknown_queue_is_named(self, admin: Api) -> None:
        answer = (await admin.data(PAUSE, {"input": {"name": "tape"}}))["pauseQueue"]

        assert answer["errors"] == [{"code": "NOT_FOUND", "field": ["name"]}]

    @pytest.mark.parametrize("mutation", [PAUSE, RESUME])
    async def test_members_may_not(self, sql: Any, member: Api, mutation: str) -> None:
        await sql.execute("update lanes set is_paused = name = 'gpu'")

        for name in ("cpu", "gpu"):
            assert await member.codes(mutation, {"input": {"name": name}}) == ["FORBIDDEN"]

        assert await sql.fetchval("select array_agg(name) from lanes where is_paused") == ["gpu"]
        await sql.execute("update lanes set is_paused = false")


class TestWorkers:
    async def test_say_who_they_are_and_what_they_run(self, db: Database, sql: Any, admin: Api) -> None:
        worker_id = uuid7()
        info = {"host": "h", "pid": 7, "version": "0.0.1", "slots": {"io": 4, "cpu": 2}, "lease_seconds": 20.0}
        await register_worker(sql, worker_id, lanes=["io", "cpu"], info=info, lease_seconds=20)
        job = await make_job(db)
        await take(sql, worker_id)

        [found] = (await admin.data(WORKERS))["workers"]

        assert found["id"] == encode_id("Worker", worker_id)
        assert (found["host"], found["pid"], found["state"], found["slots"]) == ("h", 7, "LIVE", 6)
        assert found["lanes"] == ["cpu", "io"]
        assert found["lastHeartbeatAt"] == found["startedAt"] < found["leaseUntil"]
        assert found["currentJobs"] == [{"id": encode_id("Job", job.id), "status": "RUNNING"}]
        assert [text.partition(",")[0] for text in found["warnings"]] == ["Runs version 0.0.1"]

    async def test_a_silent_one_is_warned_of(self, sql: Any, worker: UUID, admin: Api) -> None:
        await move_clock(sql, LEASE * 0.8)

        [found] = (await admin.data(WORKERS))["workers"]

        assert found["warnings"] == ["Silent for 12 s; lost after 15 s."]

    async def test_those_that_are_over_are_shown_on_request(self, sql: Any, worker: UUID, admin: Api) -> None:
        gone = await make_worker(sql)
        await sql.execute("update workers set state = 'GONE' where id = $1", gone)

        alive = (await admin.data(WORKERS))["workers"]
        over = (await admin.data(WORKERS, {"states": ["GONE", "LOST"]}))["workers"]

        assert [w["id"] for w in alive] == [encode_id("Worker", worker)]
        assert [(w["id"], w["warnings"]) for w in over] == [(encode_id("Worker", gone), [])]

    async def test_the_number_of_statements_does_not_grow(self, sql: Any, worker: UUID, admin: Api) -> None:
        for _ in range(5):
            await make(sql)
            await take(sql, await make_worker(sql))

        assert await admin.statements(WORKERS, {"first": 1}) == await admin.statements(WORKERS, {"first": 6})

    async def test_members_may_not_look(self, worker: UUID, member: Api) -> None:
        assert await member.codes(WORKERS) == ["FORBIDDEN"]


class TestDrainWorker:
    async def test_it_claims_nothing_and_learns_it_with_its_renewal(self, sql: Any, worker: UUID, admin: Api) -> None:
        await make(sql)
        before = await renew(sql, worker, lease_seconds=LEASE, held=[])
        variables = {"input": {"id": encode_id("Worker", worker)}}

        answers = [(await admin.data(DRAIN, variables))["drainWorker"] for _ in range(2)]
        after = await renew(sql, worker, lease_seconds=LEASE, held=[])

        assert answers[0] == {"worker": {"state": "DRAINING"}, "changed": True, "errors": []}
        assert answers[1] == {"worker": {"state": "DRAINING"}, "changed": False, "errors": []}
        assert (before.is_draining, after.is_alive, after.is_draining) == (False, True, True)
        assert await take(sql, worker) == []

    async def test_one_that_is_gone_stays_gone(self, sql: Any, worker: UUID, admin: Api) -> None:
        await sql.execute("update workers set state = 'GONE'")

        answer = (await admin.data(DRAIN, {"input": {"id": encode_id("Worker", worker)}}))["drainWorker"]

        assert (answer["worker"], answer["changed"]) == ({"state": "GONE"}, False)
        assert await drain_worker(sql, worker) is False

    @pytest.mark.parametrize("id", ["nonsense", f"worker_{'0' * 32}"])
    async def test_an_unknown_one_is_not_found(self, admin: Api, id: str) -> None:
        answer = (await admin.data(DRAIN, {"input": {"id": id}}))["drainWorker"]

        assert answer["errors"] == [{"code": "NOT_FOUND", "field": ["id"]}]

    async def test_members_may_not(self, sql: Any, worker: UUID, member: Api) -> None:
        assert await member.codes(DRAIN, {"input": {"id": encode_id("Worker", worker)}}) == ["FORBIDDEN"]
        assert json.loads(await sql.fetchval("select to_json(array_agg(state))::text from workers")) == ["LIVE"]

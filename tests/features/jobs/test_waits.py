"""Why jobs wait, and how their attempts ended: `Job.waitReason`, `Job.attempts`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome, end_attempt, succeed
from cuepoint.features.jobs.leases import register_worker
from cuepoint.features.jobs.models import JobKind
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.jobs import make_job
from tests.support.graphql import Api
from tests.support.jobs import take

WAITS = """query ($filter: JobFilterInput, $first: Int! = 25) {
  jobs(filter: $filter, first: $first, orderBy: CREATED_ASC) { nodes {
    id status attempts { number workerId outcome reason startedAt endedAt error { code } }
    waitReason { code message until jobs { id status } } } } }"""
ERROR = {"code": "CHILD_CRASHED", "message": "boom", "hint": None, "retryable": True, "detail": "tail"}


class TestWaitReason:
    async def reasons(self, api: Api) -> list[tuple[str, str] | None]:
        nodes = (await api.data(WAITS))["jobs"]["nodes"]
        return [n["waitReason"] and (n["status"], n["waitReason"]["code"]) for n in nodes]

    async def test_says_why_nothing_happens(
        self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID
    ) -> None:
        running = await make_job(db, project_id=project)
        await take(sql, worker)
        tried = await make_job(db, project_id=project)
        [claimed] = await take(sql, worker)
        await end_attempt(sql, claimed.fence, Outcome.ERROR, delay_seconds=60)
        await make_job(db, project_id=project, run_at=datetime.now(UTC) + timedelta(hours=1))
        await make_job(db, project_id=project)
        await make_job(db, JobKind.SEGMENTATION, project_id=project)
        await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(running.id, True), (tried.id, False)])

        nodes = (await api.data(WAITS))["jobs"]["nodes"]

        assert await self.reasons(api) == [
            None,
            ("SCHEDULED", "BACK_OFF"),
            ("SCHEDULED", "DELAY"),
            ("QUEUED", "TURN"),
            ("QUEUED", "NO_WORKER"),
            ("BLOCKED", "DEPENDENCY"),
        ]
        assert nodes[1]["waitReason"]["until"] is not None
        assert nodes[5]["waitReason"]["message"] == "It waits for 2 jobs to end."
        assert [job["status"] for job in nodes[5]["waitReason"]["jobs"]] == ["RUNNING", "SCHEDULED"]

    async def test_a_limit_of_a_provider_is_told_with_its_words(
        self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID
    ) -> None:
        await make_job(db, project_id=project)
        [claimed] = await take(sql, worker)
        error = {"code": "PROVIDER_RATE_LIMITED", "message": "Too many requests.", "retryable": True}
        await end_attempt(sql, claimed.fence, Outcome.SNOOZE, delay_seconds=60, error=error)

        [node] = (await api.data(WAITS))["jobs"]["nodes"]

        assert (node["status"], node["waitReason"]["code"]) == ("SCHEDULED", "QUOTA")
        assert node["waitReason"]["message"].startswith("Too many requests. It goes on at ")
        assert node["waitReason"]["until"] is not None

    async def test_a_paused_queue_goes_before_a_missing_worker(
        self, db: Database, sql: Any, api: Api, project: UUID
    ) -> None:
        await make_job(db, project_id=project)
        await sql.execute("update lanes set is_paused = true where name = 'io'")

        assert await self.reasons(api) == [("QUEUED", "PAUSED_QUEUE")]
        await sql.execute("update lanes set is_paused = false")

    async def test_the_number_of_statements_does_not_grow(
        self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID
    ) -> None:
        running = await make_job(db, project_id=project)
        await take(sql, worker)
        for _ in range(5):
            await make_job(db, project_id=project, depends_on=[(running.id, True)])
            await make_job(db, project_id=project)

        assert await api.statements(WAITS, {"first": 3}) == await api.statements(WAITS, {"first": 11})

    async def test_nobody_of_an_older_version_takes_it(self, db: Database, sql: Any, api: Api, project: UUID) -> None:
        for kinds in (["TRANSCRIPTION"], []):
            await register_worker(sql, uuid7(), lanes=["io"], info={"kinds": kinds}, lease_seconds=60)
        await make_job(db, project_id=project)

        [node] = (await api.data(WAITS))["jobs"]["nodes"]

        assert node["waitReason"]["code"] == "NO_WORKER"
        assert node["waitReason"]["message"] == (
            "No live worker of the queue io knows PROBE: all are of an older version. Update one."
        )

    async def test_one_that_knows_it_is_enough(self, db: Database, sql: Any, api: Api, project: UUID) -> None:
        for kinds in ([], ["PROBE"]):
            await register_worker(sql, uuid7(), lanes=["io"], info={"kinds": kinds}, lease_seconds=60)
        await make_job(db, project_id=project)

        assert await self.reasons(api) == [("QUEUED", "TURN")]


class TestAttempts:
    async def test_have_their_worker_and_their_end(
        self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID
    ) -> None:
        await make_job(db, project_id=project)
        [first] = await take(sql, worker)
        await end_attempt(sql, first.fence, Outcome.ERROR, error=ERROR)
        [second] = await take(sql, worker)
        await succeed(sql, [(second.fence, None)])

        [job] = (await api.data(WAITS))["jobs"]["nodes"]

        assert [(a["number"], a["outcome"], a["workerId"]) for a in job["attempts"]] == [
            (1, "ERROR", encode_id("Worker", worker)),
            (2, "SUCCEEDED", encode_id("Worker", worker)),
        ]
        assert job["attempts"][0]["error"] == {"code": "CHILD_CRASHED"}
        assert job["attempts"][1]["endedAt"] > job["attempts"][1]["startedAt"]
        assert job["waitReason"] is None

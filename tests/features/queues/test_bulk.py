"""Many jobs at once through the API: retry what failed, clear what waits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome
from cuepoint.features.jobs.models import JobKind
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.jobs import make_job
from tests.support.graphql import Api
from tests.support.jobs import run, status

RETRY = """mutation ($input: RetryFailedInput!) { retryFailed(input: $input) {
  jobs { id status } skippedCount hasMore errors { code field } } }"""
CLEAR = """mutation ($input: ClearQueueInput!) { clearQueue(input: $input) {
  jobs { id status } count dependants { id status cancelReason } dependantCount hasMore errors { code field } } }"""


class TestRetryFailed:
    async def test_answers_with_what_runs_again(
        self, db: Database, sql: Any, worker: UUID, member: Api, project: UUID
    ) -> None:
        job = await make_job(db, project_id=project)
        await run(sql, worker, job.id, Outcome.PERMANENT)

        answer = (await member.data(RETRY, {"input": {"filter": {"kind": ["PROBE"]}}}))["retryFailed"]

        assert answer == {
            "jobs": [{"id": encode_id("Job", job.id), "status": "QUEUED"}],
            "skippedCount": 0,
            "hasMore": False,
            "errors": [],
        }

    async def test_a_status_is_refused(self, member: Api) -> None:
        answer = (await member.data(RETRY, {"input": {"filter": {"status": ["FAILED"]}}}))["retryFailed"]

        assert (answer["jobs"], answer["errors"]) == (
            None,
            [{"code": "BAD_USER_INPUT", "field": ["filter", "status"]}],
        )


class TestClearQueue:
    async def test_tells_first_and_then_does_it(self, db: Database, sql: Any, member: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        child = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(job.id, True)])
        wanted = {"filter": {"lane": ["io"]}}

        told = (await member.data(CLEAR, {"input": {**wanted, "dryRun": True}}))["clearQueue"]
        before = await status(sql, job.id, child.id)
        done = (await member.data(CLEAR, {"input": wanted}))["clearQueue"]

        assert told["jobs"] == [{"id": encode_id("Job", job.id), "status": "QUEUED"}]
        assert [d["id"] for d in told["dependants"]] == [encode_id("Job", child.id)]
        assert before == ["QUEUED", "BLOCKED"]
        assert done["dependants"] == [
            {"id": encode_id("Job", child.id), "status": "CANCELLED", "cancelReason": "DEPENDENCY"}
        ]
        assert (done["count"], done["dependantCount"], done["errors"]) == (1, 1, [])
        assert await status(sql, job.id, child.id) == ["CANCELLED", "CANCELLED"]

    async def test_an_empty_id_is_no_filter_that_lets_all_through(
        self, db: Database, sql: Any, member: Api, project: UUID
    ) -> None:
        job = await make_job(db, project_id=project)

        answer = (await member.data(CLEAR, {"input": {"filter": {"videoId": ""}}}))["clearQueue"]

        assert answer["errors"] == [{"code": "NOT_FOUND", "field": ["filter", "videoId"]}]
        assert await status(sql, job.id) == ["QUEUED"]

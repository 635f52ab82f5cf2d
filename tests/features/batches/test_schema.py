"""Batches: many videos in one request, each started or refused for itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.backpressure import queue_limits
from cuepoint.features.jobs.claims import Outcome
from cuepoint.features.jobs.transitions import cancel
from cuepoint.features.projects.models import ProjectRole
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.jobs import make_project, make_video, make_viewer
from tests.support.graphql import Api, api_of
from tests.support.jobs import make_worker, run, status, take

BATCH = "batch { id total done failed progress counts { status count } }"
START = f"""mutation ($input: StartPipelinesInput!) {{ startPipelines(input: $input) {{ {BATCH}
  items {{ index jobs {{ id kind batchId priority }} error {{ code retryAfterSeconds }} }}
  errors {{ code field }} }} }}"""
CANCEL = f"""mutation ($input: CancelBatchInput!) {{ cancelBatch(input: $input) {{ {BATCH}
  changedCount errors {{ code field }} }} }}"""
RETRY = f"""mutation ($input: RetryBatchInput!) {{ retryBatch(input: $input) {{ {BATCH}
  jobs {{ id status }} skippedCount errors {{ code }} }} }}"""
LIST = "query ($id: ID!) { batch(id: $id) { total } jobs(filter: {batchId: $id}) { totalCount } }"


@pytest.fixture
async def project(db: Database) -> UUID:
    return await make_project(db)


@pytest.fixture
async def api(db: Database, settings: Settings, project: UUID) -> Api:
    return api_of(db, settings, await make_viewer(db, project))


async def videos(db: Database, project: UUID, count: int) -> list[str]:
    return [encode_id("Video", await make_video(db, project)) for _ in range(count)]


async def start(api: Api, ids: list[str], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await api.data(START, {"input": {"videoIds": ids, "steps": ["PROBE"], **more}}))[
        "startPipelines"
    ]
    return answer


def keys(item: dict[str, Any]) -> list[UUID]:
    return [UUID(job["id"].removeprefix("job_")) for job in item["jobs"]]


class TestStartPipelines:
    async def test_starts_each_and_counts_them_together(self, db: Database, api: Api, project: UUID) -> None:
        answer = await start(api, await videos(db, project, 3), priority=7, steps=["PROBE", "AUDIO_EXTRACTION"])

        batch = answer["batch"]
        assert (batch["total"], batch["done"], batch["progress"]) == (6, 0, 0.0)
        assert batch["counts"] == [{"status": "BLOCKED", "count": 3}, {"status": "QUEUED", "count": 3}]
        assert [item["index"] for item in answer["items"]] == [0, 1, 2]
        assert {(j["batchId"], j["priority"]) for item in answer["items"] for j in item["jobs"]} == {(batch["id"], 7)}
        assert await api.data(LIST, {"id": batch["id"]}) == {"batch": {"total": 6}, "jobs": {"totalCount": 6}}

    async def test_one_that_is_refused_does_not_hold_up_the_others(
        self, db: Database, settings: Settings, project: UUID
    ) -> None:
        viewer = await make_viewer(db, project)
        foreign = await videos(db, await make_project(db), 1)
        mine = await videos(db, project, 1)

        answer = await start(api_of(db, settings, viewer), [*foreign, "nonsense", *mine])

        assert [item["error"] and item["error"]["code"] for item in answer["items"]] == ["NOT_FOUND", "NOT_FOUND", None]
        assert answer["batch"]["total"] == 1
        assert answer["errors"] == []

    async def test_a_full_queue_refuses_the_rest_with_a_time(
        self, db: Database, settings: Settings, api: Api, project: UUID
    ) -> None:
        limits = queue_limits(settings.model_copy(update={"queue_max_per_project": 1}))
        limited = api_of(Database(db.engine, info=limits), settings, api.viewer)

        answer = await start(limited, await videos(db, project, 2))

        assert [item["error"] for item in answer["items"]] == [None, {"code": "QUEUE_FULL", "retryAfterSeconds": 30.0}]

    async def test_what_is_under_way_is_joined_and_makes_no_batch(self, db: Database, api: Api, project: UUID) -> None:
        ids = await videos(db, project, 1)
        first = await start(api, ids)

        second = await start(api, ids)

        assert second["batch"] is None
        assert [j["id"] for j in second["items"][0]["jobs"]] == [j["id"] for j in first["items"][0]["jobs"]]

    @pytest.mark.parametrize("count", [0, 101])
    async def test_nothing_and_too_much_are_refused(self, sql: Any, api: Api, count: int) -> None:
        answer = await start(api, [encode_id("Video", uuid7())] * count)

        assert answer["errors"] == [{"code": "BAD_USER_INPUT", "field": ["videoIds"]}]

    async def test_readers_may_not(self, db: Database, sql: Any, settings: Settings, project: UUID) -> None:
        reader = api_of(db, settings, await make_viewer(db, project, ProjectRole.VIEWER))

        answer = await start(reader, await videos(db, project, 1))

        assert answer["items"][0]["error"]["code"] == "FORBIDDEN"
        assert await sql.fetchval("select count(*) from jobs") == 0


class TestCancelBatch:
    async def test_stops_what_is_unfinished_and_nothing_else(
        self, db: Database, sql: Any, api: Api, project: UUID
    ) -> None:
        worker = await make_worker(sql)
        started = await start(api, await videos(db, project, 3))
        first, second, third = (keys(item)[0] for item in started["items"])
        await start(api, await videos(db, project, 1))
        await run(sql, worker, first)
        variables = {"input": {"id": started["batch"]["id"]}}

        answer = (await api.data(CANCEL, variables))["cancelBatch"]
        again = (await api.data(CANCEL, variables))["cancelBatch"]

        assert (answer["changedCount"], again["changedCount"]) == (2, 0)
        assert await status(sql, first, second, third) == ["SUCCEEDED", "RUNNING", "RUNNING"]
        assert await sql.fetchval("select count(*) from jobs where cancel_requested_at is null") == 2

    async def test_a_strangers_batch_is_not_found(
        self, db: Database, sql: Any, settings: Settings, api: Api, project: UUID
    ) -> None:
        batch = (await start(api, await videos(db, project, 1)))["batch"]["id"]
        stranger = api_of(db, settings, await make_viewer(db, await make_project(db)))

        answer = (await stranger.data(CANCEL, {"input": {"id": batch}}))["cancelBatch"]

        assert answer["errors"] == [{"code": "NOT_FOUND", "field": ["id"]}]
        assert await stranger.data(LIST, {"id": batch}) == {"batch": None, "jobs": {"totalCount": 0}}
        assert await sql.fetchval("select array_agg(status) from jobs") == ["QUEUED"]


class TestRetryBatch:
    async def test_what_failed_runs_again_with_what_hung_on_it(
        self, db: Database, sql: Any, api: Api, project: UUID
    ) -> None:
        worker = await make_worker(sql)
        ids = await videos(db, project, 2)
        started = await start(api, ids, steps=["PROBE", "SEGMENTATION"])
        (probe, passages), (other, _) = (keys(item) for item in started["items"])
        batch = {"id": started["batch"]["id"]}
        await run(sql, worker, probe, Outcome.PERMANENT)
        before = await status(sql, probe, passages, other)

        failed = (await api.data(RETRY, {"input": batch}))["retryBatch"]

        assert before == ["FAILED", "CANCELLED", "RUNNING"]
        assert failed["jobs"] == [{"id": encode_id("Job", probe), "status": "QUEUED"}]
        assert await status(sql, probe, passages, other) == ["QUEUED", "BLOCKED", "RUNNING"]

    async def test_a_cancelled_chain_comes_back_in_order(self, db: Database, sql: Any, api: Api, project: UUID) -> None:
        started = await start(api, await videos(db, project, 2), steps=["PROBE", "AUDIO_EXTRACTION", "SEGMENTATION"])
        batch = {"id": started["batch"]["id"]}
        await api.data(CANCEL, {"input": batch})

        nothing = (await api.data(RETRY, {"input": batch}))["retryBatch"]
        everything = (await api.data(RETRY, {"input": {**batch, "onlyFailed": False}}))["retryBatch"]

        assert (nothing["jobs"], nothing["batch"]["failed"]) == ([], 6)
        assert (len(everything["jobs"]), everything["skippedCount"]) == (6, 0)
        assert everything["batch"]["counts"] == [{"status": "BLOCKED", "count": 4}, {"status": "QUEUED", "count": 2}]
        assert len(await take(sql, await make_worker(sql), limit=9)) == 2

    async def test_what_comes_back_with_another_is_not_skipped(
        self, db: Database, sql: Any, api: Api, project: UUID
    ) -> None:
        started = await start(api, await videos(db, project, 1), steps=["PROBE", "AUDIO_EXTRACTION", "SEGMENTATION"])
        [(probe, *others)] = map(keys, started["items"])
        await cancel(sql, [probe])
        before = await status(sql, probe, *others)

        answer = (await api.data(RETRY, {"input": {"id": started["batch"]["id"], "onlyFailed": False}}))["retryBatch"]

        assert before == ["CANCELLED"] * 3
        assert await status(sql, probe, *others) == ["QUEUED", "BLOCKED", "BLOCKED"]
        assert (len(answer["jobs"]), answer["skippedCount"]) == (1, 0)

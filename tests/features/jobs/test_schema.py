"""Jobs as clients see them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.gateway import response_body
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome, end_attempt, succeed
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.kinds import LANES
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import ProjectRole
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_job, make_project, make_video, make_viewer
from tests.support.graphql import Api, api_of
from tests.support.jobs import run, status, take

READ = """query ($id: ID!) { job(id: $id) {
  id kind title status lane priority attempt seq progress cancelReason project { name }
  error { code message hint retryable detail } result
  events(first: 10) { totalCount nodes { seq type status attempt reason workerId error { code } } }
  dependencies { isRequired job { id status } } cancelledBy { id } } }"""
LIST = """query ($filter: JobFilterInput, $first: Int!, $after: String) {
  jobs(filter: $filter, first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor }
    nodes { id status project { name } events(first: 5) { nodes { type } }
      dependencies { isRequired job { kind } } } } }"""
FIND = """query ($filter: JobFilterInput, $orderBy: JobOrder = CREATED_DESC, $first: Int! = 25, $after: String) {
  jobs(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    totalCount pageInfo { endCursor } nodes { id batchId createdById } } }"""
PRIORITY = """mutation ($input: UpdateJobPriorityInput!) { updateJobPriority(input: $input) {
  job { priority } changed errors { code field } } }"""
DELETE = """mutation ($input: DeleteJobInput!) { deleteJob(input: $input) { deletedIds errors { code } } }"""
CANCEL = "mutation ($input: CancelJobInput!) { cancelJob(input: $input) { job { status } changed errors { code } } }"
RETRY = "mutation ($input: RetryJobInput!) { retryJob(input: $input) { job { status } changed errors { code } } }"
WATCH = """subscription ($id: ID!, $after: Int) { jobProgress(jobId: $id, after: $after) {
  type seq status progress event { type seq } job { status } } }"""
ERROR = {"code": "CHILD_CRASHED", "message": "boom", "hint": None, "retryable": True, "detail": "tail"}


@pytest.fixture
async def project(db: Database) -> UUID:
    return await make_project(db)


@pytest.fixture
async def viewer(db: Database, project: UUID) -> Viewer:
    return await make_viewer(db, project)


@pytest.fixture
def api(db: Database, settings: Settings, viewer: Viewer) -> Api:
    return api_of(db, settings, viewer)


@pytest.fixture
async def stranger(db: Database, settings: Settings) -> Api:
    return api_of(db, settings, await make_viewer(db, await make_project(db)))


class TestJob:
    async def test_says_what_happened(self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID) -> None:
        parent = await make_job(db, project_id=project)
        child = await make_job(db, JobKind.SEGMENTATION, project_id=project, depends_on=[(parent.id, True)])
        [claimed] = await take(sql, worker)
        await end_attempt(sql, claimed.fence, Outcome.PERMANENT, error=ERROR)

        failed = (await api.data(READ, {"id": encode_id("Job", parent.id)}))["job"]
        cancelled = (await api.data(READ, {"id": encode_id("Job", child.id)}))["job"]

        assert (failed["status"], failed["error"]) == ("FAILED", ERROR)
        assert [(e["seq"], e["type"], e["attempt"]) for e in failed["events"]["nodes"]] == [
            (1, "CREATED", 0),
            (2, "STARTED", 1),
            (3, "FAILED", 1),
        ]
        assert failed["events"]["totalCount"] == 3
        assert failed["events"]["nodes"][1]["workerId"] == encode_id("Worker", worker)
        assert (cancelled["status"], cancelled["cancelReason"]) == ("CANCELLED", "DEPENDENCY")
        assert cancelled["cancelledBy"] == {"id": encode_id("Job", parent.id)}
        assert cancelled["dependencies"] == [
            {"isRequired": True, "job": {"id": encode_id("Job", parent.id), "status": "FAILED"}}
        ]

    async def test_is_null_for_strangers_and_for_nonsense(self, db: Database, stranger: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)

        assert await stranger.data(READ, {"id": encode_id("Job", job.id)}) == {"job": None}
        assert await stranger.data(READ, {"id": "nonsense"}) == {"job": None}


class TestJobs:
    async def test_filters_and_pages(self, db: Database, api: Api, project: UUID) -> None:
        jobs = [await make_job(db, project_id=project) for _ in range(3)]
        await make_job(db, JobKind.SEGMENTATION, project_id=project)
        wanted = {"kind": ["PROBE"], "status": ["QUEUED"], "projectId": encode_id("Project", project)}

        first = (await api.data(LIST, {"filter": wanted, "first": 2}))["jobs"]
        after = first["pageInfo"]["endCursor"]
        rest = (await api.data(LIST, {"filter": wanted, "first": 2, "after": after}))["jobs"]

        assert [n["id"] for n in first["nodes"] + rest["nodes"]] == [encode_id("Job", j.id) for j in reversed(jobs)]
        assert (first["totalCount"], rest["pageInfo"]["hasNextPage"]) == (3, False)

    async def test_strangers_get_an_empty_list(self, db: Database, stranger: Api, project: UUID) -> None:
        await make_job(db, project_id=project)

        assert (await stranger.data(LIST, {"first": 10}))["jobs"]["totalCount"] == 0

    async def test_the_number_of_statements_does_not_grow(self, db: Database, api: Api, project: UUID) -> None:
        parent = await make_job(db, project_id=project)
        for _ in range(12):
            await make_job(db, project_id=project, depends_on=[(parent.id, False)])

        assert await api.statements(LIST, {"first": 2}) == await api.statements(LIST, {"first": 13})

    @pytest.mark.parametrize("first", [0, -1, 101])
    async def test_a_page_out_of_range_is_refused(self, api: Api, first: int) -> None:
        assert await api.codes(LIST, {"first": first}) == ["BAD_USER_INPUT"]


class TestFilterAndOrder:
    async def find(self, api: Api, **variables: Any) -> list[str]:
        answer = (await api.data(FIND, variables))["jobs"]
        assert answer["totalCount"] == len(answer["nodes"])
        return [node["id"] for node in answer["nodes"]]

    async def test_each_part_of_the_filter_narrows(
        self, db: Database, sql: Any, worker: UUID, api: Api, viewer: Viewer, project: UUID
    ) -> None:
        video, batch = await make_video(db, project), uuid7()
        plain = await make_job(db, project_id=project)
        wanted = await make_job(
            db, project_id=project, video_id=video, batch_id=batch, created_by_id=viewer.user_id, priority=10
        )
        [claimed] = await take(sql, worker)
        await end_attempt(sql, claimed.fence, Outcome.PERMANENT, error=ERROR)

        for narrow in (
            {"status": ["FAILED", "CANCELLED"]},
            {"videoId": encode_id("Video", video)},
            {"batchId": encode_id("Batch", batch)},
            {"createdById": encode_id("User", viewer.user_id)},
            {"errorCode": ["CHILD_CRASHED", "JOB_TIMEOUT"]},
        ):
            assert await self.find(api, filter=narrow) == [encode_id("Job", wanted.id)], narrow
        for nothing in ({"lane": ["cpu"]}, {"errorCode": ["JOB_TIMEOUT"]}, {"kind": ["EMBEDDING"]}):
            assert await self.find(api, filter=nothing) == [], nothing
        assert await self.find(api, filter={"lane": ["io"], "status": ["QUEUED"]}) == [encode_id("Job", plain.id)]

    async def test_a_queue_that_is_none_is_refused(self, sql: Any, api: Api) -> None:
        [error] = (await api.execute(FIND, {"filter": {"lane": ["io", "oi"]}}))["errors"]

        assert error["message"] == "There is no queue 'oi'; the query `queues` lists them: cpu, gpu, io, llm."
        assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["filter", "lane"])
        assert [row["name"] for row in await sql.fetch("select name from lanes order by name")] == list(LANES)

    async def test_a_range_of_time_is_half_open(self, db: Database, sql: Any, api: Api, project: UUID) -> None:
        jobs = [await make_job(db, project_id=project) for _ in range(3)]
        times = [job.created_at.isoformat() for job in jobs]

        found = await self.find(api, filter={"createdFrom": times[1], "createdBefore": times[2]})

        assert found == [encode_id("Job", jobs[1].id)]

    @pytest.mark.parametrize("narrow", [True, False])
    async def test_both_orders_can_be_paged_through(self, db: Database, api: Api, project: UUID, narrow: bool) -> None:
        ids = [encode_id("Job", (await make_job(db, project_id=project)).id) for _ in range(5)]
        wanted = {"projectId": encode_id("Project", project)} if narrow else {}

        for order, expected in (("CREATED_ASC", ids), ("CREATED_DESC", ids[::-1])):
            seen: list[str] = []
            after = None
            for _ in range(3):
                page = (await api.data(FIND, {"filter": wanted, "orderBy": order, "first": 2, "after": after}))["jobs"]
                seen += [node["id"] for node in page["nodes"]]
                after = page["pageInfo"]["endCursor"]
            assert seen == expected

    @pytest.mark.parametrize("name", ["projectId", "videoId", "batchId", "createdById"])
    @pytest.mark.parametrize("id", ["nonsense", ""], ids=["nonsense", "empty"])
    async def test_an_id_that_is_none_is_not_found(self, api: Api, name: str, id: str) -> None:
        assert await api.codes(FIND, {"filter": {name: id}}) == ["NOT_FOUND"]

    async def test_the_ends_of_time_narrow_nothing(self, db: Database, api: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        always = {"createdFrom": "0001-01-01T00:00:00Z", "createdBefore": "9999-12-31T23:59:59.999999Z"}

        assert await self.find(api, filter=always) == [encode_id("Job", job.id)]


class TestUpdateJobPriority:
    async def test_changes_it_once(self, db: Database, api: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        variables = {"input": {"id": encode_id("Job", job.id), "priority": 8}}

        answers = [(await api.data(PRIORITY, variables))["updateJobPriority"] for _ in range(2)]

        assert answers[0] == {"job": {"priority": 8}, "changed": True, "errors": []}
        assert answers[1]["changed"] is False

    async def test_one_out_of_range_is_refused(self, db: Database, api: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)

        answer = await api.data(PRIORITY, {"input": {"id": encode_id("Job", job.id), "priority": 11}})

        assert answer["updateJobPriority"]["errors"] == [{"code": "BAD_USER_INPUT", "field": ["priority"]}]


class TestDeleteJob:
    async def test_one_that_waits_is_refused_and_one_that_is_over_goes(
        self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID
    ) -> None:
        job = await make_job(db, project_id=project)
        variables = {"input": {"id": encode_id("Job", job.id)}}

        refused = (await api.data(DELETE, variables))["deleteJob"]
        await run(sql, worker, job.id)
        gone = (await api.data(DELETE, variables))["deleteJob"]

        assert refused == {"deletedIds": None, "errors": [{"code": "NOT_FINAL"}]}
        assert gone == {"deletedIds": [encode_id("Job", job.id)], "errors": []}
        assert await api.data(READ, {"id": encode_id("Job", job.id)}) == {"job": None}


class TestCancelJob:
    async def test_cancels_once(self, db: Database, api: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        variables = {"input": {"id": encode_id("Job", job.id)}}

        first = (await api.data(CANCEL, variables))["cancelJob"]
        second = (await api.data(CANCEL, variables))["cancelJob"]

        assert first == {"job": {"status": "CANCELLED"}, "changed": True, "errors": []}
        assert second == {"job": {"status": "CANCELLED"}, "changed": False, "errors": []}

    async def test_readers_may_not(self, db: Database, sql: Any, settings: Settings, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        reader = api_of(db, settings, await make_viewer(db, project, ProjectRole.VIEWER))

        assert await reader.codes(CANCEL, {"input": {"id": encode_id("Job", job.id)}}) == ["FORBIDDEN"]
        assert await status(sql, job.id) == ["QUEUED"]

    async def test_strangers_do_not_find_it(self, db: Database, sql: Any, stranger: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)

        answer = (await stranger.data(CANCEL, {"input": {"id": encode_id("Job", job.id)}}))["cancelJob"]

        assert answer == {"job": None, "changed": None, "errors": [{"code": "NOT_FOUND"}]}
        assert await status(sql, job.id) == ["QUEUED"]


class TestRetryJob:
    async def test_runs_a_failed_job_again(self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID) -> None:
        job = await make_job(db, project_id=project)
        await run(sql, worker, job.id, Outcome.PERMANENT)

        answer = (await api.data(RETRY, {"input": {"id": encode_id("Job", job.id)}}))["retryJob"]

        assert answer == {"job": {"status": "QUEUED"}, "changed": True, "errors": []}


class TestJobProgress:
    async def responses(self, api: Api, variables: dict[str, Any], live: RedisLive) -> list[Any]:
        hub = JobHub(api.process.db, live)
        process = Process(
            api.process.db, api.process.adapters, api.process.settings, api.process.bindings, {JobHub: hub}
        )
        context = Context(process, viewer=api.viewer, request_id="r1")
        results = await schema.stream(WATCH, variable_values=variables, context_value=context)
        try:
            return [response_body(result, "r1") async for result in results]
        finally:
            await hub.close()

    async def test_replays_the_log_and_ends(
        self, db: Database, sql: Any, worker: UUID, api: Api, project: UUID, redis_url: str
    ) -> None:
        job = await make_job(db, project_id=project)
        [claimed] = await take(sql, worker)
        await succeed(sql, [(claimed.fence, None)])
        live = RedisLive(redis_url)

        results = await self.responses(api, {"id": encode_id("Job", job.id), "after": 0}, live)
        await live.close()

        updates = [result["data"]["jobProgress"] for result in results]
        assert [(u["type"], u["seq"], u["event"] and u["event"]["type"]) for u in updates] == [
            ("SNAPSHOT", 3, None),
            ("EVENT", 1, "CREATED"),
            ("EVENT", 2, "STARTED"),
            ("EVENT", 3, "SUCCEEDED"),
        ]
        assert updates[-1]["job"] == {"status": "SUCCEEDED"}

    async def test_strangers_do_not_find_it(self, db: Database, stranger: Api, project: UUID, redis_url: str) -> None:
        job = await make_job(db, project_id=project)
        live = RedisLive(redis_url)

        results = await self.responses(stranger, {"id": encode_id("Job", job.id)}, live)
        await live.close()

        assert [error["extensions"]["code"] for result in results for error in result["errors"]] == ["NOT_FOUND"]

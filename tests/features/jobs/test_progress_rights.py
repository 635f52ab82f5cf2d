"""Who watches a job hears no more of it once it is not theirs to see, progress included."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.api.gateway import response_body
from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Progress, save_progress
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.service import hidden_jobs
from cuepoint.features.projects.models import ProjectMember
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_job, make_viewer
from tests.support.graphql import process_of
from tests.support.jobs import make, take

WATCH = "subscription ($id: ID!) { jobProgress(jobId: $id) { type seq progress } }"


class TestHiddenJobs:
    async def test_a_project_in_the_bin_hides_its_jobs_from_everybody(
        self, db: Database, sql: Any, viewer: Viewer, project: UUID
    ) -> None:
        admin = await make_viewer(db, is_admin=True)
        job, system = await make(sql, project_id=project), await make(sql)
        hidden = []
        for who in (viewer, admin):
            async with db.read() as session:
                hidden.append(await hidden_jobs(session, who, {job, system}))
        await sql.execute("update projects set deleted_at = now() where id = $1", project)
        for who in (viewer, admin):
            async with db.read() as session:
                hidden.append(await hidden_jobs(session, who, {job, system}))

        assert hidden == [{system}, set(), {job, system}, {job}]


class TestJobProgress:
    async def test_progress_ends_for_a_member_who_has_left(
        self, db: Database, sql: Any, worker: UUID, settings: Settings, viewer: Viewer, project: UUID, redis_url: str
    ) -> None:
        job = await make_job(db, project_id=project)
        [claimed] = await take(sql, worker)
        live = RedisLive(redis_url)
        hub = JobHub(db, live, safety_seconds=0.05, rights_seconds=0.01)
        base = process_of(db, settings)
        process = Process(db, base.adapters, base.settings, base.bindings, {JobHub: hub})
        context = Context(process, viewer=viewer, request_id="r1")
        results = await schema.stream(WATCH, variable_values={"id": encode_id("Job", job.id)}, context_value=context)

        snapshot = response_body(await anext(results), "r1")
        async with db.write() as session:
            await session.execute(delete(ProjectMember).where(ProjectMember.project_id == project))
        await save_progress(sql, [Progress(claimed.fence, 0.5, "Working", None, None)])
        after = [response_body(result, "r1") async for result in results]
        await hub.close()
        await live.close()

        assert snapshot["data"]["jobProgress"]["type"] == "SNAPSHOT"
        assert [error["extensions"]["code"] for body in after for error in body["errors"]] == ["NOT_FOUND"]

"""Quotas as clients see them."""

from __future__ import annotations

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import api_of

FIELDS = """scope nodeId storageBytes { used reserved limit resetsAt }
  mediaMinutesPerMonth { used reserved limit } concurrentJobs { used reserved limit }"""
SET = f"""mutation ($input: SetQuotaInput!) {{ setQuota(input: $input) {{
  quota {{ {FIELDS} }} errors {{ code field }} }} }}"""
READ = f"query ($project: ID, $user: ID) {{ quota(projectId: $project, userId: $user) {{ {FIELDS} }} }}"
OF_PROJECTS = f"query ($first: Int) {{ projects(first: $first) {{ nodes {{ id usage {{ {FIELDS} }} }} }} }}"
START = (
    "mutation ($input: StartPipelineInput!) { startPipeline(input: $input) { jobs { id } "
    "errors { code quota { scope what limit used reserved resetsAt } } } }"
)


class TestQuota:
    async def test_is_set_read_and_kept(self, db: Database, settings: Settings) -> None:
        owner = await make_viewer(db)
        admin = api_of(db, settings, await make_viewer(db, is_admin=True))
        api = api_of(db, settings, owner)
        project = await make_project(db, owner_id=owner.user_id)
        video = await make_video(db, project)
        await make_job(db, JobKind.TRANSCRIPTION, video)
        key = encode_id("Project", project.id)
        given = {"projectId": key, "storageBytes": 5_000, "mediaMinutesPerMonth": 2.5, "concurrentJobs": 1}

        made = (await admin.data(SET, {"input": given}))["setQuota"]
        read = (await api.data(READ, {"project": key}))["quota"]
        late = {"videoId": encode_id("Video", video.id), "steps": ["MOMENT_GENERATION"]}
        refused = (await api.data(START, {"input": late}))["startPipeline"]

        assert made == {"quota": read, "errors": []}
        assert read == {
            "scope": "PROJECT",
            "nodeId": key,
            "storageBytes": {"used": 1000, "reserved": 0, "limit": 5000, "resetsAt": None},
            "mediaMinutesPerMonth": {"used": 0, "reserved": 1.358, "limit": 2.5},
            "concurrentJobs": {"used": 0, "reserved": 1, "limit": 1},
        }
        which = {"scope": "PROJECT", "what": "CONCURRENT_JOBS"}
        figures = {**which, "limit": 1, "used": 0, "reserved": 2, "resetsAt": None}
        assert refused["errors"] == [{"code": "QUOTA_EXCEEDED", "quota": figures}]

    async def test_what_one_may_not_see_is_null(self, db: Database, settings: Settings) -> None:
        project = await make_project(db)
        other = await make_viewer(db)
        api = api_of(db, settings, await make_viewer(db))

        assert await api.data(READ, {"project": encode_id("Project", project.id)}) == {"quota": None}
        assert await api.data(READ, {"user": encode_id("User", other.user_id)}) == {"quota": None}
        assert (await api.data(READ))["quota"]["scope"] == "INSTANCE"
        assert await api.codes(SET, {"input": {"concurrentJobs": 1}}) == ["FORBIDDEN"]

    async def test_of_each_project_comes_with_it_in_as_many_statements_as_of_one(
        self, db: Database, settings: Settings
    ) -> None:
        owner = await make_viewer(db)
        admin = api_of(db, settings, await make_viewer(db, is_admin=True))
        api = api_of(db, settings, owner)
        projects = [await make_project(db, owner_id=owner.user_id) for _ in range(3)]
        keys = [encode_id("Project", project.id) for project in projects]
        await make_job(db, JobKind.TRANSCRIPTION, await make_video(db, projects[0]))
        for _ in range(2):
            await make_video(db, projects[1])
        await admin.data(SET, {"input": {"projectId": keys[1], "storageBytes": 5_000}})
        await admin.data(SET, {"input": {"userId": encode_id("User", owner.user_id), "storageBytes": 7_000}})

        shown = (await api.data(OF_PROJECTS))["projects"]["nodes"]
        one, three = await api.statements(OF_PROJECTS, {"first": 1}), await api.statements(OF_PROJECTS, {"first": 3})

        asked = {key: (await api.data(READ, {"project": key}))["quota"] for key in keys}
        assert {node["id"]: node["usage"] for node in shown} == asked
        assert [asked[key]["storageBytes"]["used"] for key in keys] == [1_000, 2_000, 0]
        assert [asked[key]["storageBytes"]["limit"] for key in keys] == [None, 5_000, None]
        assert one == three == 6  # the projects, their quotas, and four kinds of figures

    @pytest.mark.parametrize(
        "limits",
        [
            {"storageBytes": -1},
            {"concurrentJobs": -1},
            {"mediaMinutesPerMonth": -0.5},
            {"mediaMinutesPerMonth": 1e308},
            {"costPerMonth": 1e308},
        ],
        ids=str,
    )
    async def test_a_limit_is_neither_negative_nor_beyond_what_is_stored(
        self, db: Database, settings: Settings, limits: dict[str, float]
    ) -> None:
        admin = api_of(db, settings, await make_viewer(db, is_admin=True))

        payload = (await admin.data(SET, {"input": limits}))["setQuota"]

        assert payload == {"quota": None, "errors": [{"code": "BAD_USER_INPUT", "field": list(limits)}]}

"""and, or and not in filters; how deep they nest; and which index serves them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.projects.models import Project
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_user, make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of, count_statements

VIDEOS = """query ($filter: VideoFilterInput) { videos(filter: $filter, first: 100) { totalCount nodes { title } } }"""
JOBS = """query ($filter: JobFilterInput) { jobs(filter: $filter, first: 100) { totalCount nodes { kind status } } }"""


NAMES = "query ($filter: %sFilterInput) { %s(filter: $filter) { totalCount nodes { name } } }"


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


@pytest.fixture
def api(db: Database, settings: Settings, viewer: Viewer) -> Api:
    return api_of(db, settings, viewer)


def digest(number: int) -> str:
    return f"{number:064x}"


async def titles(api: Api, wanted: dict[str, Any]) -> list[str]:
    found = (await api.data(VIDEOS, {"filter": wanted}))["videos"]
    assert found["totalCount"] == len(found["nodes"])
    return sorted(node["title"] for node in found["nodes"])


async def kinds(api: Api, wanted: dict[str, Any]) -> list[str]:
    found = (await api.data(JOBS, {"filter": wanted}))["jobs"]
    assert found["totalCount"] == len(found["nodes"])
    return sorted(f"{node['kind']} {node['status']}" for node in found["nodes"])


async def names(api: Api, root: str, kind: str, wanted: dict[str, Any]) -> list[str]:
    found = (await api.data(NAMES % (kind, root), {"filter": wanted}))[root]
    assert found["totalCount"] == len(found["nodes"])
    return sorted(node["name"] for node in found["nodes"])


class TestVideos:
    @pytest.fixture(autouse=True)
    async def three(self, db: Database, project: Project) -> None:
        for number, title in enumerate(("a", "b", "c")):
            await make_video(db, project, title=title, content_hash=digest(number))

    async def test_or_takes_either(self, api: Api) -> None:
        assert await titles(api, {"or": [{"contentHash": digest(0)}, {"contentHash": digest(2)}]}) == ["a", "c"]

    async def test_and_takes_both(self, api: Api, project: Project) -> None:
        mine = {"projectId": encode_id("Project", project.id)}

        assert await titles(api, {"and": [mine, {"contentHash": digest(1)}]}) == ["b"]
        assert await titles(api, {"and": [{"contentHash": digest(0)}, {"contentHash": digest(1)}]}) == []

    async def test_not_takes_the_rest_and_what_is_unknown(self, api: Api) -> None:
        assert await titles(api, {"not": {"contentHash": digest(1)}}) == ["a", "c"]
        assert await titles(api, {"not": {"externalId": "none has one"}}) == ["a", "b", "c"]

    async def test_own_conditions_hold_as_well(self, api: Api) -> None:
        either = [{"contentHash": digest(0)}, {"contentHash": digest(1)}]

        assert await titles(api, {"contentHash": digest(0), "or": either}) == ["a"]

    async def test_nothing_widens_what_one_may_see(self, db: Database, settings: Settings) -> None:
        stranger = api_of(db, settings, await make_viewer(db))

        assert await titles(stranger, {"or": [{}, {"not": {"contentHash": digest(9)}}]}) == []

    async def test_three_levels_pass_and_four_are_refused(self, api: Api) -> None:
        three = {"not": {"or": [{"contentHash": digest(0)}]}}

        assert await titles(api, three) == ["b", "c"]
        assert await api.codes(VIDEOS, {"filter": {"and": [three]}}) == ["BAD_USER_INPUT"]

    async def test_more_than_ten_members_are_refused(self, api: Api) -> None:
        assert await api.codes(VIDEOS, {"filter": {"or": [{}] * 11}}) == ["BAD_USER_INPUT"]


class TestJobs:
    @pytest.fixture(autouse=True)
    async def three(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        await make_job(db, JobKind.PROBE, video, status=JobStatus.SUCCEEDED)
        await make_job(db, JobKind.TRANSCRIPTION, video, status=JobStatus.FAILED, error_code="MODEL_FAILED")
        await make_job(db, JobKind.TRANSCRIPTION, video, status=JobStatus.QUEUED)

    async def test_or_and_not_combine(self, api: Api) -> None:
        probes_or_failed = {"or": [{"kind": ["PROBE"]}, {"errorCode": ["MODEL_FAILED"]}]}

        assert await kinds(api, probes_or_failed) == ["PROBE SUCCEEDED", "TRANSCRIPTION FAILED"]
        assert await kinds(api, {"not": probes_or_failed}) == ["TRANSCRIPTION QUEUED"]
        assert await kinds(api, {"not": {"errorCode": ["MODEL_FAILED"]}}) == ["PROBE SUCCEEDED", "TRANSCRIPTION QUEUED"]

    async def test_four_levels_are_refused(self, api: Api) -> None:
        deep = {"not": {"not": {"not": {"kind": ["PROBE"]}}}}

        assert await api.codes(JOBS, {"filter": deep}) == ["BAD_USER_INPUT"]


class TestProjects:
    async def test_or_and_not_combine(self, db: Database, api: Api, viewer: Viewer) -> None:
        for name in ("Whales", "Storms", "Bread"):
            await make_project(db, owner_id=viewer.user_id, name=name)
        await make_project(db, name="Foreign storms")
        either = {"or": [{"text": "whale"}, {"text": "storm"}]}

        assert await names(api, "projects", "Project", either) == ["Storms", "Whales"]
        assert await names(api, "projects", "Project", {"not": either}) == ["Bread"]
        assert await names(api, "projects", "Project", {"text": "s", "and": [either, {"text": "wha"}]}) == ["Whales"]
        too_deep = {"not": {"not": {"not": {"text": "a"}}}}
        assert await api.codes(NAMES % ("Project", "projects"), {"filter": too_deep}) == ["BAD_USER_INPUT"]


class TestUsers:
    async def test_or_and_not_combine(self, db: Database, settings: Settings) -> None:
        admin = api_of(db, settings, await make_viewer(db, is_admin=True))
        made = {one: (await make_user(db, email=f"{one}@example.org")).name for one in ("ada", "bea", "carl")}
        either = {"or": [{"text": "ada@"}, {"text": "bea@"}]}

        assert await names(admin, "users", "User", either) == sorted([made["ada"], made["bea"]])
        assert await names(admin, "users", "User", {"not": either, "isAdmin": False}) == [made["carl"]]
        too_deep = {"not": {"not": {"not": {"text": "a"}}}}
        assert await admin.codes(NAMES % ("User", "users"), {"filter": too_deep}) == ["BAD_USER_INPUT"]


class TestPlans:
    """On rows of many projects. Sequential scans stay allowed: that the planner leaves them is the point."""

    @pytest.fixture(autouse=True)
    async def many(self, db: Database, project: Project) -> None:
        others = """insert into projects (id, name, description)
            select gen_random_uuid(), 'p', '' from generate_series(1, 200)"""
        videos = """insert into videos (id, project_id, title, filename, storage_key, size_bytes, content_hash)
            select gen_random_uuid(), p.id, 'v', 'v.mp4', gen_random_uuid()::text, 1,
              lpad(to_hex(n * 1000 + row_number() over ()), 64, '0')
            from projects p, generate_series(1, 25) n"""
        async with db.write() as session:
            await session.execute(text(others))
            await session.execute(text(videos))
        async with db.engine.connect() as connection:
            await connection.exec_driver_sql("analyze videos")
            await connection.commit()

    @pytest.mark.parametrize(
        "wanted",
        [{}, {"or": [{"contentHash": digest(1)}, {"contentHash": digest(2)}]}, {"not": {"contentHash": digest(1)}}],
        ids=["plain", "or", "not"],
    )
    async def test_a_projects_videos_come_along_an_index(
        self, db: Database, api: Api, project: Project, wanted: dict[str, Any]
    ) -> None:
        mine = {"projectId": encode_id("Project", project.id), **wanted}
        with count_statements(db.engine) as seen:
            await api.data(
                "query ($filter: VideoFilterInput) { videos(filter: $filter, first: 5) { nodes { id } } }",
                {"filter": mine},
            )

        plan = await seen.plans(db)

        assert "Seq Scan on videos" not in plan, plan
        assert "Index" in plan

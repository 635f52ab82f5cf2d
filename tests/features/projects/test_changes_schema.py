"""Changes, the archive, filters and figures of projects as clients see them."""

from __future__ import annotations

from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user
from tests.support.builders.videos import make_video
from tests.support.graphql import Api

UPDATE = """mutation ($input: UpdateProjectInput!) { updateProject(input: $input) {
  project { name description version } errors { code field message } } }"""
ARCHIVE = """mutation ($input: ArchiveProjectInput!) { archiveProject(input: $input) {
  project { name version } errors { code } } }"""
UNARCHIVE = """mutation ($input: UnarchiveProjectInput!) { unarchiveProject(input: $input) {
  project { archivedAt version } errors { code } } }"""
MEMBER = """mutation ($input: UpdateMemberInput!) { updateMember(input: $input) {
  member { role } project { name } errors { code field } } }"""
LIST = """query ($filter: ProjectFilterInput, $orderBy: ProjectOrder!) { projects(filter: $filter, orderBy: $orderBy) {
  totalCount nodes { name } } }"""
FIGURES = """query ($first: Int!) { projects(first: $first) { nodes {
  statistics { videoCount probedVideoCount durationSeconds } settings { language }
  jobs(first: 1) { totalCount nodes { kind } } } } }"""


class TestUpdateProject:
    async def test_a_conflict_answers_the_current_node(self, api: Api, project: Project) -> None:
        key = encode_id("Project", project.id)

        first = (await api.data(UPDATE, {"input": {"id": key, "version": 1, "name": "New"}}))["updateProject"]
        late = (await api.data(UPDATE, {"input": {"id": key, "version": 1, "description": "x"}}))["updateProject"]

        assert first == {"project": {"name": "New", "description": "", "version": 2}, "errors": []}
        assert late["project"] == first["project"]
        assert [(error["code"], error["field"]) for error in late["errors"]] == [("VERSION_CONFLICT", ["version"])]


class TestArchive:
    async def test_there_and_back(self, api: Api, project: Project) -> None:
        key = encode_id("Project", project.id)

        archived = (await api.data(ARCHIVE, {"input": {"id": key}}))["archiveProject"]
        refused = (await api.data(UPDATE, {"input": {"id": key, "version": 2, "name": "x"}}))["updateProject"]
        back = (await api.data(UNARCHIVE, {"input": {"id": key}}))["unarchiveProject"]

        assert archived == {"project": {"name": "Archive", "version": 2}, "errors": []}
        assert [error["code"] for error in refused["errors"]] == ["PROJECT_ARCHIVED"]
        assert back == {"project": {"archivedAt": None, "version": 3}, "errors": []}


class TestUpdateMember:
    async def test_changes_a_role_and_keeps_an_owner(
        self, db: Database, api: Api, viewer: Viewer, project: Project
    ) -> None:
        other = await make_user(db)
        await make_member(db, project, other.id, ProjectRole.VIEWER)
        given = {"projectId": encode_id("Project", project.id), "role": "EDITOR"}

        changed = (await api.data(MEMBER, {"input": {**given, "userId": encode_id("User", other.id)}}))["updateMember"]
        last = await api.data(MEMBER, {"input": {**given, "userId": encode_id("User", viewer.user_id)}})
        nobody = (await api.data(MEMBER, {"input": {**given, "userId": "user_x"}}))["updateMember"]

        assert changed == {"member": {"role": "EDITOR"}, "project": {"name": "Archive"}, "errors": []}
        assert last["updateMember"]["errors"] == [{"code": "LAST_OWNER", "field": ["role"]}]
        assert nobody["errors"] == [{"code": "NOT_FOUND", "field": ["userId"]}]


class TestProjects:
    async def test_filter_and_order(self, db: Database, api: Api, viewer: Viewer) -> None:
        for name in ("beta", "Alpha", "gamma"):
            await make_project(db, owner_id=viewer.user_id, name=name)

        by_name = (await api.data(LIST, {"orderBy": "NAME_ASC"}))["projects"]
        some = await api.data(LIST, {"orderBy": "CREATED_DESC", "filter": {"text": "AM", "isArchived": False}})

        assert [node["name"] for node in by_name["nodes"]] == ["Alpha", "beta", "gamma"]
        assert some["projects"] == {"totalCount": 1, "nodes": [{"name": "gamma"}]}

    async def test_figures_take_the_same_statements_for_any_page(self, db: Database, api: Api, viewer: Viewer) -> None:
        for _ in range(3):
            project = await make_project(db, owner_id=viewer.user_id)
            video = await make_video(db, project)
            await make_video(db, project, info=None)
            await make_job(db, JobKind.PROBE, video)

        data = (await api.data(FIGURES, {"first": 1}))["projects"]["nodes"]
        one, three = await api.statements(FIGURES, {"first": 1}), await api.statements(FIGURES, {"first": 3})

        assert data == [
            {
                "statistics": {"videoCount": 2, "probedVideoCount": 1, "durationSeconds": 81.5},
                "settings": {"language": None},
                "jobs": {"totalCount": 1, "nodes": [{"kind": "PROBE"}]},
            }
        ]
        assert one == three == 3  # projects with the number of their jobs, their figures, their jobs

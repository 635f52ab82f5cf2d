"""Projects and members as clients see them."""

from __future__ import annotations

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_user, make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of
from tests.support.rows import count

CREATE = """mutation ($input: CreateProjectInput!) { createProject(input: $input) {
  project { name description viewerRole members { totalCount nodes { role user { email } } } }
  errors { code field } } }"""
ADD = """mutation ($input: AddMemberInput!) { addMember(input: $input) {
  member { role user { email } } project { members { totalCount } } errors { code field } } }"""
REMOVE = """mutation ($input: RemoveMemberInput!) { removeMember(input: $input) {
  project { members { totalCount } } errors { code field } } }"""
READ = "query ($id: ID!) { project(id: $id) { name viewerRole } }"
LIST = """query ($first: Int!, $after: String) { projects(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor }
  nodes { name viewerRole members(first: 2) { totalCount pageInfo { hasNextPage endCursor } nodes { user { id } } }
    videos(first: 2) { totalCount nodes { title project { name } } } } } }"""
MEMBERS = """query ($id: ID!, $after: String) { project(id: $id) { members(first: 2, after: $after) {
  pageInfo { hasNextPage endCursor } nodes { user { id } } } } }"""


class TestCreateProject:
    async def test_makes_the_caller_its_owner(self, api: Api) -> None:
        payload = (await api.data(CREATE, {"input": {"name": "Match days"}}))["createProject"]

        project = payload["project"]
        assert (project["name"], project["description"], project["viewerRole"]) == ("Match days", "", "OWNER")
        assert project["members"]["totalCount"] == 1
        assert project["members"]["nodes"][0]["role"] == "OWNER"

    async def test_says_what_is_wrong(self, db: Database, api: Api) -> None:
        payload = (await api.data(CREATE, {"input": {"name": " "}}))["createProject"]

        assert payload == {"project": None, "errors": [{"code": "BAD_USER_INPUT", "field": ["name"]}]}
        assert await count(db, Project) == 0

    async def test_needs_a_credential(self, db: Database, settings: Settings) -> None:
        assert await api_of(db, settings, None).codes(CREATE, {"input": {"name": "x"}}) == ["UNAUTHENTICATED"]


class TestProject:
    async def test_shows_the_role_and_hides_from_strangers(
        self, db: Database, settings: Settings, api: Api, viewer: Viewer
    ) -> None:
        project = await make_project(db)
        await make_member(db, project, viewer.user_id, ProjectRole.EDITOR)
        wanted = {"id": encode_id("Project", project.id)}
        stranger, admin = await make_viewer(db), await make_viewer(db, is_admin=True)

        assert await api.data(READ, wanted) == {"project": {"name": "Archive", "viewerRole": "EDITOR"}}
        assert await api_of(db, settings, stranger).data(READ, wanted) == {"project": None}
        assert (await api_of(db, settings, admin).data(READ, wanted))["project"]["viewerRole"] == "OWNER"
        assert await api.data(READ, {"id": "project_x"}) == {"project": None}


class TestProjects:
    async def test_pages_through_ones_own(self, db: Database, api: Api, viewer: Viewer) -> None:
        for number in range(3):
            await make_project(db, owner_id=viewer.user_id, name=f"P{number}")
        await make_project(db, name="foreign")

        first = (await api.data(LIST, {"first": 2}))["projects"]
        second = (await api.data(LIST, {"first": 2, "after": first["pageInfo"]["endCursor"]}))["projects"]

        assert [node["name"] for node in first["nodes"] + second["nodes"]] == ["P0", "P1", "P2"]
        assert (first["totalCount"], second["pageInfo"]["hasNextPage"]) == (3, False)

    @pytest.mark.parametrize("page", [{"first": -1}, {"first": 0}, {"first": 101}, {"first": 1, "after": "x"}], ids=str)
    async def test_refuses_bad_pages(self, api: Api, page: dict[str, object]) -> None:
        assert await api.codes(LIST, page) == ["BAD_USER_INPUT"]

    async def test_statements_do_not_grow_with_the_page(self, db: Database, api: Api, viewer: Viewer) -> None:
        for _ in range(5):
            project = await make_project(db, owner_id=viewer.user_id)
            for _ in range(2):
                await make_member(db, project, (await make_user(db)).id, ProjectRole.VIEWER)
                await make_video(db, project)
        await api.statements(LIST, {"first": 1})

        one = await api.statements(LIST, {"first": 1})
        five = await api.statements(LIST, {"first": 5})

        # projects with all numbers, roles, members, users, videos, projects of videos
        assert one == five == 6

    async def test_members_are_paged_each_project_by_itself(self, db: Database, api: Api, viewer: Viewer) -> None:
        project = await make_project(db, owner_id=viewer.user_id)
        users = [(await make_user(db)).id for _ in range(2)]
        for user_id in users:
            await make_member(db, project, user_id, ProjectRole.VIEWER)
        wanted = {"id": encode_id("Project", project.id)}

        first = (await api.data(MEMBERS, wanted))["project"]["members"]
        second = (await api.data(MEMBERS, {**wanted, "after": first["pageInfo"]["endCursor"]}))["project"]["members"]

        ids = [node["user"]["id"] for node in first["nodes"] + second["nodes"]]
        assert ids == [encode_id("User", user_id) for user_id in sorted([viewer.user_id, *users])]
        assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


class TestMembers:
    async def test_an_owner_adds_and_removes(self, db: Database, api: Api, viewer: Viewer) -> None:
        project = await make_project(db, owner_id=viewer.user_id)
        other = await make_user(db, email="bob@example.org")
        project_id = encode_id("Project", project.id)

        added = await api.data(ADD, {"input": {"projectId": project_id, "email": "BOB@example.org", "role": "EDITOR"}})
        removed = await api.data(REMOVE, {"input": {"projectId": project_id, "userId": encode_id("User", other.id)}})

        assert added["addMember"] == {
            "member": {"role": "EDITOR", "user": {"email": "bob@example.org"}},
            "project": {"members": {"totalCount": 2}},
            "errors": [],
        }
        assert removed["removeMember"] == {"project": {"members": {"totalCount": 1}}, "errors": []}

    async def test_the_last_owner_stays(self, db: Database, api: Api, viewer: Viewer) -> None:
        project = await make_project(db, owner_id=viewer.user_id)
        given = {"projectId": encode_id("Project", project.id), "userId": encode_id("User", viewer.user_id)}

        payload = (await api.data(REMOVE, {"input": given}))["removeMember"]

        assert payload == {"project": None, "errors": [{"code": "LAST_OWNER", "field": ["userId"]}]}
        assert await count(db, ProjectMember) == 1

    async def test_who_leaves_sees_it_no_more(self, db: Database, api: Api, viewer: Viewer) -> None:
        project = await make_project(db, owner_id=viewer.user_id)
        await make_member(db, project, (await make_user(db)).id, ProjectRole.OWNER)
        given = {"projectId": encode_id("Project", project.id), "userId": encode_id("User", viewer.user_id)}

        payload = (await api.data(REMOVE, {"input": given}))["removeMember"]

        assert payload == {"project": None, "errors": []}
        assert await count(db, ProjectMember) == 1

    async def test_an_editor_and_a_stranger_change_nothing(
        self, db: Database, settings: Settings, api: Api, viewer: Viewer
    ) -> None:
        project = await make_project(db)
        await make_member(db, project, viewer.user_id, ProjectRole.EDITOR)
        user = await make_user(db)
        given = {"input": {"projectId": encode_id("Project", project.id), "email": user.email, "role": "OWNER"}}

        assert await api.codes(ADD, given) == ["FORBIDDEN"]
        foreign = (await api_of(db, settings, await make_viewer(db)).data(ADD, given))["addMember"]

        assert foreign["errors"] == [{"code": "NOT_FOUND", "field": ["projectId"]}]
        assert await count(db, ProjectMember) == 1

"""Share links as owners see them."""

from __future__ import annotations

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of

CREATE = """mutation ($input: CreateShareLinkInput!) { createShareLink(input: $input) {
  token shareLink { id prefix allowDownload hasPassword uses revokedAt project { name } video { title } }
  errors { code field } } }"""
REVOKE = """mutation ($input: RevokeShareLinkInput!) { revokeShareLink(input: $input) {
  shareLink { revokedAt } errors { code } } }"""
LIST = """query ($id: ID!, $first: Int!) { shareLinks(projectId: $id, first: $first) {
  totalCount nodes { prefix video { title } project { name } } } }"""


class TestShareLinks:
    async def test_are_made_listed_and_revoked(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        given = {"nodeId": encode_id("Video", video.id), "allowDownload": True, "password": "open sesame"}

        created = (await api.data(CREATE, {"input": given}))["createShareLink"]
        whole = (await api.data(CREATE, {"input": {"nodeId": encode_id("Project", project.id)}}))["createShareLink"]
        listed = (await api.data(LIST, {"id": encode_id("Project", project.id), "first": 5}))["shareLinks"]
        revoked = (await api.data(REVOKE, {"input": {"id": created["shareLink"]["id"]}}))["revokeShareLink"]

        link = created["shareLink"]
        assert created["token"].startswith(link["prefix"])
        assert (link["allowDownload"], link["hasPassword"], link["uses"], link["revokedAt"]) == (True, True, 0, None)
        assert (link["video"], link["project"]) == ({"title": "Four short stories"}, {"name": "Archive"})
        assert (whole["shareLink"]["video"], whole["shareLink"]["hasPassword"]) == (None, False)
        assert listed["totalCount"] == 2
        assert [node["video"] for node in listed["nodes"]] == [{"title": "Four short stories"}, None]
        assert revoked["shareLink"]["revokedAt"] is not None
        assert revoked["errors"] == []

    async def test_of_anything_else_there_are_none(self, api: Api) -> None:
        for node in ("job_" + "0" * 32, "x", "video_x"):
            payload = (await api.data(CREATE, {"input": {"nodeId": node}}))["createShareLink"]

            assert payload == {"token": None, "shareLink": None, "errors": [{"code": "NOT_FOUND", "field": ["nodeId"]}]}

    async def test_a_stranger_finds_none(self, db: Database, settings: Settings, api: Api, project: Project) -> None:
        stranger = api_of(db, settings, await make_viewer(db))
        wanted = {"id": encode_id("Project", project.id), "first": 5}
        created = await api.data(CREATE, {"input": {"nodeId": wanted["id"]}})
        key = created["createShareLink"]["shareLink"]["id"]
        node = "query ($id: ID!) { node(id: $id) { id } }"

        assert await stranger.codes(LIST, wanted) == ["NOT_FOUND"]
        assert await stranger.data(node, {"id": key}) == {"node": None}
        assert await api.data(node, {"id": key}) == {"node": {"id": key}}

    async def test_statements_do_not_grow_with_the_page(self, db: Database, api: Api, project: Project) -> None:
        for _ in range(5):
            video = await make_video(db, project)
            await api.data(CREATE, {"input": {"nodeId": encode_id("Video", video.id)}})
        wanted = {"id": encode_id("Project", project.id)}

        one = await api.statements(LIST, {**wanted, "first": 1})
        five = await api.statements(LIST, {**wanted, "first": 5})

        assert one == five == 4  # the gate, the links with their number, videos, projects

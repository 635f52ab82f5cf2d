"""What people say of videos, as clients say it and find it again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads.service import receive
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.videos import make_upload, make_video
from tests.support.graphql import Api, process_of

UPDATE = """mutation ($input: UpdateVideoInput!) { updateVideo(input: $input) {
  video { title tags externalId metadata version } errors { code field } } }"""
TAG = """mutation ($input: BulkUpdateVideosInput!) { bulkUpdateVideos(input: $input) {
  items { index video { tags } error { code } } errors { code field } } }"""
FIND = "query ($filter: VideoFilterInput) { videos(filter: $filter) { totalCount nodes { title } } }"
REGISTER = """mutation ($input: RegisterVideoInput!) { registerVideo(input: $input) {
  video { title tags externalId metadata } errors { code field } } }"""


async def one(byte: bytes) -> AsyncIterator[bytes]:
    yield byte


class TestUpdateVideo:
    async def test_is_changed_and_found_again(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        await make_video(db, project, title="Other")
        given = {"id": encode_id("Video", video.id), "version": 1, "title": "Final", "tags": ["b", "a"]}
        facts = {"externalId": "e1", "metadata": {"season": 3, "cut": {"by": "Ada"}}}

        changed = (await api.data(UPDATE, {"input": {**given, **facts}}))["updateVideo"]
        late = (await api.data(UPDATE, {"input": {**given, "title": "x"}}))["updateVideo"]

        shown = {"title": "Final", "tags": ["a", "b"], **facts, "version": 2}
        assert changed == {"video": shown, "errors": []}
        assert late == {"video": shown, "errors": [{"code": "VERSION_CONFLICT", "field": ["version"]}]}
        for wanted in (
            {"tags": ["a"]},
            {"externalId": "e1"},
            {"metadata": [{"key": "season", "value": 3}]},
            {"projectId": encode_id("Project", project.id), "tags": ["a", "b"], "externalId": "e1"},
        ):
            found = (await api.data(FIND, {"filter": wanted}))["videos"]
            assert found == {"totalCount": 1, "nodes": [{"title": "Final"}]}
        both = [{"key": "season", "value": 2}, {"key": "season", "value": 3}]
        assert await api.codes(FIND, {"filter": {"metadata": both}}) == ["BAD_USER_INPUT"]
        joined = {"and": [{"metadata": [one]} for one in both]}
        assert (await api.data(FIND, {"filter": joined}))["videos"]["totalCount"] == 0

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("projectId", "nonsense"),
            ("contentHash", "AB"),
            ("tags", [""]),
            ("externalId", ""),
            ("metadata", [{"key": "season", "value": 1e300}]),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_a_filter_that_is_refused_is_named(self, api: Api, name: str, value: object) -> None:
        refused = await api.execute(FIND, {"filter": {name: value}})

        assert refused["errors"][0]["extensions"]["field"] == ["filter", name]

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"title": " "}, "title"),
            ({"tags": ["x" * 51]}, "tags"),
            ({"metadata": []}, "metadata"),
            ({"metadata": {"k": "x" * 17_000}}, "metadata"),
            ({"externalId": "x" * 256}, "externalId"),
        ],
        ids=["title", "tags", "list", "large", "id"],
    )
    async def test_refuses_by_field(
        self, db: Database, api: Api, project: Project, values: dict[str, object], field: str
    ) -> None:
        video = await make_video(db, project)

        payload = await api.data(UPDATE, {"input": {"id": encode_id("Video", video.id), "version": 1, **values}})

        assert payload["updateVideo"] == {"video": None, "errors": [{"code": "BAD_USER_INPUT", "field": [field]}]}


class TestBulkUpdateVideos:
    async def test_answers_for_each_video(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        ids = [encode_id("Video", video.id), "video_x"]

        tagged = await api.data(TAG, {"input": {"ids": ids, "tags": {"mode": "ADD", "values": ["a"]}}})
        none = await api.data(TAG, {"input": {"ids": [], "tags": {"mode": "SET", "values": []}}})

        assert tagged["bulkUpdateVideos"] == {
            "items": [
                {"index": 0, "video": {"tags": ["a"]}, "error": None},
                {"index": 1, "video": None, "error": {"code": "NOT_FOUND"}},
            ],
            "errors": [],
        }
        assert none["bulkUpdateVideos"]["errors"] == [{"code": "BAD_USER_INPUT", "field": ["ids"]}]


class TestRegisterVideo:
    async def test_takes_them_along_and_refuses_a_taken_id(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project
    ) -> None:
        api = Api(process_of(db, settings), viewer)
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        whole = [
            await receive(db, storage, viewer, (await make_upload(db, project, size_bytes=1)).id, 0, one(byte))
            for byte in (b"a", b"b")
        ]
        given = {"tags": ["a"], "externalId": "e1", "metadata": {"k": 1}}

        made, taken = [
            (await api.data(REGISTER, {"input": {"uploadId": encode_id("Upload", upload.id), **given}}))[
                "registerVideo"
            ]
            for upload in whole
        ]

        assert made == {"video": {"title": "stories.mp4", **given}, "errors": []}
        assert taken == {"video": None, "errors": [{"code": "EXTERNAL_ID_TAKEN", "field": ["externalId"]}]}

"""Imports as clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from cuepoint.adapters.fetch.choose import build_fetcher
from cuepoint.features.imports.models import Import, ImportSource
from cuepoint.features.jobs.models import Job
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.features.imports.conftest import World
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.graphql import Api, api_of

INGEST = """mutation ($input: IngestUrlInput!) { ingestUrl(input: $input) {
  video { id title status sizeBytes contentHash source { url kind } } jobs { kind status } source { id url }
  errors { code field message } } }"""
PLAYLIST = """mutation ($input: IngestPlaylistInput!) { ingestPlaylist(input: $input) {
  batchId job { kind status } errors { code field } } }"""
IMPORTS = """query ($first: Int!, $after: String) { imports(first: $first, after: $after) { totalCount
  pageInfo { hasNextPage endCursor } nodes { url kind video { status } job { kind } captions { language text }
  chapters { title } error { code } duplicateOf { id } project { name } } } }"""
CREATE = """mutation ($input: CreateImportSourceInput!) { createImportSource(input: $input) {
  importSource { id path pattern schedule isEnabled onDuplicate } errors { code field } } }"""
SOURCES = """query ($first: Int!) { importSources(first: $first) { totalCount nodes {
  path project { name } files { totalCount nodes { name status video { id } error { code } } } } } }"""


def api(world: World, viewer: Viewer | None = None) -> Api:
    return api_of(world.db, world.settings, viewer or world.viewer, fetcher=build_fetcher(world.settings))


def wanted(world: World, **values: Any) -> dict[str, Any]:
    return {"input": {"projectId": encode_id("Project", world.project.id), **values}}


async def rows(world: World) -> list[int]:
    return [len(await world.all(model)) for model in (Import, Video, Upload, Job)]


class TestIngestUrl:
    async def test_the_video_and_its_jobs_are_there_at_once(self, world: World) -> None:
        url = world.web.url("/file/film.mp4?key=secret")

        made = (await api(world).data(INGEST, wanted(world, url=url, title="  My  film ")))["ingestUrl"]

        shown = world.web.url("/file/film.mp4?…")
        assert made["errors"] == []
        assert made["video"] | {"id": ""} == {
            "id": "",
            "title": "My film",
            "status": "UPLOADING",
            "sizeBytes": None,
            "contentHash": None,
            "source": {"url": shown, "kind": "HTTP"},
        }
        assert made["jobs"][0] == {"kind": "INGEST", "status": "QUEUED"}
        assert {job["status"] for job in made["jobs"][1:]} == {"BLOCKED"}
        assert made["source"]["url"] == shown

    @pytest.mark.parametrize(
        ("values", "code", "field"),
        [
            ({"url": "file:///etc/passwd"}, "URL_FORBIDDEN", ["url"]),
            ({"url": "http://ada:pw@films.example/"}, "URL_FORBIDDEN", ["url"]),
            ({"url": "http://films.example:22/"}, "URL_FORBIDDEN", ["url"]),
            ({"url": "s3://bucket/key"}, "URL_FORBIDDEN", ["url"]),
            ({"url": "http://films.example/", "title": " "}, "BAD_USER_INPUT", ["title"]),
            ({"url": "http://films.example/", "start": 5, "end": 5}, "BAD_USER_INPUT", ["end"]),
            ({"url": "http://films.example/", "projectId": "project_nonsense"}, "NOT_FOUND", ["projectId"]),
        ],
        ids=["file", "password", "port", "bucket", "title", "range", "project"],
    )
    async def test_a_refusal_changes_nothing(
        self, world: World, values: dict[str, Any], code: str, field: list[str]
    ) -> None:
        made = (await api(world).data(INGEST, wanted(world, **values)))["ingestUrl"]

        assert [(error["code"], error["field"]) for error in made["errors"]] == [(code, field)]
        assert await rows(world) == [0, 0, 0, 0]

    async def test_strangers_and_readers_are_refused(self, world: World) -> None:
        stranger, reader = await make_viewer(world.db), await make_viewer(world.db)
        await make_member(world.db, world.project, reader.user_id, ProjectRole.VIEWER)
        given = wanted(world, url=world.web.url("/file"))

        absent = (await api(world, stranger).data(INGEST, given))["ingestUrl"]
        codes = await api(world, reader).codes(INGEST, given)

        assert [error["code"] for error in absent["errors"]] == ["NOT_FOUND"]
        assert codes == ["FORBIDDEN"]
        assert await rows(world) == [0, 0, 0, 0]


class TestIngestPlaylist:
    @pytest.mark.parametrize("limit", [0, 501])
    async def test_the_limit_has_bounds(self, world: World, limit: int) -> None:
        made = await api(world).data(PLAYLIST, wanted(world, url=world.web.url("/list"), limit=limit))

        assert made["ingestPlaylist"]["errors"] == [{"code": "BAD_USER_INPUT", "field": ["limit"]}]
        assert await rows(world) == [0, 0, 0, 0]

    async def test_is_a_job_of_a_batch(self, world: World) -> None:
        made = (await api(world).data(PLAYLIST, wanted(world, url=world.web.url("/list"))))["ingestPlaylist"]

        [job] = await world.all(Job)
        assert made == {
            "batchId": encode_id("Batch", job.batch_id),
            "job": {"kind": "PLAYLIST_IMPORT", "status": "QUEUED"},
            "errors": [],
        }


class TestImports:
    async def test_pages_take_as_many_statements_as_one_row(self, world: World) -> None:
        for number in range(3):
            await world.ingest(f"/file/{number}.mp4")
        client = api(world)

        first = (await client.data(IMPORTS, {"first": 2}))["imports"]
        second = (await client.data(IMPORTS, {"first": 2, "after": first["pageInfo"]["endCursor"]}))["imports"]

        shown = [node["url"].rpartition("/")[2] for node in first["nodes"] + second["nodes"]]
        assert (first["totalCount"], shown) == (3, ["2.mp4", "1.mp4", "0.mp4"])
        assert first["nodes"][0] | {"url": ""} == {
            "url": "",
            "kind": "HTTP",
            "video": {"status": "UPLOADING"},
            "job": {"kind": "INGEST"},
            "captions": [],
            "chapters": [],
            "error": None,
            "duplicateOf": None,
            "project": {"name": "Archive"},
        }
        one, three = await client.statements(IMPORTS, {"first": 1}), await client.statements(IMPORTS, {"first": 3})
        assert one == three

    async def test_strangers_see_none(self, world: World) -> None:
        await world.ingest("/file/film.mp4")

        seen = (await api(world, await make_viewer(world.db)).data(IMPORTS, {"first": 5}))["imports"]

        assert (seen["totalCount"], seen["nodes"]) == (0, [])


class TestImportSources:
    async def test_pages_take_as_many_statements_as_one_row(self, world: World, tmp_path: Any) -> None:
        world.settings = world.settings.model_copy(update={"import_roots": (tmp_path,)})
        client = api(world)
        for name in ("one", "two", "three"):
            given = wanted(world, kind="FOLDER", path=str(tmp_path / name), pattern="*.mp4")
            made = (await client.data(CREATE, given))["createImportSource"]
            assert made["errors"] == []

        seen = (await client.data(SOURCES, {"first": 3}))["importSources"]

        assert [node["path"] for node in seen["nodes"]] == [str(tmp_path / name) for name in ("one", "two", "three")]
        assert made["importSource"] | {"id": "", "path": ""} == {
            "id": "",
            "path": "",
            "pattern": "*.mp4",
            "schedule": "*/5 * * * *",
            "isEnabled": True,
            "onDuplicate": "LINK",
        }
        one, three = await client.statements(SOURCES, {"first": 1}), await client.statements(SOURCES, {"first": 3})
        assert one == three

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"path": "/etc"}, "path"),
            ({"pattern": "*" * 201}, "pattern"),
            ({"schedule": "every day"}, "schedule"),
            ({"kind": "S3", "path": "bucket/prefix"}, "path"),
            ({"kind": "S3", "path": "b/prefix"}, "path"),
        ],
        ids=["path", "pattern", "schedule", "bucket", "no-bucket"],
    )
    async def test_a_refusal_changes_nothing(
        self, world: World, tmp_path: Any, values: dict[str, str], field: str
    ) -> None:
        world.settings = world.settings.model_copy(update={"import_roots": (tmp_path,)})
        given = wanted(world, **({"kind": "FOLDER", "path": str(tmp_path)} | values))

        made = (await api(world).data(CREATE, given))["createImportSource"]

        assert [error["field"] for error in made["errors"]] == [[field]]
        assert await world.all(ImportSource) == []

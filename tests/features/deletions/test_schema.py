"""Deleting projects and giving up their files, as clients see it."""

from __future__ import annotations

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.scalars import encode_id
from tests.features.deletions.conftest import Full
from tests.support.builders.users import make_viewer
from tests.support.graphql import api_of

DELETE = """mutation ($input: DeleteProjectInput!) { deleteProject(input: $input) {
  id contents { videoCount fileCount sizeBytes unfinishedJobCount } job { id kind } replayed
  errors { code field } } }"""
WIPE = """mutation ($input: WipeProjectStorageInput!) { wipeProjectStorage(input: $input) {
  contents { fileCount } job { kind } errors { code field } } }"""
JOB = "query ($id: ID!) { job(id: $id) { kind project { id } } node(id: $id) { id } }"


class TestDeleteProject:
    async def test_tells_first_and_then_hides_it(self, db: Database, settings: Settings, full: Full) -> None:
        api, stranger = api_of(db, settings, full.viewer), api_of(db, settings, await make_viewer(db))
        key = encode_id("Project", full.project.id)

        told = (await api.data(DELETE, {"input": {"id": key, "dryRun": True}}))["deleteProject"]
        wrong = (await api.data(DELETE, {"input": {"id": key, "confirmName": "x"}}))["deleteProject"]
        foreign = (await stranger.data(DELETE, {"input": {"id": key, "dryRun": True}}))["deleteProject"]
        gone = (await api.data(DELETE, {"input": {"id": key, "confirmName": "Match days"}}))["deleteProject"]

        contents = {"videoCount": 23, "fileCount": 25, "sizeBytes": 23_110, "unfinishedJobCount": 1}
        assert told == {"id": key, "contents": contents, "job": None, "replayed": False, "errors": []}
        assert wrong["errors"] == [{"code": "BAD_USER_INPUT", "field": ["confirmName"]}]
        assert [error["code"] for error in foreign["errors"]] == ["NOT_FOUND"]
        assert (gone["contents"], gone["job"]["kind"]) == (contents, "PROJECT_DELETION")
        assert await api.data("query ($id: ID!) { project(id: $id) { id } }", {"id": key}) == {"project": None}
        job = gone["job"]["id"]
        assert await api.data(JOB, {"id": job}) == {
            "job": {"kind": "PROJECT_DELETION", "project": None},
            "node": {"id": job},
        }
        assert await stranger.data(JOB, {"id": job}) == {"job": None, "node": None}

    async def test_whose_answer_was_lost_is_answered_again(self, db: Database, settings: Settings, full: Full) -> None:
        api = api_of(db, settings, full.viewer)
        given = {"id": encode_id("Project", full.project.id), "confirmName": "Match days"}

        first = (await api.data(DELETE, {"input": {**given, "idempotencyKey": "k1"}}))["deleteProject"]
        again = (await api.data(DELETE, {"input": {**given, "idempotencyKey": "k1"}}))["deleteProject"]
        unkeyed = (await api.data(DELETE, {"input": given}))["deleteProject"]

        assert again == {**first, "replayed": True}
        assert again["job"]["kind"] == "PROJECT_DELETION"
        assert [error["code"] for error in unkeyed["errors"]] == ["NOT_FOUND"]


class TestWipeProjectStorage:
    async def test_tells_first_and_then_starts(self, db: Database, settings: Settings, full: Full) -> None:
        api = api_of(db, settings, full.viewer)
        key = encode_id("Project", full.project.id)

        told = (await api.data(WIPE, {"input": {"id": key, "dryRun": True}}))["wipeProjectStorage"]
        asked = (await api.data(WIPE, {"input": {"id": key, "confirmName": "Match days"}}))["wipeProjectStorage"]

        assert told == {"contents": {"fileCount": 25}, "job": None, "errors": []}
        assert asked == {"contents": {"fileCount": 25}, "job": {"kind": "STORAGE_WIPE"}, "errors": []}

"""Uploads as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.models import Upload
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload, make_video
from tests.support.graphql import api_of
from tests.support.rows import count

NOW = datetime.now(UTC)
CREATE = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
  upload { id url filename sizeBytes offsetBytes status contentHash project { name } }
  errors { code field message retryable } } }"""
CREATE_ONCE = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
  upload { id } duplicateOf { id title } errors { code field retryable } } }"""
COMPLETE = "mutation ($input: CompleteUploadInput!) { completeUpload(input: $input) { errors { code field } } }"
READ = "query ($id: ID!) { upload(id: $id) { id status offsetBytes } }"


class TestCreateUpload:
    async def test_gives_a_tus_url(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        given = {"projectId": encode_id("Project", project.id), "filename": 'a "b"\n../c.mp4', "sizeBytes": 2**40 // 64}

        payload = (await api_of(db, settings, viewer).data(CREATE, {"input": given}))["createUpload"]

        upload = payload["upload"]
        assert upload["url"] == f"https://video.example.org/uploads/{upload['id']}"
        assert (upload["filename"], upload["sizeBytes"], upload["offsetBytes"]) == ('a "b"\n../c.mp4', 2**34, 0)
        assert (upload["status"], upload["contentHash"], upload["project"]) == ("WAITING", None, {"name": "Archive"})
        assert payload["errors"] == []

    async def test_says_what_is_wrong_with_the_input(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        given = {"projectId": encode_id("Project", project.id), "filename": "a.mp4", "sizeBytes": 0}

        payload = (await api_of(db, settings, viewer).data(CREATE, {"input": given}))["createUpload"]

        assert payload["upload"] is None
        assert [(e["code"], e["field"]) for e in payload["errors"]] == [("BAD_USER_INPUT", ["sizeBytes"])]

    @pytest.mark.parametrize(
        ("content_type", "code"),
        [
            ("text/plain", "UNSUPPORTED_MEDIA"),
            ("Application/PDF; version=1.7", "UNSUPPORTED_MEDIA"),
            ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "UNSUPPORTED_MEDIA"),
            ("mp4", "BAD_USER_INPUT"),
            ("video/mp4\n", None),
            ("image/png", None),  # whatever the bytes are: they tell
            ('video/mp4; codecs="avc1.42E01E, mp4a.40.2"', None),
            ("text/vnd.trolltech.linguist", None),  # so do desktops call MPEG transport streams
            ("application/octet-stream", None),
            ("", None),
            (None, None),
        ],
    )
    async def test_what_is_surely_no_media_is_refused_before_a_byte_is_sent(
        self, db: Database, settings: Settings, content_type: str | None, code: str | None
    ) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        given = {"projectId": encode_id("Project", project.id), "filename": "a.mp4", "sizeBytes": 1}

        api = api_of(db, settings, viewer)
        payload = (await api.data(CREATE, {"input": given | {"contentType": content_type}}))["createUpload"]

        assert [(e["code"], e["field"]) for e in payload["errors"]] == (
            [] if code is None else [(code, ["contentType"])]
        )
        assert (await count(db, Upload), payload["upload"] is None) == ((1, False) if code is None else (0, True))

    async def test_strangers_and_malformed_ids_find_no_project(self, db: Database, settings: Settings) -> None:
        project = await make_project(db)
        api = api_of(db, settings, await make_viewer(db))

        for project_id in (encode_id("Project", project.id), encode_id("Project", uuid7()), "x", "project_0"):
            given = {"projectId": project_id, "filename": "a.mp4", "sizeBytes": 1}
            payload = (await api.data(CREATE, {"input": given}))["createUpload"]
            assert [e["code"] for e in payload["errors"]] == ["NOT_FOUND"]

    async def test_viewers_are_told_that_they_may_not(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db)
        await make_member(db, project, viewer.user_id, ProjectRole.VIEWER)
        given = {"projectId": encode_id("Project", project.id), "filename": "a.mp4", "sizeBytes": 1}

        assert await api_of(db, settings, viewer).codes(CREATE, {"input": given}) == ["FORBIDDEN"]

    async def test_needs_a_credential(self, db: Database, settings: Settings) -> None:
        given = {"projectId": "x", "filename": "a.mp4", "sizeBytes": 1}

        assert await api_of(db, settings, None).codes(CREATE, {"input": given}) == ["UNAUTHENTICATED"]


class TestOnDuplicate:
    @pytest.mark.parametrize(
        ("choice", "has_upload", "codes"),
        [("LINK", False, []), ("REJECT", False, ["DUPLICATE_VIDEO"]), ("KEEP", True, []), (None, True, [])],
    )
    async def test_a_declared_hash_finds_the_video_before_a_byte_is_sent(
        self, db: Database, settings: Settings, choice: str | None, has_upload: bool, codes: list[str]
    ) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        video = await make_video(db, project, content_hash="ab" * 32)
        await make_video(db, project, content_hash="ab" * 32)
        given = {
            "projectId": encode_id("Project", project.id),
            "filename": "a.mp4",
            "sizeBytes": 1,
            "sha256": "ab" * 32,
        }
        given |= {} if choice is None else {"onDuplicate": choice}

        payload = (await api_of(db, settings, viewer).data(CREATE_ONCE, {"input": given}))["createUpload"]

        assert payload["duplicateOf"] == {"id": encode_id("Video", video.id), "title": video.title}
        assert (payload["upload"] is not None, [e["code"] for e in payload["errors"]]) == (has_upload, codes)

    @pytest.mark.parametrize(
        ("values", "is_found"),
        [
            ({"content_hash": "cd" * 32, "sha256": "ab" * 32}, True),
            ({"content_hash": "ab" * 32, "sha256": "ab" * 32}, True),
            ({"content_hash": "ab" * 32, "sha256": None}, True),
            ({"content_hash": "cd" * 32, "sha256": None}, False),
            ({"content_hash": "ab" * 32, "deleted_at": NOW}, False),
            ({"content_hash": "ab" * 32, "files_removed_at": NOW}, False),
        ],
        ids=["declared", "migrated", "by-an-old-process", "unknown", "deleted", "without-its-file"],
    )
    async def test_finds_what_has_the_declared_hash_and_its_file(
        self, db: Database, settings: Settings, values: dict[str, Any], is_found: bool
    ) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        await make_video(db, project, **values)
        given = {"projectId": encode_id("Project", project.id), "filename": "a.mp4", "sizeBytes": 1}
        given |= {"sha256": "ab" * 32, "onDuplicate": "LINK"}

        payload = (await api_of(db, settings, viewer).data(CREATE_ONCE, {"input": given}))["createUpload"]

        assert (payload["duplicateOf"] is not None, payload["upload"] is None) == (is_found, is_found)

    async def test_a_video_of_another_project_is_none(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        await make_video(db, await make_project(db, owner_id=viewer.user_id), content_hash="ab" * 32)
        given = {
            "projectId": encode_id("Project", project.id),
            "filename": "a.mp4",
            "sizeBytes": 1,
            "sha256": "ab" * 32,
            "onDuplicate": "REJECT",
        }

        payload = (await api_of(db, settings, viewer).data(CREATE_ONCE, {"input": given}))["createUpload"]

        assert (payload["upload"] is not None, payload["duplicateOf"], payload["errors"]) == (True, None, [])

    async def test_a_stranger_learns_nothing(self, db: Database, settings: Settings) -> None:
        project = await make_project(db)
        await make_video(db, project, content_hash="ab" * 32)
        given = {
            "projectId": encode_id("Project", project.id),
            "filename": "a.mp4",
            "sizeBytes": 1,
            "sha256": "ab" * 32,
        }

        api = api_of(db, settings, await make_viewer(db))
        payload = (await api.data(CREATE_ONCE, {"input": given | {"onDuplicate": "LINK"}}))["createUpload"]

        assert (payload["duplicateOf"], [e["code"] for e in payload["errors"]]) == (None, ["NOT_FOUND"])


class TestUpload:
    async def test_is_null_for_strangers_and_other_ids(self, db: Database, settings: Settings) -> None:
        owner, stranger = await make_viewer(db), await make_viewer(db)
        project = await make_project(db, owner_id=owner.user_id)
        upload = await make_upload(db, project)
        wanted = {"id": encode_id("Upload", upload.id)}

        seen = await api_of(db, settings, owner).data(READ, wanted)
        foreign = await api_of(db, settings, stranger).data(READ, wanted)

        assert seen["upload"] == {"id": wanted["id"], "status": "WAITING", "offsetBytes": 0}
        assert foreign == {"upload": None}

    @pytest.mark.parametrize("id", ["", "x", "upload_", "video_0123456789abcdef0123456789abcdef"])
    async def test_is_null_for_what_is_no_id_of_an_upload(self, db: Database, settings: Settings, id: str) -> None:
        assert await api_of(db, settings, await make_viewer(db)).data(READ, {"id": id}) == {"upload": None}


class TestCompleteUpload:
    async def test_one_that_comes_by_tus_is_refused(self, db: Database, settings: Settings) -> None:
        viewer = await make_viewer(db)
        upload = await make_upload(db, await make_project(db, owner_id=viewer.user_id))
        given = {"id": encode_id("Upload", upload.id)}

        payload = (await api_of(db, settings, viewer).data(COMPLETE, {"input": given}))["completeUpload"]

        assert payload["errors"] == [{"code": "BAD_USER_INPUT", "field": ["id"]}]

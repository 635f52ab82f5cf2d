"""Extensions of tus over HTTP: bytes with the creation, a length that comes later, checksums of pieces."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from blake3 import blake3

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.graphql.scalars import encode_id
from tests.support.tus import DATA, PIECE, TUS, Sender, make_sender
from tests.support.web import Web, errors_of, running_web


@pytest.fixture
async def sender(web: Web, db: Database) -> Sender:
    """An owner of a project."""
    return await make_sender(web, db)


class TestCreationWithUpload:
    async def create(self, sender: Sender, data: Any, *, size: int = len(DATA), **more: str) -> Any:
        """POST with metadata and bytes."""
        pairs = {"projectId": encode_id("Project", sender.project.id), **more}
        text = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
        sent = {**PIECE, **sender.auth, "Upload-Length": str(size), "Upload-Metadata": text}
        return await sender.web.client.post("/uploads", content=data, headers=sent)

    async def test_a_whole_file_in_one_request(self, sender: Sender) -> None:
        response = await self.create(sender, DATA)

        assert (response.status_code, response.headers["upload-offset"]) == (201, "1024")
        row = await sender.row(response.headers["location"])
        assert (row.status, row.content_hash) == (UploadStatus.COMPLETE, blake3(DATA).hexdigest())

    async def test_a_beginning_that_is_gone_on_with(self, sender: Sender) -> None:
        response = await self.create(sender, DATA[:100])
        path = response.headers["location"].removeprefix("http://testserver")

        last = await sender.patch(path, int(response.headers["upload-offset"]), DATA[100:])

        assert (response.status_code, last.status_code) == (201, 204)
        assert (await sender.row(path)).content_hash == blake3(DATA).hexdigest()

    async def test_too_many_bytes_are_413_and_the_upload_stays(self, sender: Sender) -> None:
        response = await self.create(sender, DATA + b"x")

        assert (response.status_code, errors_of(response)[0][0]) == (413, "UPLOAD_TOO_LARGE")
        assert (await sender.row(response.headers["location"])).status is UploadStatus.WAITING

    async def test_one_of_that_hash_that_has_begun_says_where_it_stands(self, sender: Sender) -> None:
        sha256 = hashlib.sha256(DATA).hexdigest()
        first = await self.create(sender, DATA[:600], sha256=sha256)

        second = await self.create(sender, DATA, sha256=sha256)

        assert second.headers["location"] == first.headers["location"]
        assert (second.status_code, second.headers["upload-offset"]) == (201, "600")

    async def test_a_body_of_another_type_is_no_upload(self, sender: Sender) -> None:
        response = await sender.create(headers={"Content-Type": "text/plain"})

        assert (response.status_code, response.headers["upload-offset"]) == (201, "0")


class TestDeferredLength:
    async def created(self, sender: Sender) -> str:
        """Path of an upload of unknown size."""
        project = base64.b64encode(encode_id("Project", sender.project.id).encode()).decode()
        headers = {**TUS, **sender.auth, "Upload-Defer-Length": "1", "Upload-Metadata": f"projectId {project}"}
        response = await sender.web.client.post("/uploads", headers=headers)
        assert response.status_code == 201, response.text
        return str(response.headers["location"].removeprefix("http://testserver"))

    async def test_the_length_comes_with_the_last_piece(self, sender: Sender) -> None:
        path = await self.created(sender)
        await sender.patch(path, 0, DATA[:600])
        before = await sender.head(path)

        last = await sender.patch(path, 600, DATA[600:], Upload_Length="1024")

        assert (before.headers["upload-offset"], before.headers["upload-defer-length"]) == ("600", "1")
        assert "upload-length" not in before.headers
        assert last.status_code == 204
        after = await sender.head(path)
        assert (after.headers["upload-length"], "upload-defer-length" in after.headers) == ("1024", False)
        assert (await sender.row(path)).content_hash == blake3(DATA).hexdigest()

    async def test_the_length_may_come_when_all_bytes_are_here(self, sender: Sender) -> None:
        path = await self.created(sender)
        await sender.patch(path, 0, DATA)
        before = (await sender.row(path)).status

        last = await sender.patch(path, 1024, b"", Upload_Length="1024")

        assert (before, last.status_code) == (UploadStatus.RECEIVING, 204)
        row = await sender.row(path)
        assert (row.status, row.content_hash) == (UploadStatus.COMPLETE, blake3(DATA).hexdigest())

    @pytest.mark.parametrize("length", ["599", "0", "x"])
    async def test_a_length_that_cannot_be_is_400(self, sender: Sender, length: str) -> None:
        path = await self.created(sender)
        await sender.patch(path, 0, DATA[:600])

        response = await sender.patch(path, 600, DATA[600:], Upload_Length=length)

        assert response.status_code == 400
        row = await sender.row(path)
        assert (row.size_bytes, row.offset_bytes) == (None, 600)

    async def test_it_cannot_be_told_twice(self, sender: Sender) -> None:
        path = await self.created(sender)
        await sender.patch(path, 0, DATA[:600], Upload_Length="1024")

        same = await sender.patch(path, 600, b"", Upload_Length="1024")
        other = await sender.patch(path, 600, DATA[600:], Upload_Length="2048")

        assert (same.status_code, other.status_code) == (204, 400)
        assert (await sender.row(path)).size_bytes == 1024

    async def test_beyond_the_limit_of_the_server_is_413(self, settings: Settings, db: Database) -> None:
        async with running_web(settings.model_copy(update={"upload_max_bytes": 1000}), db) as web:
            sender = await make_sender(web, db)
            path = await self.created(sender)
            bytes_ = await sender.patch(path, 0, DATA)
            length = await sender.patch(path, 0, DATA[:10], Upload_Length="1001")

        assert (bytes_.status_code, length.status_code) == (413, 413)
        assert (await sender.row(path)).offset_bytes == 0

    async def test_both_headers_or_another_value_are_400(self, sender: Sender) -> None:
        both = await sender.create(headers={"Upload-Defer-Length": "1"})
        project = base64.b64encode(encode_id("Project", sender.project.id).encode()).decode()
        sent = {**TUS, **sender.auth, "Upload-Defer-Length": "2", "Upload-Metadata": f"projectId {project}"}
        other = await sender.web.client.post("/uploads", headers=sent)

        assert (both.status_code, other.status_code) == (400, 400)


class TestChecksum:
    @pytest.mark.parametrize("name", ["sha1", "sha256"])
    async def test_a_piece_as_promised_counts(self, sender: Sender, name: str) -> None:
        path = await sender.created()
        digest = base64.b64encode(hashlib.new(name, DATA[:600]).digest()).decode()

        response = await sender.patch(path, 0, DATA[:600], Upload_Checksum=f"{name} {digest}")

        assert (response.status_code, response.headers["upload-offset"]) == (204, "600")

    @pytest.mark.parametrize("name", ["sha1", "sha256"])
    async def test_another_piece_is_460_and_does_not_count(self, sender: Sender, name: str) -> None:
        path = await sender.created()
        await sender.patch(path, 0, DATA[:100])
        digest = base64.b64encode(hashlib.new(name, DATA[100:]).digest()).decode()

        wrong = await sender.patch(path, 100, bytes(924), Upload_Checksum=f"{name} {digest}")
        between = await sender.head(path)
        right = await sender.patch(path, 100, DATA[100:], Upload_Checksum=f"{name} {digest}")

        assert (wrong.status_code, errors_of(wrong)[0][0]) == (460, "CHECKSUM_MISMATCH")
        assert between.headers["upload-offset"] == "100"
        assert right.status_code == 204
        assert (await sender.row(path)).content_hash == blake3(DATA).hexdigest()

    @pytest.mark.parametrize("value", ["md5 AAAA", "sha1", "sha1 !!", "sha1 AAAA", "sha256 " + "A" * 28, ""])
    async def test_what_is_no_checksum_is_400(self, sender: Sender, value: str) -> None:
        path = await sender.created()

        assert (await sender.patch(path, 0, DATA, Upload_Checksum=value)).status_code == 400
        assert (await sender.row(path)).offset_bytes == 0

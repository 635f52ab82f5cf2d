"""tus 1.0 over HTTP: creation, pieces, faults, termination, and who may do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from blake3 import blake3

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.graphql.scalars import decode_id, encode_id
from tests.support.builders.projects import make_member
from tests.support.tus import DATA, PIECE, TUS, Sender, make_sender
from tests.support.web import Web, bearer, errors_of, make_token, running_web


@pytest.fixture
async def sender(web: Web, db: Database) -> Sender:
    """An owner of a project."""
    return await make_sender(web, db)


class TestOptions:
    async def test_the_server_says_what_it_can_without_a_token(self, web: Web, settings: Settings) -> None:
        response = await web.client.options("/uploads")

        assert response.status_code == 204
        assert response.headers["tus-version"] == "1.0.0"
        assert set(response.headers["tus-extension"].split(",")) == {
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "checksum",
            "termination",
            "expiration",
        }
        assert response.headers["tus-checksum-algorithm"] == "sha1,sha256"
        assert response.headers["tus-max-size"] == str(settings.upload_max_bytes)

    async def test_a_page_of_a_listed_origin_may_upload(self, settings: Settings, db: Database) -> None:
        origin = "https://app.example.org"
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization,tus-resumable,upload-offset,content-type",
        }
        async with running_web(settings.model_copy(update={"cors_origins": (origin,)}), db) as web:
            preflight = await web.client.options("/uploads/x", headers=asked)
            answer = await web.client.post("/uploads", headers={"Origin": origin})
            other = await web.client.options("/uploads/x", headers={**asked, "Origin": "https://evil.example"})

        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "Upload-Offset" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        assert other.status_code == 400


class TestCreation:
    async def test_an_upload_is_created_with_its_address(self, sender: Sender) -> None:
        response = await sender.create(filename='"../naïve\n.mp4')

        assert response.status_code == 201
        assert (response.headers["tus-resumable"], response.headers["upload-offset"]) == ("1.0.0", "0")
        assert response.headers["upload-expires"].endswith("GMT")
        row = await sender.row(response.headers["location"])
        assert (row.size_bytes, row.filename, row.status) == (len(DATA), '"../naïve\n.mp4', UploadStatus.WAITING)
        assert response.headers["location"] == f"http://testserver/uploads/{encode_id('Upload', row.id)}"

    @pytest.mark.parametrize("length", ["", "-1", "1.5", "x", "9" * 30, "٣"])
    async def test_a_bad_length_is_400(self, sender: Sender, length: str) -> None:
        response = await sender.create(
            headers={"Upload-Length": length} if length.isascii() else {"Upload-Length": "?"}
        )

        assert response.status_code == 400

    async def test_an_empty_file_is_400(self, sender: Sender) -> None:
        assert (await sender.create(0)).status_code == 400

    async def test_beyond_the_limit_is_413(self, sender: Sender, settings: Settings) -> None:
        response = await sender.create(settings.upload_max_bytes + 1)

        assert (response.status_code, errors_of(response)[0][0]) == (413, "UPLOAD_TOO_LARGE")

    @pytest.mark.parametrize(
        "metadata", ["projectId", "projectId !!", "projectId YQ==,projectId YQ==", "x", "projectId /w=="]
    )
    async def test_bad_metadata_is_400_or_404(self, sender: Sender, metadata: str) -> None:
        response = await sender.create(headers={"Upload-Metadata": metadata})

        assert response.status_code in (400, 404)
        assert errors_of(response)[0][0] in ("BAD_USER_INPUT", "NOT_FOUND")

    async def test_another_tus_version_is_412(self, sender: Sender) -> None:
        response = await sender.create(headers={"Tus-Resumable": "0.2.2"})

        assert (response.status_code, response.headers["tus-version"]) == (412, "1.0.0")


class TestAccess:
    @pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer cp_wrong"}])
    async def test_without_a_valid_token_everything_is_401(self, sender: Sender, header: dict[str, str]) -> None:
        path = await sender.created()
        nobody = Sender(sender.web, sender.db, sender.project, header)

        responses = [
            await nobody.create(),
            await nobody.head(path),
            await nobody.patch(path, 0, DATA),
            await sender.web.client.delete(path, headers={**TUS, **header}),
        ]

        assert [r.status_code for r in responses] == [401] * 4
        assert (await sender.row(path)).offset_bytes == 0

    async def test_to_a_stranger_nothing_is_there(self, sender: Sender) -> None:
        path = await sender.created()
        stranger = await make_sender(sender.web, sender.db)
        stranger.project = sender.project

        responses = [
            await stranger.create(),
            await stranger.head(path),
            await stranger.patch(path, 0, DATA),
            await sender.web.client.delete(path, headers={**TUS, **stranger.auth}),
        ]

        assert [r.status_code for r in responses] == [404] * 4
        assert (await sender.row(path)).status is UploadStatus.WAITING

    async def test_a_viewer_may_look_but_not_send(self, sender: Sender) -> None:
        path = await sender.created()
        viewer, secret = await make_token(sender.db)
        await make_member(sender.db, sender.project, viewer.user_id, ProjectRole.VIEWER)
        onlooker = Sender(sender.web, sender.db, sender.project, bearer(secret))

        codes = [(await r).status_code for r in (onlooker.head(path), onlooker.patch(path, 0, DATA), onlooker.create())]

        assert codes == [200, 403, 403]

    @pytest.mark.parametrize("name", ["x", "upload_", "upload_" + "0" * 32, "0" * 32, "../health", "%00"])
    async def test_what_does_not_exist_is_404(self, sender: Sender, name: str) -> None:
        response = await sender.head(f"/uploads/{name}")

        assert response.status_code == 404


class TestPieces:
    async def test_pieces_add_up_to_the_file(self, sender: Sender) -> None:
        path = await sender.created()

        first = await sender.patch(path, 0, DATA[:600])
        between = await sender.head(path)
        last = await sender.patch(path, 600, DATA[600:])

        assert (first.status_code, first.headers["upload-offset"]) == (204, "600")
        assert (between.headers["upload-offset"], between.headers["upload-length"]) == ("600", "1024")
        assert between.headers["cache-control"] == "no-store"
        assert (last.status_code, last.headers["upload-offset"]) == (204, "1024")
        assert "upload-expires" not in last.headers
        row = await sender.row(path)
        assert (row.status, row.content_hash) == (UploadStatus.COMPLETE, blake3(DATA).hexdigest())

    async def test_a_wrong_offset_is_409_with_the_right_one(self, sender: Sender) -> None:
        path = await sender.created()
        await sender.patch(path, 0, DATA[:600])

        response = await sender.patch(path, 0, DATA)

        assert (response.status_code, response.headers["upload-offset"]) == (409, "600")
        assert errors_of(response)[0][0] == "OFFSET_MISMATCH"
        assert (await sender.row(path)).offset_bytes == 600

    async def test_a_whole_upload_takes_no_more(self, sender: Sender) -> None:
        path = await sender.created()
        await sender.patch(path, 0, DATA)

        response = await sender.patch(path, len(DATA), b"")

        assert (response.status_code, response.headers["upload-offset"]) == (409, "1024")

    async def test_more_than_was_declared_is_413(self, sender: Sender) -> None:
        path = await sender.created()

        response = await sender.patch(path, 0, DATA + b"x")

        assert (response.status_code, errors_of(response)[0][0]) == (413, "UPLOAD_TOO_LARGE")
        assert (await sender.row(path)).offset_bytes == 0

    async def test_more_than_was_declared_without_a_length_is_413(self, sender: Sender) -> None:
        path = await sender.created()

        async def pieces() -> AsyncIterator[bytes]:
            yield DATA
            yield b"x"

        response = await sender.patch(path, 0, pieces())

        assert response.status_code == 413
        assert (await sender.row(path)).status is not UploadStatus.COMPLETE

    async def test_a_connection_that_breaks_keeps_what_arrived(self, sender: Sender) -> None:
        path = await sender.created()
        incoming = iter(
            [
                {"type": "http.request", "body": DATA[:500], "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive() -> Any:
            return next(incoming, {"type": "http.disconnect"})

        async def send(_message: Any) -> None:
            return

        headers = {**PIECE, **sender.auth, "Upload-Offset": "0", "Content-Length": "1024", "Host": "testserver"}
        scope = {
            "type": "http",
            "method": "PATCH",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        await sender.web.app(scope, receive, send)

        assert (await sender.head(path)).headers["upload-offset"] == "500"
        assert (await sender.patch(path, 500, DATA[500:])).status_code == 204
        assert (await sender.row(path)).content_hash == blake3(DATA).hexdigest()

    @pytest.mark.parametrize("content_type", ["application/octet-stream", "", "application/json"])
    async def test_another_content_type_is_415(self, sender: Sender, content_type: str) -> None:
        path = await sender.created()

        assert (await sender.patch(path, 0, DATA, Content_Type=content_type)).status_code == 415

    @pytest.mark.parametrize("offset", ["", "-1", "x", "1e3"])
    async def test_a_bad_offset_is_400(self, sender: Sender, offset: str) -> None:
        path = await sender.created()

        assert (await sender.patch(path, offset, DATA)).status_code == 400

    async def test_a_wrong_hash_is_460(self, sender: Sender) -> None:
        path = await sender.created(sha256="0" * 64)

        response = await sender.patch(path, 0, DATA)

        assert (response.status_code, errors_of(response)[0][0]) == (460, "CHECKSUM_MISMATCH")

    async def test_post_may_stand_for_patch(self, sender: Sender) -> None:
        path = await sender.created()

        sent = {**PIECE, **sender.auth, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
        response = await sender.web.client.post(path, content=DATA, headers=sent)

        assert (response.status_code, response.headers["upload-offset"]) == (204, "1024")

    async def test_a_full_disk_is_507(self, settings: Settings, db: Database) -> None:
        async with running_web(settings, db) as web:
            sender = await make_sender(web, db)
            path = await sender.created()
            web.process.adapters.storage._min_free_bytes = 2**63  # type: ignore[attr-defined]

            response = await sender.patch(path, 0, DATA)

        assert (response.status_code, errors_of(response)[0][0]) == (507, "INSUFFICIENT_STORAGE")
        assert (await sender.row(path)).offset_bytes == 0


class TestTermination:
    async def test_a_terminated_upload_is_gone(self, sender: Sender) -> None:
        path = await sender.created()
        await sender.patch(path, 0, DATA[:100])

        response = await sender.web.client.delete(path, headers={**TUS, **sender.auth})

        assert response.status_code == 204
        assert (await sender.head(path)).status_code == 410
        late = await sender.patch(path, 100, DATA[100:])
        assert (late.status_code, errors_of(late)[0][0]) == (410, "UPLOAD_EXPIRED")
        assert (await sender.row(path)).status is UploadStatus.ABORTED

    async def test_an_expired_one_is_gone_too(self, sender: Sender) -> None:
        path = await sender.created()
        async with sender.db.write() as session:
            upload = await session.get(Upload, decode_id("Upload", path.rpartition("/")[2]))
            assert upload is not None
            upload.status = UploadStatus.EXPIRED

        assert (await sender.head(path)).status_code == 410

    async def test_a_whole_one_is_kept(self, sender: Sender) -> None:
        path = await sender.created()
        await sender.patch(path, 0, DATA)

        response = await sender.web.client.delete(path, headers={**TUS, **sender.auth})

        assert (response.status_code, errors_of(response)[0][0]) == (409, "UPLOAD_ALREADY_USED")


class TestMethods:
    @pytest.mark.parametrize(("method", "path"), [("GET", "/uploads"), ("PUT", "/uploads/x"), ("GET", "/uploads/x")])
    async def test_other_methods_are_405(self, sender: Sender, method: str, path: str) -> None:
        response = await sender.web.client.request(method, path, headers={**TUS, **sender.auth})

        assert response.status_code == 405
        assert "OPTIONS" in response.headers["allow"]

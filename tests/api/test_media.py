"""Media by signed URL: bytes, ranges, conditions, names, and refusals."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cuepoint.adapters.storage.choose import build_storage
from cuepoint.adapters.storage.signed_urls import UrlSigner
from cuepoint.api.media import content_disposition
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.graphql.context import Context
from cuepoint.graphql.media_urls import media_path, media_url
from tests.support.builders.projects import make_project
from tests.support.web import BASE, Web, errors_of, running_web

BYTES = bytes(range(256)) * 8192  # 2 MiB: more than one piece of 1 MiB
SIZE = len(BYTES)


@dataclass
class Film:
    """A stored video and its signed address."""

    web: Web
    db: Database
    video: Video
    signer: UrlSigner

    def url(self, seconds: int = 60) -> str:
        """A fresh URL, without its host."""
        return media_url(BASE, self.signer, "videos", self.video.id, self.video.filename, seconds).removeprefix(BASE)

    async def get(self, method: str = "GET", **headers: str) -> Any:
        """Fetch it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.web.client.request(method, self.url(), headers=named)


@pytest.fixture(params=["disk", "s3"])
async def web(request: pytest.FixtureRequest, settings: Settings, db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    """The application on a storage of each kind."""
    storage = None
    if request.param == "s3":
        storage = build_storage(request.getfixturevalue("s3").settings(tmp_path, uuid7().hex))
    async with running_web(settings, db, storage) as running:
        yield running
    if storage is not None:
        await storage.close()


@pytest.fixture
async def film(web: Web, db: Database, settings: Settings, tmp_path: Path) -> Film:
    """A video of 2 MiB."""
    project = await make_project(db)
    video = Video(
        id=uuid7(),
        project_id=project.id,
        title="Film",
        filename="naïve film.mp4",
        storage_key=f"videos/{project.id.hex}.mp4",
        size_bytes=SIZE,
        content_hash="0" * 64,
        content_type="video/mp4",
    )
    (tmp_path / "film").write_bytes(BYTES)
    await web.process.adapters.storage.put_file(video.storage_key, tmp_path / "film")
    async with db.write() as session:
        session.add(video)
    return Film(web, db, video, UrlSigner(settings.signing_key()))


class TestWholeFile:
    async def test_all_bytes_with_their_headers(self, film: Film) -> None:
        response = await film.get()

        assert (response.status_code, response.content == BYTES) == (200, True)
        headers = response.headers
        assert headers["content-type"] == "video/mp4"
        assert headers["content-length"] == str(SIZE)
        assert headers["accept-ranges"] == "bytes"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-disposition"] == (
            "inline; filename=\"nai_ve film.mp4\"; filename*=UTF-8''na%C3%AFve%20film.mp4"
        )
        assert headers["etag"].startswith('"')

    async def test_head_says_the_same_without_bytes(self, film: Film) -> None:
        response = await film.get("HEAD")

        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == str(SIZE)

    async def test_download_makes_it_an_attachment(self, film: Film) -> None:
        response = await film.web.client.head(film.url() + "&download")

        assert response.headers["content-disposition"].startswith("attachment; ")

    async def test_an_unchanged_file_is_not_sent_again(self, film: Film) -> None:
        etag = (await film.get("HEAD")).headers["etag"]

        response = await film.get(If_None_Match=f'"other", W/{etag}')

        assert (response.status_code, response.content) == (304, b"")

    async def test_a_type_that_browsers_would_run_is_an_attachment(self, film: Film) -> None:
        async with film.db.write() as session:
            row = await session.get(Video, film.video.id)
            assert row is not None
            row.content_type = "text/html"

        response = await film.get("HEAD")

        assert response.headers["content-disposition"].startswith("attachment; ")
        assert response.headers["x-content-type-options"] == "nosniff"


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=1048570-1048585", 1048570, 1048586),
            ("bytes=2097000-", 2097000, SIZE),
            ("bytes=-10", SIZE - 10, SIZE),
            ("bytes=-99999999", 0, SIZE),
            ("bytes=5-99999999", 5, SIZE),
            ("Bytes=7-8", 7, 9),
        ],
    )
    async def test_a_part_is_sent(self, film: Film, asked: str, start: int, end: int) -> None:
        response = await film.get(Range=asked)

        assert (response.status_code, response.content == BYTES[start:end]) == (206, True)
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert response.headers["content-length"] == str(end - start)

    @pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999-", "bytes=-0"])
    async def test_a_part_beyond_the_end_is_416(self, film: Film, asked: str) -> None:
        response = await film.get(Range=asked)

        assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{SIZE}")

    @pytest.mark.parametrize(
        "asked", ["bytes=0-1,5-6", "bytes=9-1", "bytes=x-", "bytes=-", "items=0-1", "", "bytes=" + "9" * 30 + "-"]
    )
    async def test_what_is_no_single_range_is_ignored(self, film: Film, asked: str) -> None:
        response = await film.get("HEAD", Range=asked)

        assert (response.status_code, response.headers["content-length"]) == (200, str(SIZE))

    async def test_if_range_decides_between_part_and_whole(self, film: Film) -> None:
        etag = (await film.get("HEAD")).headers["etag"]

        same = await film.get("HEAD", Range="bytes=0-9", If_Range=etag)
        other = await film.get("HEAD", Range="bytes=0-9", If_Range='"other"')

        assert (same.status_code, other.status_code) == (206, 200)


class TestSignature:
    async def test_a_wrong_or_missing_one_is_403(self, film: Film) -> None:
        path = media_path("videos", film.video.id, film.video.filename)
        good = film.url()
        other = media_url(BASE, film.signer, "videos", uuid7()).removeprefix(BASE)
        urls = [path, good[:-2], good.replace("expires=", "expires=9"), path + "?" + other.partition("?")[2]]

        answers = [await film.web.client.get(url) for url in urls]

        assert [a.status_code for a in answers] == [403] * 4
        assert "Fetch a new URL" in errors_of(answers[0])[0][1]

    async def test_an_expired_one_is_403(self, film: Film) -> None:
        response = await film.web.client.get(film.url(-1))

        assert (response.status_code, errors_of(response)[0][0]) == (403, "FORBIDDEN")

    async def test_it_opens_one_path_only(self, film: Film) -> None:
        url = film.url().replace("/videos/", "/clips/")

        assert (await film.web.client.get(url)).status_code == 403


class TestAddress:
    async def test_a_bound_url_opens_for_who_asked_and_nobody_else(
        self, film: Film, db: Database, settings: Settings
    ) -> None:
        bound = settings.model_copy(update={"signed_url_binds_address": True})
        async with running_web(bound, db, film.web.process.adapters.storage) as web:
            mine, anothers = [
                await web.client.get(
                    Context(web.process, address=address).media_url("videos", film.video.id, "film.mp4")
                )
                for address in ("127.0.0.1", "192.0.2.7")
            ]
            anybodys = await web.client.get(film.url())

        assert mine.status_code == 200  # the bytes themselves, also where a bucket could be pointed to
        assert [answer.status_code for answer in (anybodys, anothers)] == [403, 403]
        assert "given to another address" in errors_of(anothers)[0][1]


class TestAbsent:
    async def test_a_deleted_video_is_404(self, film: Film) -> None:
        url = film.url()
        async with film.db.write() as session:
            row = await session.get(Video, film.video.id)
            assert row is not None
            row.deleted_at = row.created_at

        response = await film.web.client.get(url)

        assert (response.status_code, errors_of(response)[0][0]) == (404, "NOT_FOUND")

    async def test_a_file_that_left_the_storage_is_404(self, film: Film) -> None:
        await film.web.process.adapters.storage.delete(film.video.storage_key)

        assert (await film.get()).status_code == 404

    @pytest.mark.parametrize("path", ["/media/videos/x", "/media/secrets/00000000000000000000000000000000"])
    async def test_what_cannot_exist_is_404(self, film: Film, path: str) -> None:
        query = film.signer.sign(path, expires_at=int(time.time()) + 60)

        assert (await film.web.client.get(f"{quote(path)}?{query}")).status_code == 404

    async def test_other_methods_are_405(self, film: Film) -> None:
        response = await film.get("DELETE")

        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


class TestRenditions:
    async def test_a_poster_is_shown(self, film: Film, tmp_path: Path) -> None:
        (tmp_path / "poster").write_bytes(b"jpeg")
        poster = Rendition(
            id=uuid7(),
            video_id=film.video.id,
            kind=RenditionKind.POSTER,
            storage_key="posters/1.jpg",
            content_type="image/jpeg",
            size_bytes=4,
        )
        await film.web.process.adapters.storage.put_file(poster.storage_key, tmp_path / "poster")
        async with film.db.write() as session:
            session.add(poster)

        response = await film.web.client.get(media_url("", film.signer, "renditions", poster.id))

        assert (response.status_code, response.content) == (200, b"jpeg")
        assert response.headers["content-disposition"] == 'inline; filename="poster.jpg"'


class TestContentDisposition:
    @pytest.mark.parametrize(
        ("name", "header"),
        [
            ("film.mp4", 'inline; filename="film.mp4"'),
            ('a"b\\c.mp4', "inline; filename=\"a_b_c.mp4\"; filename*=UTF-8''a%22b%5Cc.mp4"),
            ("x\r\nSet-Cookie: a=b", "inline; filename=\"xSet-Cookie_ a=b\"; filename*=UTF-8''xSet-Cookie%3A%20a%3Db"),
            ("../../etc/passwd", 'inline; filename=".._.._etc_passwd"'),
            ("映画.mp4", "inline; filename=\"__.mp4\"; filename*=UTF-8''%E6%98%A0%E7%94%BB.mp4"),
            ("", 'inline; filename="file"'),
        ],
    )
    def test_no_name_escapes_the_header(self, name: str, header: str) -> None:
        assert content_disposition("inline", name) == header

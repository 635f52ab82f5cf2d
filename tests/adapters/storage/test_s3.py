"""What is the bucket's own: copies on this machine, addresses for clients, settings, and outages."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from cuepoint.adapters.storage.base import DirectFile
from cuepoint.adapters.storage.bucket import DOWNLOAD_BYTES
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.adapters.storage.copies import CopyDirectory
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.s3 import S3Storage
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.config import load_settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.s3_server import S3Server
from tests.support.storage import put, stream

FILE = DirectFile("a/film", "video/mp4", 'attachment; filename="a film.mp4"')


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
async def storage(s3: S3Server, tmp_path: Path, prefix: str) -> AsyncIterator[S3Storage]:
    opened = S3Storage(S3Config.of(s3.settings(tmp_path, prefix)), tmp_path / "copies", min_free_bytes=0)
    yield opened
    await opened.close()


class TestLocalCopy:
    async def test_is_the_whole_object_and_gone_afterwards(self, storage: S3Storage, tmp_path: Path) -> None:
        data = os.urandom(DOWNLOAD_BYTES * 2 + 7)
        await put(storage, "film", data, tmp_path)

        async with storage.local_copy("film") as path:
            assert path.read_bytes() == data

        assert list((tmp_path / "copies").iterdir()) == []

    async def test_is_refused_where_the_disk_has_no_room(self, s3: S3Server, tmp_path: Path, prefix: str) -> None:
        config = S3Config.of(s3.settings(tmp_path, prefix))
        storage = S3Storage(config, tmp_path / "copies", min_free_bytes=1 << 60)
        await put(storage, "film", b"abc", tmp_path)
        (tmp_path / "copies").mkdir()
        for name in ("left", "left.lock"):  # by a process that died: it may be what fills the disk
            (tmp_path / "copies" / name).touch()

        with pytest.raises(CuepointError) as refused:
            async with storage.local_copy("film"):
                pass

        assert refused.value.code is ErrorCode.INSUFFICIENT_STORAGE
        assert list((tmp_path / "copies").iterdir()) == []


class TestCopyDirectory:
    def test_what_a_process_left_that_died_is_removed_and_nothing_else(self, tmp_path: Path) -> None:
        die = (
            "import os, sys, pathlib; from cuepoint.adapters.storage.copies import CopyDirectory\n"
            "with CopyDirectory(pathlib.Path(sys.argv[1])).new_file() as path:\n"
            "    path.write_bytes(b'x'); os._exit(0)"
        )
        directory = CopyDirectory(tmp_path)
        with directory.new_file() as mine:
            mine.write_bytes(b"y")
            subprocess.run([sys.executable, "-c", die, str(tmp_path)], check=True)
            left = len(list(tmp_path.iterdir()))

            directory.sweep()

            assert left == 4
            assert {path.stem for path in tmp_path.iterdir()} == {mine.stem}


class TestRead:
    async def test_a_version_that_was_replaced_is_not_mixed_with_the_next(
        self, storage: S3Storage, tmp_path: Path
    ) -> None:
        await put(storage, "film", bytes(10 << 20), tmp_path)
        pieces = storage.read("film", 0, 10 << 20)
        await anext(pieces)
        await put(storage, "film", b"\x01" * (10 << 20), tmp_path)

        with pytest.raises(AdapterError, match="was replaced while it was read"):
            assert {piece async for piece in pieces} == {bytes(1 << 20)}


class TestDirectUrl:
    async def test_opens_the_object_at_the_public_address_with_those_headers(
        self, s3: S3Server, tmp_path: Path, prefix: str
    ) -> None:
        public = s3.url.replace("127.0.0.1", "localhost")
        settings = s3.settings(tmp_path, prefix, {"CUEPOINT_S3_PUBLIC_ENDPOINT": public})
        storage = build_storage(settings)
        await put(storage, FILE.key, b"abc", tmp_path)

        url = storage.direct_url(FILE, seconds=60)

        assert url is not None
        assert url.startswith(f"{public}/{s3.bucket}/{prefix}/objects/a/film?")
        answer = httpx2.get(url, headers={"Range": "bytes=1-"}, trust_env=False)
        assert (answer.status_code, answer.content) == (206, b"bc")
        assert (answer.headers["content-type"], answer.headers["content-disposition"]) == (
            FILE.content_type,
            FILE.content_disposition,
        )
        await storage.close()

    async def test_there_is_none_without_a_public_address(self, storage: S3Storage) -> None:
        assert storage.direct_url(FILE, seconds=60) is None


class TestCheck:
    async def test_passes_and_leaves_nothing(self, storage: S3Storage, s3: S3Server, prefix: str) -> None:
        await storage.check()

        assert s3.names(prefix) == []

    async def test_an_absent_bucket_is_told(self, s3: S3Server, tmp_path: Path) -> None:
        settings = load_settings(s3.environment("x") | {"CUEPOINT_STORAGE_URL": "s3://there-is-none"})
        storage = S3Storage(S3Config.of(settings), tmp_path, min_free_bytes=0)

        with pytest.raises((AdapterError, CuepointError)) as refused:
            await storage.check()
        with pytest.raises(AdapterError) as refused_part:
            await storage.append("u1", 0, stream(b"x"), limit=9)

        assert refused.value.code is ErrorCode.STORAGE_UNAVAILABLE
        assert refused_part.value.code is ErrorCode.STORAGE_UNAVAILABLE


class TestBuildStorage:
    def test_a_directory_without_a_bucket(self, tmp_path: Path) -> None:
        assert isinstance(build_storage(load_settings({"CUEPOINT_HOME": str(tmp_path)})), LocalStorage)

    def test_a_bucket_without_credentials_is_misconfigured(self) -> None:
        with pytest.raises(CuepointError) as refused:
            build_storage(load_settings({"CUEPOINT_STORAGE_URL": "s3://bucket/prefix"}))

        assert refused.value.code is ErrorCode.MISCONFIGURED
        assert "CUEPOINT_S3_SECRET_ACCESS_KEY" in (refused.value.hint or "")

    def test_certificates_that_cannot_be_read_are_misconfigured(self, s3: S3Server, tmp_path: Path) -> None:
        settings = s3.settings(tmp_path, "x", {"CUEPOINT_S3_CA_FILE": str(tmp_path / "none.pem")})

        with pytest.raises(CuepointError, match="CUEPOINT_S3_CA_FILE"):
            build_storage(settings)


class TestS3Config:
    @pytest.mark.parametrize(
        ("more", "address"),
        [
            ({}, "https://s3.eu-west-1.amazonaws.com/bucket/a/b/k%2B1"),
            ({"CUEPOINT_S3_PATH_STYLE": "false"}, "https://bucket.s3.eu-west-1.amazonaws.com/a/b/k%2B1"),
            ({"CUEPOINT_S3_ENDPOINT": "http://minio:9000/"}, "http://minio:9000/bucket/a/b/k%2B1"),
        ],
    )
    def test_addresses(self, more: dict[str, str], address: str) -> None:
        base = {
            "CUEPOINT_STORAGE_URL": "s3://bucket/a/b/",
            "CUEPOINT_S3_REGION": "eu-west-1",
            "CUEPOINT_S3_ACCESS_KEY_ID": "key",
            "CUEPOINT_S3_SECRET_ACCESS_KEY": "a-secret-key",
        }

        config = S3Config.of(load_settings(base | more))

        assert config.url("k+1") == address
        assert "a-secret-key" not in repr(config)


class TestUnfinishedWrites:
    async def test_are_listed_page_by_page_and_can_be_dropped(
        self, storage: S3Storage, s3: S3Server, prefix: str
    ) -> None:
        with contextlib.closing(s3.client()) as client:
            for number in range(3):
                client.create_multipart_upload(Bucket=s3.bucket, Key=f"{prefix}/objects/a/b{number}")

        found = [write async for page in storage.list_unfinished() for write in page]
        await storage.drop_unfinished(found[0])
        await storage.drop_unfinished(found[0])

        assert sorted(write.key for write in found) == ["a/b0", "a/b1", "a/b2"]
        assert all(write.started_at <= datetime.now(UTC) for write in found)
        assert s3.open_multiparts(prefix) == 2

    async def test_go_with_the_object_that_they_would_have_become(
        self, storage: S3Storage, s3: S3Server, prefix: str, tmp_path: Path
    ) -> None:
        await put(storage, "a/b", b"whole", tmp_path)
        with contextlib.closing(s3.client()) as client:
            for name in ("a/b", "a/c", "a/bb", "aa/b"):
                client.create_multipart_upload(Bucket=s3.bucket, Key=f"{prefix}/objects/{name}")

        await storage.delete("a/b")
        await storage.delete("a/c")
        left = [write.key async for page in storage.list_unfinished() for write in page]
        removed = await storage.delete_prefix("a/")

        assert (sorted(left), removed) == (["a/bb", "aa/b"], 0)
        assert [write.key async for page in storage.list_unfinished() for write in page] == ["aa/b"]

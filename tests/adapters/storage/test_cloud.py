"""Google Cloud Storage and Azure by configuration: what is refused, and uploads that a crash interrupted.

`test_contract` runs the same code through Google's client, and on the bucket of whoever names one (`conftest.OWN`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from cuepoint.adapters.storage.choose import build_storage
from cuepoint.adapters.storage.cloud import CloudStorage
from cuepoint.adapters.storage.s3_objects import BucketObjects
from cuepoint.config import load_settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.storage import LIMIT, content, put, stream


def built(tmp_path: Path, url: str, **more: str) -> CloudStorage:
    given = {"CUEPOINT_HOME": str(tmp_path), "CUEPOINT_STORAGE_URL": url, "CUEPOINT_MIN_FREE_BYTES": "0"}
    storage = build_storage(load_settings(given | {f"CUEPOINT_{name.upper()}": value for name, value in more.items()}))
    assert isinstance(storage, CloudStorage)
    return storage


class TestConfiguration:
    def test_azure_is_made_of_account_and_container(self, tmp_path: Path) -> None:
        storage = built(tmp_path, "az://media/films", azure_account="acme", azure_account_key="a2V5")

        assert (
            repr(storage._objects._store()) == 'AzureStore(container_name="media", account_name="acme", prefix="films")'
        )

    def test_a_server_that_stands_in_for_azure_has_the_account_in_its_path(self, tmp_path: Path) -> None:
        storage = built(
            tmp_path,
            "az://media",
            azure_account="acme",
            azure_account_key="a2V5",
            azure_endpoint="http://127.0.0.1:10000/acme",
        )

        assert storage._objects._store().config["endpoint"] == "http://127.0.0.1:10000/acme"

    def test_azure_without_an_account_is_misconfigured(self, tmp_path: Path) -> None:
        with pytest.raises(CuepointError) as refused:
            built(tmp_path, "az://media")

        assert refused.value.code is ErrorCode.MISCONFIGURED
        assert "CUEPOINT_AZURE_ACCOUNT" in str(refused.value.hint)

    def test_google_takes_a_service_account(self, tmp_path: Path) -> None:
        account = tmp_path / "account.json"
        account.write_text(
            json.dumps({"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""})
        )

        storage = built(tmp_path, "gs://media/films", gcs_credentials_file=str(account))

        assert repr(storage._objects._store()) == 'GCSStore(bucket="media", prefix="films")'

    def test_google_with_a_file_that_is_not_there_is_misconfigured(self, tmp_path: Path) -> None:
        with pytest.raises(CuepointError) as refused:
            built(tmp_path, "gs://media", gcs_credentials_file=str(tmp_path / "absent.json"))

        assert refused.value.code is ErrorCode.MISCONFIGURED

    async def test_google_with_a_file_that_is_none_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "account.json").write_text("nonsense")
        storage = built(tmp_path, "gs://media", gcs_credentials_file=str(tmp_path / "account.json"))

        with pytest.raises(AdapterError) as failed:
            await storage.head("a/b")

        assert failed.value.code is ErrorCode.STORAGE_UNAVAILABLE


class TestOpenUploads:
    @pytest.fixture
    def storage(self, tmp_path: Path) -> CloudStorage:
        return CloudStorage(BucketObjects(MemoryStore), tmp_path, min_free_bytes=0)

    async def test_one_that_was_interrupted_on_its_way_is_finished_by_the_next_call(
        self, storage: CloudStorage, tmp_path: Path
    ) -> None:
        await storage.append("uploads/u1", 0, stream(b"data"), limit=LIMIT)
        await storage._staging.finish_upload("uploads/u1", "whole/uploads/u1")  # ... and the process died

        listed = [upload.upload_key async for page in storage.list_uploads() for upload in page]
        await storage.finish_upload("uploads/u1", "a/film")

        assert listed == ["uploads/u1"]
        assert await content(storage, "a/film") == b"data"
        assert [upload async for page in storage.list_uploads() for upload in page] == []

    async def test_one_that_was_interrupted_on_its_way_can_be_dropped(self, storage: CloudStorage) -> None:
        await storage.append("uploads/u1", 0, stream(b"data"), limit=LIMIT)
        await storage._staging.finish_upload("uploads/u1", "whole/uploads/u1")

        await storage.abort_upload("uploads/u1")

        assert [upload async for page in storage.list_uploads() for upload in page] == []

    async def test_copies_for_tools_are_gone_afterwards(self, storage: CloudStorage, tmp_path: Path) -> None:
        await put(storage, "a/film", b"data", tmp_path)

        async with storage.local_copy("a/film") as path:
            copied = path.read_bytes()

        assert (copied, path.exists()) == (b"data", False)

    async def test_the_check_writes_to_both_places(self, storage: CloudStorage) -> None:
        await storage.check()

        assert [file async for page in storage.list_files() for file in page] == []

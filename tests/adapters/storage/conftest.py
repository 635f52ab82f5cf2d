"""A storage of each kind, empty for each test."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.config import load_settings
from tests.support.s3_server import S3Server

OWN = "TEST_STORAGE_URL"  # a bucket of whoever runs the tests; what goes with it are the product's own settings
KINDS = ["disk", "s3", "gcs", *(["own"] if OWN in os.environ else [])]


@cache
def rsa_key() -> str:
    """What a service account signs with; the server looks at no signature."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  # slow, and few tests need it
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    key = rsa.generate_private_key(65_537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def gcs_environment(server: S3Server, folder: Path) -> dict[str, str]:
    """The settings of a bucket of Google's: the XML of their interface is that of S3, as far as the storage uses it."""
    account = {"private_key": rsa_key(), "private_key_id": "1", "client_email": "cuepoint@example.org"}
    (folder / "account.json").write_text(json.dumps(account | {"gcs_base_url": server.url}))
    return {
        "CUEPOINT_STORAGE_URL": f"gs://{server.bucket}/{uuid4().hex}",
        "CUEPOINT_GCS_CREDENTIALS_FILE": str(folder / "account.json"),
    }


def own_environment() -> dict[str, str]:
    """Those of the one who runs the tests, below a prefix of this test."""
    given = {name: value for name, value in os.environ.items() if name.startswith("CUEPOINT_")}
    return given | {"CUEPOINT_STORAGE_URL": f"{os.environ[OWN].rstrip('/')}/{uuid4().hex}"}


@pytest.fixture(params=KINDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty storage, whose bucket is empty again afterwards."""
    home = {"CUEPOINT_HOME": str(tmp_path), "CUEPOINT_MIN_FREE_BYTES": "0"}
    if request.param == "s3":
        home |= request.getfixturevalue("s3").environment(uuid4().hex)
    elif request.param == "gcs":
        home |= gcs_environment(request.getfixturevalue("s3"), tmp_path)
    elif request.param == "own":
        home = own_environment() | home
    opened = build_storage(load_settings(home))
    yield opened
    if request.param == "own":
        await _empty(opened)
    await opened.close()


async def _empty(storage: Storage) -> None:
    for upload_key in [upload.upload_key async for page in storage.list_uploads() for upload in page]:
        await storage.abort_upload(upload_key)
    for key in [file.key async for page in storage.list_files() for file in page]:
        await storage.delete(key)

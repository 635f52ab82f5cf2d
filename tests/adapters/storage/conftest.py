"""A storage of each kind, empty for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from obstore.store import MemoryStore

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.adapters.storage.cloud import CloudStorage
from cuepoint.adapters.storage.s3_objects import BucketObjects
from cuepoint.config import load_settings


@pytest.fixture(params=["disk", "s3", "cloud"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty storage: on the disk, in a bucket, and as it is for Google's and Microsoft's, over objects in memory."""
    if request.param == "cloud":
        yield CloudStorage(BucketObjects(MemoryStore), tmp_path, min_free_bytes=0)
        return
    home = {"CUEPOINT_HOME": str(tmp_path), "CUEPOINT_MIN_FREE_BYTES": "0"}
    if request.param == "s3":
        home |= request.getfixturevalue("s3").environment(uuid4().hex)
    opened = build_storage(load_settings(home))
    yield opened
    await opened.close()

"""A storage of each kind for the audit: on the disk, and in a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.config import load_settings


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture(params=["disk", "s3"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prefix: str) -> AsyncIterator[Storage]:
    """An empty storage."""
    home = {"CUEPOINT_HOME": str(tmp_path), "CUEPOINT_MIN_FREE_BYTES": "0"}
    if request.param == "s3":
        home |= request.getfixturevalue("s3").environment(prefix)
    opened = build_storage(load_settings(home))
    yield opened
    await opened.close()

"""Fixtures of job tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.session import Database
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_project, make_viewer
from tests.support.jobs import make_worker


@pytest.fixture
async def worker(sql: Any) -> UUID:
    """A LIVE worker."""
    return await make_worker(sql)


@pytest.fixture
async def live(redis_url: str) -> AsyncIterator[RedisLive]:
    """The run's Redis."""
    adapter = RedisLive(redis_url)
    yield adapter
    await adapter.close()


@pytest.fixture
async def project(db: Database) -> UUID:
    """A project."""
    return await make_project(db)


@pytest.fixture
async def viewer(db: Database, project: UUID) -> Viewer:
    """An editor of `project`."""
    return await make_viewer(db, project)

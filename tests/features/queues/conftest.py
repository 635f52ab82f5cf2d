"""Fixtures of queue tests: the administrator, a member, and a worker."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.builders.jobs import make_project, make_viewer
from tests.support.graphql import Api, api_of
from tests.support.jobs import make_worker


@pytest.fixture
async def worker(sql: Any) -> UUID:
    """A LIVE worker of the lane io."""
    return await make_worker(sql)


@pytest.fixture
async def project(db: Database) -> UUID:
    """A project."""
    return await make_project(db)


@pytest.fixture
async def admin(db: Database, settings: Settings) -> Api:
    """The administrator's way in."""
    return api_of(db, settings, await make_viewer(db, is_admin=True))


@pytest.fixture
async def member(db: Database, settings: Settings, project: UUID) -> Api:
    """An editor's of the project."""
    return api_of(db, settings, await make_viewer(db, project))

"""The web application for tests of the web layer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette

import cuepoint.tables  # noqa: F401  # all tables, whatever a test imports by itself
from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.serve import Serving, serving
from tests.support.web import Web, running_product, running_web


@pytest.fixture
async def web(settings: Settings, db: Database) -> AsyncIterator[Web]:
    """The application on the tiny schema and this test's database."""
    async with running_web(settings, db) as running:
        yield running


@pytest.fixture
async def served(web: Web, settings: Settings) -> AsyncIterator[Serving]:
    """The same behind a real server."""
    async with serving(web.app, settings) as server:
        yield server


@pytest.fixture
async def product(db: Database, settings: Settings) -> AsyncIterator[Starlette]:
    """The product's schema behind the whole endpoint."""
    async with running_product(settings, db) as app:
        yield app

"""Fixtures of worker tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.jobs import connect, move_clock, violations


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Any]:
    """A connection. Whatever a test did, the invariants hold at its end."""
    async with connect(database_url) as connection:
        yield connection
        await move_clock(connection, 0)
        assert await violations(connection) == []

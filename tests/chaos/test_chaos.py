"""A short chaos run; `make chaos SEED=n` is the long one."""

from __future__ import annotations

import pytest

from tests.chaos.run import chaos

pytestmark = pytest.mark.long


class TestChaos:
    async def test_nothing_is_lost_doubled_or_left(self) -> None:
        assert await chaos(seed=7, seconds=20.0, outage_seconds=4.0) == []

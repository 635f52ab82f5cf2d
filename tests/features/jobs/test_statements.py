"""What counts as an error of the database, and as its being away."""

from __future__ import annotations

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage


class TestIsOutage:
    def test_a_pool_without_a_free_connection_is_one(self) -> None:
        error = PoolTimeoutError("QueuePool limit of size 1 overflow 1 reached")

        assert isinstance(error, DATABASE_ERRORS)
        assert is_outage(error)

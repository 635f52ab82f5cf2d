"""Lists of values that migrations lengthen and shorten: several in turn keep what the others have added."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text

from cuepoint.db.choices import add_values, remove_values
from cuepoint.db.session import create_engine

INSERT = "insert into schedules (name, cron, kind, next_at) values ('{0}', '* * * * *', '{0}', now())"


async def migrate(url: str, change: Callable[[Connection], None]) -> None:
    engine = create_engine(url, pool_size=1, vectors=False)

    def run(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            change(connection)

    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


class TestAddValues:
    async def test_keeps_what_is_there_and_repeating_is_harmless(self, own_database_url: str) -> None:
        def change(connection: Connection) -> None:
            for values in (["NEW"], ["NEW", "NEWER"]):
                add_values("schedules", "kind", values)
            for kind in ("PROBE", "NEW", "NEWER"):
                connection.execute(text(INSERT.format(kind)))
            kept = connection.execute(text("select count(*) from schedules where kind in ('PROBE', 'NEW', 'NEWER')"))
            assert kept.scalar_one() == 3

        await migrate(own_database_url, change)

    async def test_refuses_others_still(self, own_database_url: str) -> None:
        def change(connection: Connection) -> None:
            add_values("schedules", "kind", ["NEW"])
            connection.execute(text(INSERT.format("OTHER")))

        with pytest.raises(Exception, match="ck_schedules_kind"):
            await migrate(own_database_url, change)


class TestRemoveValues:
    async def test_takes_the_rows_along_and_leaves_the_others(self, own_database_url: str) -> None:
        def change(connection: Connection) -> None:
            add_values("schedules", "kind", ["NEW"])
            for kind in ("PROBE", "NEW"):
                connection.execute(text(INSERT.format(kind)))
            remove_values("schedules", "kind", ["NEW"])
            left = connection.execute(text("select name from schedules where name in ('PROBE', 'NEW')"))
            assert list(left.scalars()) == ["PROBE"]
            connection.execute(text(INSERT.format("NEW")))

        with pytest.raises(Exception, match="ck_schedules_kind"):
            await migrate(own_database_url, change)

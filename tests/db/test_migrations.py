"""Migrations on real Postgres: up, down, up again, and no drift between them and the models."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from alembic import command

from tests.support.database import alembic_config, create_database, drop_database
from tests.support.stack import SharedStack


@pytest.fixture
async def empty_database(stack: SharedStack):
    name = await create_database(stack, "template1")
    yield stack.database_server_url(name)
    await drop_database(stack, name)


async def objects(url: str) -> list[str]:
    """Names of all tables and functions of ours."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "select relname::text as name from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " union all select proname::text from pg_proc where pronamespace = 'public'::regnamespace"
        " and not exists (select from pg_depend d where d.objid = pg_proc.oid and d.deptype = 'e') order by 1"
    )
    await connection.close()
    return [row["name"] for row in rows]


class TestMigrations:
    async def test_up_down_up_leaves_the_same_schema(self, empty_database: str) -> None:
        config = alembic_config(empty_database)

        await asyncio.to_thread(command.upgrade, config, "head")
        first = await objects(empty_database)
        await asyncio.to_thread(command.downgrade, config, "base")
        between = await objects(empty_database)
        await asyncio.to_thread(command.upgrade, config, "head")

        assert "jobs" in first
        assert "nearest" in first
        assert between == ["alembic_version"]
        assert await objects(empty_database) == first

    async def test_the_hashes_of_earlier_releases_are_sha256(self, own_database_url: str) -> None:
        """0018: what is there keeps its hash and is known by it; what is not known stays unknown on the way back."""
        config = alembic_config(own_database_url)
        await asyncio.to_thread(command.downgrade, config, "0017")
        connection = await asyncpg.connect(own_database_url)
        await connection.execute(
            """insert into projects (id, name, description) values (gen_random_uuid(), 'p', '');
            insert into videos (id, project_id, title, filename, storage_key, content_hash)
              select gen_random_uuid(), id, title, 'v', title, hash from projects,
              (values ('whole', 'a'), ('fetched', null)) v (title, hash);
            insert into uploads (id, project_id, filename, size_bytes, status, storage_key, expires_at, content_hash)
              select gen_random_uuid(), id, key, 1, status, key, now(), hash from projects,
              (values ('uploads/whole', 'COMPLETE', 'b'), ('uploads/open', 'WAITING', null)) u (key, status, hash);"""
        )

        await asyncio.to_thread(command.upgrade, config, "0018")
        since = await connection.fetch("select title, content_hash, sha256 from videos order by title")
        known = await connection.fetch("select filename, declared_sha256 from uploads order by filename")
        await connection.execute(
            """insert into videos (id, project_id, title, filename, storage_key, content_hash, sha256)
            select gen_random_uuid(), id, title, 'v', title, 'c', sha256 from projects,
            (values ('declared', 'd'), ('undeclared', null)) v (title, sha256)"""
        )
        await asyncio.to_thread(command.downgrade, config, "0017")
        before = await connection.fetch("select title, content_hash from videos order by title")
        await connection.close()

        assert [tuple(row) for row in since] == [("fetched", None, None), ("whole", "a", "a")]
        assert [tuple(row) for row in known] == [("uploads/open", None), ("uploads/whole", "b")]
        assert [tuple(row) for row in before] == [
            ("declared", "d"),
            ("fetched", None),
            ("undeclared", "c"),
            ("whole", "a"),
        ]

    async def test_models_and_migrations_agree(self, own_database_url: str) -> None:
        await asyncio.to_thread(command.check, alembic_config(own_database_url))  # raises when there is a difference

        assert "retrievable_text_embeddings" in await objects(own_database_url)

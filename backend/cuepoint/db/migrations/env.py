"""Alembic's environment: runs migrations over the product's own engine, under one advisory lock."""

from __future__ import annotations

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from cuepoint.config import load_settings
from cuepoint.db.base import HalfVector
from cuepoint.db.session import create_engine
from cuepoint.tables import metadata

# Any number will do, as long as it never changes: two deployments that migrate at once take turns.
ADVISORY_LOCK = 0x63756570


def include_name(name: str | None, type_: str, _parents: Any) -> bool:
    """Partitions of the vector table are made at run time, one per embedding space."""
    return not (type_ == "table" and name is not None and name.startswith("retrievable_text_embeddings_"))


def migrate(connection: Connection) -> None:
    """Run the pending versions, each in its own transaction."""
    connection.dialect.ischema_names["halfvec"] = HalfVector  # else a comparison warns of an unknown type
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.commit()
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("select pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


async def main() -> None:
    """Migrate the database that the settings, or the caller, name."""
    url = context.config.attributes.get("database_url")
    if url is None:
        secret = load_settings().database_url
        if secret is None:
            raise SystemExit("CUEPOINT_DATABASE_URL is not set; `cuepoint migrate` also finds the embedded database.")
        url = secret.get_secret_value()
    engine = create_engine(url, pool_size=1, application_name="cuepoint migrate", vectors=False)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


asyncio.run(main())

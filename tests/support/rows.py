"""What stands in a table, read behind the back of the services."""

from __future__ import annotations

from sqlalchemy import func, select

from cuepoint.db.session import Database


async def count(db: Database, model: type) -> int:
    """How many rows the table of that model has."""
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(model))).scalar_one()

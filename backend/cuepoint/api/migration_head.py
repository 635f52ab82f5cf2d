"""Whether the database has the schema that this version of the code needs."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from cuepoint.db.session import Database


class WrongSchemaError(Exception):
    """The database is at another migration than this version needs; the message names the command that mends it."""


async def present_revision(db: Database) -> str | None:
    """The migration that the database is at; None before the first."""
    try:
        async with db.read() as session:
            return (await session.execute(text("select version_num from alembic_version"))).scalar_one_or_none()
    except ProgrammingError:
        return None


async def require_head(db: Database, needed: str | None) -> None:
    """Raise WrongSchemaError unless the database is at `needed`."""
    present = await present_revision(db)
    if present != needed:
        raise WrongSchemaError(
            f"The database is at migration {present or 'none'}, this version needs {needed}. "
            "Run `cuepoint migrate` to bring it there."
        )

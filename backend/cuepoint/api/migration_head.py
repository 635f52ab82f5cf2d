"""Whether the database has the schema that this version of the code needs."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from cuepoint.db.revision import mismatch
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


async def require_head(db: Database, needed: str) -> None:
    """Raise WrongSchemaError unless the database is at `needed`."""
    if wrong := mismatch(await present_revision(db), needed):
        raise WrongSchemaError(wrong)

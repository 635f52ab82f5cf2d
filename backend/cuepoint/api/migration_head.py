"""Whether the database has the schema that this version of the code needs."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

import cuepoint.db
from cuepoint.db.session import Database

MIGRATIONS = Path(cuepoint.db.__file__).parent / "migrations"


class WrongSchemaError(Exception):
    """The database is at another migration than this version needs; the message names the command that mends it."""


def needed_revision() -> str | None:
    """The newest migration that comes with this version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()


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

"""Alembic with our own settings: running the migrations and drafting a new one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import Script

from cuepoint.db.revision import MIGRATIONS, newest_revision


def alembic_config(database_url: str | None = None) -> Config:
    """A configuration that needs no file: an installed package has none."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the pending migrations. Two that start at once take turns (advisory lock in env.py)."""
    command.upgrade(alembic_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Take migrations back to `revision`."""
    command.downgrade(alembic_config(database_url), revision)


def draft(database_url: str, message: str) -> Path:
    """Write the next numbered migration, filled with the difference between models and database; its path."""
    config = alembic_config(database_url)
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    number = int(newest_revision()) + 1
    script = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    assert isinstance(script, Script)
    return Path(script.path)

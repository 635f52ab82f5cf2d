"""Initial schema: the vector extension, all tables, and the SQL functions of search and jobs."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parent


def run_file(name: str) -> None:
    """Run a file of SQL as it is: many statements, colons and all."""
    script = (FOLDER / name).read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(script))


def upgrade() -> None:
    """Text search functions come first: a generated column calls them."""
    op.execute("create extension if not exists vector")
    for name in ("0001_search.sql", "0001_tables.sql", "0001_nearest.sql", "0001_jobs.sql"):
        run_file(name)


def downgrade() -> None:
    """Tables before the functions that their columns call; the extension stays, it may not be ours to drop."""
    for name in ("0001_jobs_down.sql", "0001_tables_down.sql", "0001_search_down.sql"):
        run_file(name)

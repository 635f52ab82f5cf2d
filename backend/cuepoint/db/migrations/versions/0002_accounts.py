"""Sessions, sign-in, key scopes, the audit log."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parent


def run_file(name: str) -> None:
    """Run a file of SQL as it is: many statements, colons and all."""
    script = (FOLDER / name).read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(script))


def upgrade() -> None:
    """New tables and columns; existing keys keep every right they had."""
    run_file("0002_accounts.sql")


def downgrade() -> None:
    """Sign-ins end, passwords and the audit log go, and keys lose their restrictions."""
    run_file("0002_accounts_down.sql")

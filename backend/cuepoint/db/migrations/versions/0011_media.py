"""Clips and reels that were deleted, and can be restored for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("clips", "reels")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Processes of the release before this one show deleted ones until they are replaced."""
    for table in TABLES:
        hidden = sa.Column("deleted_at", TIME, comment="Hidden from then on; null = it is there.")
        going = sa.Column(
            "purge_at", TIME, comment="When the row goes, and its file with it; until then it can be restored."
        )
        op.add_column(table, hidden)
        op.add_column(table, going)
        op.create_index(f"ix_{table}_purge_at", table, ["purge_at"], postgresql_where=sa.text("purge_at is not null"))


def downgrade() -> None:
    """What was deleted goes for good; the trigger of its table puts the file on the list of removals."""
    for table in TABLES:
        op.execute(f"delete from {table} where deleted_at is not null")  # noqa: S608 - names of our own tables
        op.drop_index(f"ix_{table}_purge_at", table)
        op.drop_column(table, "purge_at")
        op.drop_column(table, "deleted_at")

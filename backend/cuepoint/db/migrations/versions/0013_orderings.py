"""Orders of the list of videos: by title, length and size, each along an index of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TITLE = "What lists by title are sorted by; cut, so that it fits into a cursor."
DURATION = "What lists by length are sorted by: 0 while it is unknown."
SIZE = "What lists by size are sorted by: 0 while it is unknown."
COLUMNS = (
    ("sort_title", sa.String(), "lower(left(title, 50))", TITLE),
    ("sort_duration_ms", sa.Integer(), "coalesce(duration_ms, 0)", DURATION),
    ("sort_size_bytes", sa.BigInteger(), "coalesce(size_bytes, 0)", SIZE),
)


def upgrade() -> None:
    """The columns follow from others: processes of the version before go on inserting rows."""
    for name, kind, formula, comment in COLUMNS:
        column = sa.Column(name, kind, sa.Computed(formula, persisted=True), nullable=False, comment=comment)
        op.add_column("videos", column)
    for name, *_ in COLUMNS:
        op.create_index(f"ix_videos_{name}_id", "videos", [name, "id"])


def downgrade() -> None:
    """Nothing is lost."""
    for name, *_ in reversed(COLUMNS):
        op.drop_index(f"ix_videos_{name}_id", table_name="videos")
        op.drop_column("videos", name)

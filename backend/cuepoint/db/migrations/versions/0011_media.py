"""Clips and reels that were deleted, and can be restored for a while; what outlives a file or a clip that is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("clips", "reels")
TIME = sa.DateTime(timezone=True)
BOARD_FILE = "fk_storyboards_rendition_id_renditions"


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
    shows = sa.Column(
        "is_clip",
        sa.Boolean(),
        server_default="false",
        nullable=False,
        comment="A clip is shown: where it is gone, nothing stands for it.",
    )
    op.add_column("reel_items", shows)
    op.execute("update reel_items set is_clip = true where clip_id is not null")
    _tie_storyboards(
        "SET NULL",
        nullable=True,
        comment="The file of JPEGs, one behind the other; null once it was given up: what they showed stays known.",
    )


def _tie_storyboards(ondelete: str, *, nullable: bool, comment: str) -> None:
    op.drop_constraint(op.f(BOARD_FILE), "storyboards", type_="foreignkey")
    op.alter_column("storyboards", "rendition_id", nullable=nullable, comment=comment)
    op.create_foreign_key(op.f(BOARD_FILE), "storyboards", "renditions", ["rendition_id"], ["id"], ondelete=ondelete)


def downgrade() -> None:
    """What was deleted goes for good; the trigger of its table puts the file on the list of removals."""
    op.execute("delete from storyboards where rendition_id is null")
    _tie_storyboards("CASCADE", nullable=False, comment="The file of JPEGs, one behind the other.")
    op.drop_column("reel_items", "is_clip")
    for table in TABLES:
        op.execute(f"delete from {table} where deleted_at is not null")  # noqa: S608 - names of our own tables
        op.drop_index(f"ix_{table}_purge_at", table)
        op.drop_column(table, "purge_at")
        op.drop_column(table, "deleted_at")

"""Rules of retention for reels and for thumbnails."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BEFORE = ("VIDEOS", "CLIPS", "AUDIO", "PROCESSED")
AFTER = ("VIDEOS", "CLIPS", "REELS", "AUDIO", "THUMBNAILS", "PROCESSED")


def upgrade() -> None:
    """Two more targets; nobody sets a rule of them before this release runs."""
    _allow(AFTER, "What goes: VIDEOS, CLIPS, REELS, AUDIO, THUMBNAILS or PROCESSED.")


def downgrade() -> None:
    """Rules of the two targets go: nothing reads them any more."""
    op.execute("delete from retention_rules where target in ('REELS', 'THUMBNAILS')")
    _allow(BEFORE, "What goes: VIDEOS, CLIPS, AUDIO or PROCESSED.")


def _allow(targets: tuple[str, ...], comment: str) -> None:
    op.drop_constraint(op.f("ck_retention_rules_target"), "retention_rules", type_="check")
    allowed = ", ".join(f"'{target}'" for target in targets)
    op.create_check_constraint(op.f("ck_retention_rules_target"), "retention_rules", f"target in ({allowed})")
    op.alter_column("retention_rules", "target", comment=comment)

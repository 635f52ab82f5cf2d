"""Originals are known by their BLAKE3; their SHA-256 stands beside it, where it is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEX = "ix_videos_project_id_sha256"
# Table, column, the comment before and since.
COMMENTS = (
    (
        "videos",
        "content_hash",
        "SHA-256 of the original: finds the same file again. Null until it is here.",
        "BLAKE3 of the original, of earlier releases its SHA-256: finds the same file again. Null until it is here.",
    ),
    ("uploads", "content_hash", "SHA-256 of the bytes, once whole.", "BLAKE3 of the bytes, once whole."),
    (
        "uploads",
        "declared_sha256",
        "Hash that the client promised, checked at the end.",
        "SHA-256 that the client promised, checked at the end; without a promise, what a worker has found.",
    ),
)


def upgrade() -> None:
    """What is known so far is the SHA-256. Processes of the release before this one go on and write it as the hash of
    the content, without the new column: whoever looks a hash up looks in both."""
    sha256 = sa.Column(
        "sha256",
        sa.String(),
        nullable=True,
        comment="SHA-256 of the original, where its sender declared it or a worker has read the bytes; null = unknown.",
    )
    op.add_column("videos", sha256)
    op.execute("update videos set sha256 = content_hash where content_hash is not null")
    op.create_index(INDEX, "videos", ["project_id", "sha256"], postgresql_where=sa.text("sha256 is not null"))
    op.execute(
        "update uploads set declared_sha256 = content_hash"
        " where status = 'COMPLETE' and declared_sha256 is null and starts_with(storage_key, 'uploads/')"
    )
    for table, column, before, since in COMMENTS:
        op.alter_column(table, column, comment=since, existing_comment=before)


def downgrade() -> None:
    """Where the SHA-256 is known, it is the hash of the content again. Other videos keep their BLAKE3 there: no file is
    found to be the same as theirs, and an audit that reads hashes reports them."""
    for table, column, before, since in COMMENTS:
        op.alter_column(table, column, comment=before, existing_comment=since)
    op.execute("update videos set content_hash = sha256 where sha256 is not null")
    op.drop_index(INDEX, "videos")
    op.drop_column("videos", "sha256")

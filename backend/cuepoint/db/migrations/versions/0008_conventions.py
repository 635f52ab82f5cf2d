"""Idempotency keys and what the API's conventions need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table for the answers of mutations that carry an idempotency key."""
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose key it is."),
        sa.Column("key", sa.String(), nullable=False, comment="As the client chose it, 1 to 200 characters."),
        sa.Column("operation", sa.String(), nullable=False, comment="The mutation that it was used for."),
        sa.Column(
            "request_hash",
            sa.String(),
            nullable=False,
            comment="HMAC-SHA-256 of mutation and input, so that another input is noticed and a password not kept.",
        ),
        sa.Column(
            "payload",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="The answer: ids of objects, values as they were, no secrets.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
            comment="By the database's clock.",
        ),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="From then on the key is as good as new.",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
        comment="Answers of mutations that carried an idempotency key; kept for a day.",
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    """Keys are forgotten: a request that is repeated after this is carried out again."""
    op.drop_table("idempotency_keys")

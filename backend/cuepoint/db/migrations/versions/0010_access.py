"""Sign-ins from known places, quotas on tokens and cost with what was used, and presets of the whole instance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PRESET_NAMES = "uq_presets_project_id_name"


def upgrade() -> None:
    """Nothing that the version before writes is refused by this one: columns are added, one becomes nullable."""
    op.add_column(
        "sign_in_attempts",
        sa.Column(
            "succeeded_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Of an account at one place: its last sign-in from there; null = none so far.",
        ),
    )
    op.alter_column(
        "sign_in_attempts",
        "subject",
        existing_type=sa.String(),
        existing_nullable=False,
        existing_comment="SHA-256 of `email:<lower case>` or `address:<ip>`; no personal data.",
        comment="SHA-256 of what is counted: an account, a place, an account at a place; no personal data.",
    )
    _create_usage()
    op.drop_constraint(op.f(PRESET_NAMES), "presets", type_="unique")
    op.alter_column(
        "presets",
        "project_id",
        existing_type=sa.Uuid(),
        nullable=True,
        existing_comment="Whose it is.",
        comment="Whose it is; null = the instance's, for every project.",
    )
    op.create_unique_constraint(
        op.f(PRESET_NAMES), "presets", ["project_id", "name"], postgresql_nulls_not_distinct=True
    )


def _create_usage() -> None:
    op.add_column(
        "quotas",
        sa.Column("tokens_per_month", sa.BigInteger(), nullable=True, comment="Tokens in a month, UTC; null = any."),
    )
    op.add_column(
        "quotas",
        sa.Column(
            "cost_micros_per_month",
            sa.BigInteger(),
            nullable=True,
            comment="Millionths of the currency of CUEPOINT_MODEL_PRICES in a month, UTC; null = any.",
        ),
    )
    op.create_table(
        "model_usage",
        sa.Column(
            "id",
            sa.Uuid(),
            nullable=False,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="The job that asked; null = a search."),
        sa.Column("project_id", sa.Uuid(), nullable=True, comment="For whose video; null = a search in several."),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="Who asked for it."),
        sa.Column("model", sa.String(), nullable=False, comment="The model, as prices name it."),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False, comment="Tokens that were sent."),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False, comment="Tokens that came back."),
        sa.Column(
            "cost_micros",
            sa.BigInteger(),
            nullable=True,
            comment="By the prices of then, in millionths; null = the price was not known.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
            comment="By the database's clock.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_usage")),
        comment="What calls of paid models took; a failed attempt's too. Without foreign keys: a month outlives "
        "its jobs.",
    )
    op.create_index("ix_model_usage_created_at", "model_usage", ["created_at"])
    op.create_index("ix_model_usage_project_id_created_at", "model_usage", ["project_id", "created_at"])
    op.create_index("ix_model_usage_user_id_created_at", "model_usage", ["user_id", "created_at"])


def downgrade() -> None:
    """Presets of the instance, limits of tokens and cost, and what was used are lost; places are unknown again."""
    op.execute("delete from presets where project_id is null")
    op.drop_constraint(op.f(PRESET_NAMES), "presets", type_="unique")
    op.alter_column(
        "presets",
        "project_id",
        existing_type=sa.Uuid(),
        nullable=False,
        existing_comment="Whose it is; null = the instance's, for every project.",
        comment="Whose it is.",
    )
    op.create_unique_constraint(op.f(PRESET_NAMES), "presets", ["project_id", "name"])
    op.drop_table("model_usage")
    op.drop_column("quotas", "cost_micros_per_month")
    op.drop_column("quotas", "tokens_per_month")
    op.alter_column(
        "sign_in_attempts",
        "subject",
        existing_type=sa.String(),
        existing_nullable=False,
        existing_comment="SHA-256 of what is counted: an account, a place, an account at a place; no personal data.",
        comment="SHA-256 of `email:<lower case>` or `address:<ip>`; no personal data.",
    )
    op.drop_column("sign_in_attempts", "succeeded_at")

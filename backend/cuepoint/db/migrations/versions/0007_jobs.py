"""Logs of jobs, measured speed, fresh steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two tables beside `jobs`, and the mark by which a step knows that its result is fresh."""
    op.create_table(
        "job_logs",
        sa.Column("job_id", sa.Uuid(), nullable=False, comment="The job."),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False, comment="The attempt that said it."),
        sa.Column("text", sa.String(), nullable=False, comment="Its newest lines, without secrets; 64 KiB at most."),
        sa.Column("is_cut", sa.Boolean(), nullable=False, comment="Whether there were more lines before these."),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the newest line was stored.",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_logs_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "attempt", name=op.f("pk_job_logs")),
        comment="What children and providers said during an attempt: the tail of it.",
    )
    op.create_table(
        "job_speeds",
        sa.Column("kind", sa.String(length=32), nullable=False, comment="Kind of the jobs that were measured."),
        sa.Column("run_seconds", sa.Float(), nullable=False, comment="Median time from start to success."),
        sa.Column(
            "seconds_per_media_second",
            sa.Float(),
            nullable=True,
            comment="Median of that time by the playing time of the video; null where no video had one.",
        ),
        sa.Column("samples", sa.Integer(), nullable=False, comment="How many jobs the medians are of."),
        sa.Column(
            "measured_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When they were computed.",
        ),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_job_speeds")),
        comment="How fast this instance is, by kind; written every hour by MAINTENANCE.",
    )
    op.add_column(
        "jobs",
        sa.Column(
            "fingerprint",
            sa.String(),
            nullable=True,
            comment="Hash of what its result was made of; an equal one later needs no second run.",
        ),
    )
    op.add_column(
        "jobs",
        sa.Column(
            "is_forced",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="True: runs even where its result is fresh.",
        ),
    )


def downgrade() -> None:
    """They are gone; nothing else depends on them."""
    op.drop_column("jobs", "is_forced")
    op.drop_column("jobs", "fingerprint")
    op.drop_table("job_speeds")
    op.drop_table("job_logs")

"""Tables of quotas: the limits, and what was used up of them: media, and tokens of paid models."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed


class Quota(Keyed, Base):
    """The limits of one scope: a project, a user, or the instance where neither is named."""

    __tablename__ = "quotas"
    __table_args__ = (
        CheckConstraint(
            "project_id is null or user_id is null",
            name="one_scope",
            info={"reason": "A limit holds for one project or for one user."},
        ),
        UniqueConstraint(
            "project_id",
            "user_id",
            postgresql_nulls_not_distinct=True,
            info={"reason": "One row for a scope, the instance's included; also the end of a foreign key."},
        ),
        Index("ix_quotas_user_id", "user_id", info={"reason": "The limits of a user; the end of a foreign key."}),
        {"comment": "Limits; who takes from one locks its row. What is taken is counted, never kept."},
    )

    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), comment="Holds for this project."
    )
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), comment="Holds for what this user starts and uploads."
    )
    storage_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Bytes in storage; null = any number.")
    media_ms_per_month: Mapped[int | None] = mapped_column(
        BigInteger, comment="Playing time transcribed in a month, UTC; null = any."
    )
    concurrent_jobs: Mapped[int | None] = mapped_column(comment="Jobs that wait or run at a time; null = any number.")
    tokens_per_month: Mapped[int | None] = mapped_column(BigInteger, comment="Tokens in a month, UTC; null = any.")
    cost_micros_per_month: Mapped[int | None] = mapped_column(
        BigInteger, comment="Millionths of the currency of CUEPOINT_MODEL_PRICES in a month, UTC; null = any."
    )


class MediaUsage(Base):
    """Media that a job transcribed: what a month's limit counts."""

    __tablename__ = "media_usage"
    __table_args__ = (
        Index("ix_media_usage_at", "at", info={"reason": "What the instance used this month."}),
        Index("ix_media_usage_project_id_at", "project_id", "at", info={"reason": "What a project used this month."}),
        Index("ix_media_usage_user_id_at", "user_id", "at", info={"reason": "What a user used this month."}),
        {"comment": "Written with each transcription. Without foreign keys: a month's use outlives its jobs."},
    )

    job_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The job; a second run counts once.")
    project_id: Mapped[UUID | None] = mapped_column(comment="Whose video it was.")
    user_id: Mapped[UUID | None] = mapped_column(comment="Who asked for it.")
    media_ms: Mapped[int] = mapped_column(BigInteger, comment="Length of the media.")
    at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="When it succeeded.")


class ModelUsage(Keyed, Base):
    """Tokens that one call of a paid model took."""

    __tablename__ = "model_usage"
    __table_args__ = (
        Index("ix_model_usage_created_at", "created_at", info={"reason": "What the instance used this month."}),
        Index(
            "ix_model_usage_project_id_created_at",
            "project_id",
            "created_at",
            info={"reason": "What a project used this month."},
        ),
        Index(
            "ix_model_usage_user_id_created_at",
            "user_id",
            "created_at",
            info={"reason": "What a user used this month."},
        ),
        {
            "comment": "What calls of paid models took; a failed attempt's too. Without foreign keys: a month outlives "
            "its jobs."
        },
    )

    job_id: Mapped[UUID | None] = mapped_column(comment="The job that asked; null = a search.")
    project_id: Mapped[UUID | None] = mapped_column(comment="For whose video; null = a search in several.")
    user_id: Mapped[UUID | None] = mapped_column(comment="Who asked for it.")
    model: Mapped[str] = mapped_column(comment="The model, as prices name it.")
    tokens_in: Mapped[int] = mapped_column(BigInteger, comment="Tokens that were sent.")
    tokens_out: Mapped[int] = mapped_column(BigInteger, comment="Tokens that came back.")
    cost_micros: Mapped[int | None] = mapped_column(
        BigInteger, comment="By the prices of then, in millionths; null = the price was not known."
    )

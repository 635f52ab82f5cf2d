"""Tables of looking after storage: what projects keep for how long, and what audits found."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice


class RetentionTarget(Enum):
    """What a rule of retention takes away."""

    VIDEOS = "VIDEOS"
    CLIPS = "CLIPS"
    REELS = "REELS"
    AUDIO = "AUDIO"
    THUMBNAILS = "THUMBNAILS"
    PROCESSED = "PROCESSED"


class FindingKind(Enum):
    """What is wrong."""

    FILE_WITHOUT_ROW = "FILE_WITHOUT_ROW"
    ROW_WITHOUT_FILE = "ROW_WITHOUT_FILE"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    HASH_MISMATCH = "HASH_MISMATCH"
    ABANDONED_UPLOAD = "ABANDONED_UPLOAD"
    COUNTER_DRIFT = "COUNTER_DRIFT"


class RetentionRule(Base):
    """How long a project keeps what."""

    __tablename__ = "retention_rules"
    __table_args__ = (
        CheckConstraint(
            "max_age_days between 1 and 36500",
            name="age_range",
            info={"reason": "Zero would take what was just made; a hundred years is for ever."},
        ),
        {"comment": "How long a project keeps what; applied once a day. Without a row it is kept for ever."},
    )

    project_id: Mapped[UUID] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, comment="Whose files."
    )
    target: Mapped[RetentionTarget] = mapped_column(
        choice(RetentionTarget, "target"),
        primary_key=True,
        comment="What goes: VIDEOS, CLIPS, REELS, AUDIO, THUMBNAILS or PROCESSED.",
    )
    max_age_days: Mapped[int] = mapped_column(comment="Older than this, it goes.")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="When set.")


class StorageFinding(Keyed, Base):
    """One thing that an audit or a recount found."""

    __tablename__ = "storage_findings"
    __table_args__ = (
        Index("ix_storage_findings_job_id_id", "job_id", "id", info={"reason": "Pages of one run's findings."}),
        {"comment": "What audits and recounts found; a second run of the same job replaces its findings."},
    )

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), comment="The audit or recount that found it."
    )
    kind: Mapped[FindingKind] = mapped_column(choice(FindingKind, "kind"), comment="What is wrong.")
    key: Mapped[str | None] = mapped_column(Text, comment="The file; null for a counter.")
    project_id: Mapped[UUID | None] = mapped_column(comment="Whose it is, as far as known.")
    size_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Bytes of the file, or of the drift.")
    detail: Mapped[str] = mapped_column(comment="For people: what was found, what was expected.")
    is_repaired: Mapped[bool] = mapped_column(comment="Whether the run has put it right.")

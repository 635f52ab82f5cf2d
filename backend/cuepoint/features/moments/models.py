"""Table of moments: editorial spans worth watching."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed


class Moment(Keyed, Base):
    """A span of a video that is worth watching, and why."""

    __tablename__ = "moments"
    __table_args__ = (
        CheckConstraint(
            "start_ms < end_ms", name="time_order", info={"reason": "Half-open ranges [start, end) are never empty."}
        ),
        CheckConstraint("score >= 0 and score <= 1", name="score_range", info={"reason": "Scores are shares."}),
        Index(
            "ix_moments_video_id_priority",
            "video_id",
            "priority",
            "id",
            info={"reason": "A video's moments, best first."},
        ),
        Index(
            "ix_moments_project_id",
            "project_id",
            info={"reason": "The end of a foreign key: a project goes without a scan."},
        ),
        {"comment": "Editorial spans; a second run replaces the generated ones of the video."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="The video.")
    job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), comment="Job that found it."
    )
    start_ms: Mapped[int] = mapped_column(comment="Start: of a word that begins a sentence.")
    end_ms: Mapped[int] = mapped_column(comment="End, exclusive: of a word that ends a sentence.")
    title: Mapped[str] = mapped_column(comment="A few of its own words.")
    reason: Mapped[str] = mapped_column(comment="Which signals speak for it, for people.")
    score: Mapped[float] = mapped_column(comment="0 to 1, comparable within one video.")
    signals: Mapped[dict[str, float]] = mapped_column(JSONB, comment="Each signal's share, 0 to 1.")
    priority: Mapped[int] = mapped_column(comment="1 = best, dense within the video.")
    method: Mapped[str] = mapped_column(comment="Scoring and its version, or the model that chose it.")

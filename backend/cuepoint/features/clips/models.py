"""Table of clips: files cut from videos."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.adapters.media.base import ClipMode
from cuepoint.db.base import Base, Keyed, choice


class Clip(Keyed, Base):
    """A cut file with in and out; its file columns are filled when the job has probed the result."""

    __tablename__ = "clips"
    __table_args__ = (
        Index(
            "ix_clips_moment_id",
            "moment_id",
            postgresql_where=text("moment_id is not null"),
            info={"reason": "A moment that goes must find its clips."},
        ),
        CheckConstraint(
            "requested_start_ms < requested_end_ms",
            name="time_order",
            info={"reason": "Half-open ranges [start, end) are never empty."},
        ),
        Index(
            "ix_clips_video_id_created_at_id",
            "video_id",
            "created_at",
            "id",
            info={"reason": "Pages of one video's clips, by keyset."},
        ),
        Index(
            "ix_clips_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's clips, by keyset."},
        ),
        {"comment": "Cut files; offered only after the result was probed."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="Cut from this.")
    moment_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("moments.id", ondelete="SET NULL"), comment="The moment it shows, if one was named."
    )
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"), comment="Job that cuts it.")
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who asked for it."
    )
    title: Mapped[str] = mapped_column(comment="Shown name.")
    requested_start_ms: Mapped[int] = mapped_column(comment="In point asked for.")
    requested_end_ms: Mapped[int] = mapped_column(comment="Out point asked for, exclusive.")
    mode: Mapped[ClipMode] = mapped_column(
        choice(ClipMode, "mode"),
        default=ClipMode.SMART,
        comment="How it is cut: as asked for; once rendered, as it was done.",
    )
    actual_start_ms: Mapped[int | None] = mapped_column(comment="In point of the frames that the file holds.")
    actual_end_ms: Mapped[int | None] = mapped_column(comment="Out point of the frames that the file holds.")
    storage_key: Mapped[str | None] = mapped_column(comment="Where the file lies; null until rendered.")
    content_type: Mapped[str | None] = mapped_column(comment="MIME type.")
    size_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Size.")
    duration_ms: Mapped[int | None] = mapped_column(comment="Length of the file.")
    width: Mapped[int | None] = mapped_column(comment="Pixels; null for sound alone.")
    height: Mapped[int | None] = mapped_column(comment="Pixels; null for sound alone.")
    rendered_at: Mapped[datetime | None] = mapped_column(comment="When the probed file was offered.")

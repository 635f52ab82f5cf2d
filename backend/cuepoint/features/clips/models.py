"""Table of clips: files cut from videos."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.adapters.media.base import ClipMode
from cuepoint.db.base import Base, Keyed, choice


class Deletable:
    """Columns of works that people delete and may take back."""

    deleted_at: Mapped[datetime | None] = mapped_column(comment="Hidden from then on; null = it is there.")
    purge_at: Mapped[datetime | None] = mapped_column(
        comment="When the row goes, and its file with it; until then it can be restored."
    )


def _purge_index(table: str) -> Index:
    return Index(
        f"ix_{table}_purge_at",
        "purge_at",
        postgresql_where=text("purge_at is not null"),
        info={"reason": "Deleted ones whose time to be restored is over."},
    )


class Clip(Deletable, Keyed, Base):
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
        _purge_index("clips"),
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
    form: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default="{}", comment="Format, frame, fades, loudness, captions: what differs from a plain cut."
    )
    requested_mode: Mapped[ClipMode | None] = mapped_column(
        choice(ClipMode, "requested_mode"), comment="How it was to be cut; null in rows of older releases."
    )
    mode_reason: Mapped[str | None] = mapped_column(comment="Why it was rendered although it was to be cut otherwise.")
    snapped_start_ms: Mapped[int | None] = mapped_column(
        comment="In point after it was moved to a word or a sentence; null = as asked for."
    )
    snapped_end_ms: Mapped[int | None] = mapped_column(comment="Out point after it was moved, exclusive.")
    kept_ranges: Mapped[list[Any] | None] = mapped_column(
        JSONB, comment="What is left without the silences, as [start_ms, end_ms]; null = the whole range."
    )
    loudness_lufs: Mapped[float | None] = mapped_column(
        REAL, comment="Integrated loudness of the file; null where none was asked for."
    )
    is_protected: Mapped[bool] = mapped_column(
        server_default="false", comment="Kept whatever the project's rules of retention say."
    )


class CaptionFormat(Enum):
    """Formats of caption files. Values are the names clients see."""

    SRT = "SRT"
    VTT = "VTT"


class ClipFile(Keyed, Base):
    """A caption file beside a clip."""

    __tablename__ = "clip_files"
    __table_args__ = (
        UniqueConstraint("clip_id", "format", info={"reason": "One file of each format; a second run replaces it."}),
        Index(
            "ix_clip_files_project_id",
            "project_id",
            info={"reason": "The end of a foreign key: a project goes without a scan."},
        ),
        Index(
            "ix_clip_files_video_id",
            "video_id",
            info={"reason": "The end of a foreign key: a video goes without a scan."},
        ),
        {"comment": "Captions as files of their own, with the times of the clip."},
    )

    clip_id: Mapped[UUID] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), comment="The clip.")
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="Cut from this.")
    format: Mapped[CaptionFormat] = mapped_column(choice(CaptionFormat, "format"), comment="SRT or VTT.")
    storage_key: Mapped[str] = mapped_column(comment="Where the file lies.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Size.")


class Reel(Deletable, Keyed, Base):
    """One file of several pieces, of one video or of many."""

    __tablename__ = "reels"
    __table_args__ = (
        Index(
            "ix_reels_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's reels, by keyset."},
        ),
        _purge_index("reels"),
        {"comment": "Compilations; offered only after the result was probed. They outlive the videos they show."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), comment="Job that joins it."
    )
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who asked for it."
    )
    title: Mapped[str] = mapped_column(comment="Shown name.")
    form: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}", comment="As of a clip, for the whole.")
    cross_fade_ms: Mapped[int] = mapped_column(server_default="0", comment="How long two pieces overlap; 0 = a cut.")
    storage_key: Mapped[str | None] = mapped_column(comment="Where the file lies; null until rendered.")
    content_type: Mapped[str | None] = mapped_column(comment="MIME type.")
    size_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Size.")
    duration_ms: Mapped[int | None] = mapped_column(comment="Length of the file.")
    width: Mapped[int | None] = mapped_column(comment="Pixels.")
    height: Mapped[int | None] = mapped_column(comment="Pixels.")
    loudness_lufs: Mapped[float | None] = mapped_column(
        REAL, comment="Integrated loudness of the file; null where none was asked for."
    )
    rendered_at: Mapped[datetime | None] = mapped_column(comment="When the probed file was offered.")


class ReelItem(Base):
    """A piece of a reel: a range of a video, or a whole clip in its form."""

    __tablename__ = "reel_items"
    __table_args__ = (
        CheckConstraint(
            "start_ms < end_ms", name="time_order", info={"reason": "Half-open ranges [start, end) are never empty."}
        ),
        Index(
            "ix_reel_items_video_id",
            "video_id",
            info={"reason": "The end of a foreign key: a video goes without a scan."},
        ),
        Index(
            "ix_reel_items_clip_id",
            "clip_id",
            postgresql_where=text("clip_id is not null"),
            info={"reason": "The end of a foreign key: a clip goes without a scan."},
        ),
        {"comment": "Pieces in order; the video or clip of a piece may be gone, its times stay."},
    )

    reel_id: Mapped[UUID] = mapped_column(
        ForeignKey("reels.id", ondelete="CASCADE"), primary_key=True, comment="The reel."
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="0, 1, 2 ... as shown.")
    video_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("videos.id", ondelete="SET NULL"), comment="Shows this; null once it is gone."
    )
    clip_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("clips.id", ondelete="SET NULL"), comment="The clip whose file is shown; null = the video itself."
    )
    is_clip: Mapped[bool] = mapped_column(
        server_default="false", comment="A clip is shown: where it is gone, nothing stands for it."
    )
    start_ms: Mapped[int] = mapped_column(comment="In point, in the video.")
    end_ms: Mapped[int] = mapped_column(comment="Out point, exclusive, in the video.")

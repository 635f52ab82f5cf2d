"""Tables of videos and of the files derived from them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice


class RenditionKind(Enum):
    """What a derived file is for."""

    ASR_AUDIO = "ASR_AUDIO"
    POSTER = "POSTER"


class Video(Keyed, Base):
    """An asset: one original file and what its container says."""

    __tablename__ = "videos"
    __table_args__ = (
        CheckConstraint(
            "duration_ms is null or duration_ms >= 0",
            name="duration_positive",
            info={"reason": "A length is not negative; unknown is null, not 0."},
        ),
        Index(
            "ix_videos_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's videos, by keyset."},
        ),
        Index(
            "ix_videos_created_at_id",
            "created_at",
            "id",
            info={"reason": "Pages of all videos that somebody may see, newest first, by keyset."},
        ),
        Index(
            "ix_videos_project_id_content_hash",
            "project_id",
            "content_hash",
            info={"reason": "Finds a file that the project has already. Not unique: it may come twice on purpose."},
        ),
        Index(
            "ix_videos_deleted_at",
            "deleted_at",
            postgresql_where=text("deleted_at is not null"),
            info={"reason": "Search leaves out the few videos whose deletion is not done yet."},
        ),
        {"comment": "Assets. Media facts are null until probed, and stay null where the file does not say."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who registered it."
    )
    upload_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("uploads.id", ondelete="SET NULL"), unique=True, comment="An upload becomes a video only once."
    )
    title: Mapped[str] = mapped_column(comment="Shown name; the file name unless the client says otherwise.")
    filename: Mapped[str] = mapped_column(comment="Name of the original as given; never used as a path.")
    storage_key: Mapped[str] = mapped_column(comment="Where the original lies in storage.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Size of the original.")
    content_hash: Mapped[str] = mapped_column(comment="SHA-256 of the original: finds the same file again.")
    content_type: Mapped[str | None] = mapped_column(comment="By content, never by name.")
    duration_ms: Mapped[int | None] = mapped_column(comment="Length of the media.")
    container: Mapped[str | None] = mapped_column(comment="Container format as the demuxer names it.")
    width: Mapped[int | None] = mapped_column(comment="Pixels as displayed, after rotation.")
    height: Mapped[int | None] = mapped_column(comment="Pixels as displayed, after rotation.")
    media: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="The whole probe: tracks, rates, warnings.")
    probed_at: Mapped[datetime | None] = mapped_column(comment="When the probe succeeded.")
    deleted_at: Mapped[datetime | None] = mapped_column(comment="Hidden at once; a job removes files, then the row.")


class Rendition(Keyed, Base):
    """A file made from a video, one of each kind."""

    __tablename__ = "renditions"
    __table_args__ = (
        UniqueConstraint(
            "video_id", "kind", info={"reason": "One file of each kind; a second run replaces it by `on conflict`."}
        ),
        {"comment": "Derived files; a second run replaces the row."},
    )

    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="Made from this.")
    kind: Mapped[RenditionKind] = mapped_column(choice(RenditionKind, "kind"), comment="ASR_AUDIO or POSTER.")
    storage_key: Mapped[str] = mapped_column(comment="Where it lies in storage.")
    content_type: Mapped[str] = mapped_column(comment="MIME type.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Size.")
    start_ms: Mapped[int | None] = mapped_column(
        comment="Audio: where its first sample lies. Poster: the frame's time."
    )
    duration_ms: Mapped[int | None] = mapped_column(comment="Length, for audio.")
    width: Mapped[int | None] = mapped_column(comment="Pixels, for pictures.")
    height: Mapped[int | None] = mapped_column(comment="Pixels, for pictures.")

"""Tables of imports: where a video comes from, and places that are looked through on a schedule."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice
from cuepoint.features.uploads.duplicates import OnDuplicate


class ImportKind(Enum):
    """How the bytes are got."""

    HTTP = "HTTP"
    S3 = "S3"
    FOLDER = "FOLDER"
    SITE = "SITE"


class SourceKind(Enum):
    """What kind of place an import source is."""

    FOLDER = "FOLDER"
    S3 = "S3"


class SourceFileStatus(Enum):
    """What a pass made of a file."""

    WAITING = "WAITING"
    TAKEN = "TAKEN"
    REFUSED = "REFUSED"


class Import(Keyed, Base):
    """One file that is fetched, and what its source told of it."""

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint(
            "start_ms is null or end_ms is null or start_ms < end_ms",
            name="range_forwards",
            info={"reason": "A section has a length."},
        ),
        Index(
            "ix_imports_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's imports, by keyset."},
        ),
        Index(
            "ix_imports_duplicate_of_id",
            "duplicate_of_id",
            postgresql_where=text("duplicate_of_id is not null"),
            info={"reason": "The end of a foreign key: videos go; partial, as few imports are duplicates."},
        ),
        Index("ix_imports_batch_id", "batch_id", info={"reason": "The entries of a playlist."}),
        {"comment": "Files that were fetched from elsewhere, or are to be."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Where it goes.")
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who asked for it, or made the source that found it."
    )
    video_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"),
        unique=True,
        comment="The video that it becomes; null where it was refused at once, or LINK found another.",
    )
    job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), comment="The job that fetches it."
    )
    duplicate_of_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("videos.id", ondelete="SET NULL"), comment="The video that LINK found in its place."
    )
    batch_id: Mapped[UUID | None] = mapped_column(comment="Imports that one playlist or pass asked for.")
    kind: Mapped[ImportKind] = mapped_column(choice(ImportKind, "kind"), comment="HTTP, S3, FOLDER or SITE.")
    address: Mapped[str] = mapped_column(
        comment="What is fetched, with whatever secret its query holds; without it once it has been."
    )
    shown_url: Mapped[str] = mapped_column(comment="The same without secrets.")
    start_ms: Mapped[int | None] = mapped_column(comment="Where the wanted section begins; null = at the beginning.")
    end_ms: Mapped[int | None] = mapped_column(comment="Where it ends; null = at the end.")
    on_duplicate: Mapped[OnDuplicate] = mapped_column(
        choice(OnDuplicate, "on_duplicate"), comment="What to do when the project has these bytes."
    )
    validator: Mapped[str | None] = mapped_column(
        comment="Which version of the file the stored bytes are of: ETag or date of the last change."
    )
    fetched_at: Mapped[datetime | None] = mapped_column(comment="When its bytes were whole.")
    error_code: Mapped[str | None] = mapped_column(comment="Why it was refused before there was a job.")
    error_message: Mapped[str | None] = mapped_column(comment="The same for people.")
    title: Mapped[str | None] = mapped_column(comment="What the source calls it.")
    uploader: Mapped[str | None] = mapped_column(comment="Who published it there.")
    language: Mapped[str | None] = mapped_column(comment="What is spoken, as a tag by the source; null if unknown.")
    extractor: Mapped[str | None] = mapped_column(comment="The site's extractor; null without one.")
    extractor_version: Mapped[str | None] = mapped_column(comment="Version of the extractor's library.")
    chapters: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, server_default="[]", comment="Chapters by the source: title, start_ms, end_ms."
    )


class ImportCaption(Base):
    """Existing subtitles that came along."""

    __tablename__ = "import_captions"
    __table_args__ = (
        {"comment": "Subtitles of sites as they were found; the first transcript may be made of one of them."},
    )

    import_id: Mapped[UUID] = mapped_column(
        ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True, comment="What they came with."
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="0, 1, 2 in a fixed order.")
    language: Mapped[str] = mapped_column(comment="Language tag by the site.")
    extension: Mapped[str] = mapped_column(comment="Format as a file suffix: vtt, srt, ttml.")
    text: Mapped[str] = mapped_column(comment="The file, 1 MiB at most.")


class ImportSource(Keyed, Base):
    """A folder or a prefix of a bucket whose new files become videos."""

    __tablename__ = "import_sources"
    __table_args__ = (
        Index(
            "ix_import_sources_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's sources, by keyset."},
        ),
        {"comment": "Places that are looked through on a schedule; their slots are rows of schedules."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Where files go.")
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), comment="In whose name files are taken."
    )
    kind: Mapped[SourceKind] = mapped_column(choice(SourceKind, "kind"), comment="FOLDER or S3.")
    address: Mapped[str] = mapped_column(comment="file:///folder or s3://bucket/prefix.")
    pattern: Mapped[str] = mapped_column(comment="Which names are taken: * within a folder, ** across.")
    cron: Mapped[str] = mapped_column(comment="When it is looked through, five fields, UTC.")
    is_enabled: Mapped[bool] = mapped_column(server_default="true", comment="False: only when somebody asks.")
    on_duplicate: Mapped[OnDuplicate] = mapped_column(
        choice(OnDuplicate, "on_duplicate"), comment="What to do with bytes that the project has."
    )
    preset_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("presets.id", ondelete="SET NULL"), comment="Options of the pipelines that it starts."
    )
    passed_at: Mapped[datetime | None] = mapped_column(comment="When it was last looked through.")


class ImportSourceFile(Base):
    """A file that a pass has seen."""

    __tablename__ = "import_source_files"
    __table_args__ = (
        Index("ix_import_source_files_video_id", "video_id", info={"reason": "The end of a foreign key: videos go."}),
        {"comment": "What the passes of a source have seen: a file is taken once it stays as it is."},
    )

    source_id: Mapped[UUID] = mapped_column(
        ForeignKey("import_sources.id", ondelete="CASCADE"), primary_key=True, comment="The source."
    )
    name: Mapped[str] = mapped_column(primary_key=True, comment="Its path below the source.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Its size at the last pass.")
    mark: Mapped[str] = mapped_column(comment="Changes with the content: size and time, or ETag.")
    status: Mapped[SourceFileStatus] = mapped_column(
        choice(SourceFileStatus, "status"), comment="WAITING, TAKEN or REFUSED."
    )
    seen_at: Mapped[datetime] = mapped_column(comment="The pass that saw it in this state first.")
    video_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("videos.id", ondelete="SET NULL"), comment="The video it became."
    )
    error_code: Mapped[str | None] = mapped_column(comment="Why it was refused.")
    error_message: Mapped[str | None] = mapped_column(comment="The same for people.")

"""Tables of stored files: which row each belongs to, what is to be removed, and how much there is of what."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice


class FileArea(Enum):
    """Directories of a project in storage, by what a file is for."""

    UPLOADS = "UPLOADS"
    PROCESSED = "PROCESSED"
    THUMBNAILS = "THUMBNAILS"
    EXPORTS = "EXPORTS"
    AUDIO = "AUDIO"
    MUSIC = "MUSIC"
    TEMP = "TEMP"


class RemovalTarget(Enum):
    """What a removal takes out of storage."""

    OBJECT = "OBJECT"
    PREFIX = "PREFIX"
    UPLOAD = "UPLOAD"


class StoredFile(Base):
    """A file that a row of another table names; written by triggers of those tables, never by hand."""

    __tablename__ = "stored_files"
    __table_args__ = (
        Index(
            "ix_stored_files_key",
            "key",
            info={"reason": "Whether a file still has an owner; the audit reads the files in the order of storage."},
        ),
        Index(
            "ix_stored_files_project_id_size_bytes_key",
            "project_id",
            "size_bytes",
            "key",
            info={"reason": "The largest files of a project."},
        ),
        Index(
            "ix_stored_files_size_bytes_key", "size_bytes", "key", info={"reason": "The largest files of the instance."}
        ),
        Index(
            "ix_stored_files_video_id",
            "video_id",
            postgresql_where=text("video_id is not null"),
            info={"reason": "What a deleted video still holds."},
        ),
        {"comment": "One row for each file that a row names; kept by triggers, so that no writer can forget it."},
    )

    owner_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The row that names the file.")
    slot: Mapped[str] = mapped_column(primary_key=True, comment="Table and column that name it.")
    key: Mapped[str] = mapped_column(Text(collation="C"), comment="Where it lies in storage; by bytes, as stores list.")
    project_id: Mapped[UUID] = mapped_column(comment="Whose it is; no foreign key, as it is gone after its project.")
    video_id: Mapped[UUID | None] = mapped_column(comment="The video that it is, or was made of.")
    area: Mapped[FileArea] = mapped_column(choice(FileArea, "area"), comment="What it is for, by its key.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Its size, as its row has it.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="When its row was made.")


class FileRemoval(Keyed, Base):
    """The outbox of deletion: written in the transaction that takes a file's last owner, gone once the file is."""

    __tablename__ = "file_removals"
    __table_args__ = (
        Index("uq_file_removals_key", "key", unique=True, info={"reason": "A file is removed once."}),
        Index("ix_file_removals_due_at", "due_at", info={"reason": "What is to be removed next."}),
        Index("ix_file_removals_project_id", "project_id", info={"reason": "What a project gets back soon."}),
        CheckConstraint(
            "(job_id is null) = (attempt is null)",
            name="whole_attempt",
            info={"reason": "An attempt is named by both; half of it would hold a file back for ever."},
        ),
        {"comment": "Files without an owner, or that wait for one: removed by FILE_REMOVAL, then forgotten."},
    )

    key: Mapped[str] = mapped_column(Text(collation="C"), comment="What is removed; a prefix ends in a slash.")
    target: Mapped[RemovalTarget] = mapped_column(choice(RemovalTarget, "target"), comment="OBJECT, PREFIX or UPLOAD.")
    project_id: Mapped[UUID | None] = mapped_column(comment="Whose it was.")
    video_id: Mapped[UUID | None] = mapped_column(comment="The video that it was, or was made of.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0", comment="What it frees; 0 if not known.")
    job_id: Mapped[UUID | None] = mapped_column(
        comment="The job that is about to give the file a row: it stays until that attempt is over."
    )
    attempt: Mapped[int | None] = mapped_column(comment="That attempt.")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="Not before; later after a failure.")
    claimed_until: Mapped[datetime | None] = mapped_column(comment="Somebody removes it now, or died doing so.")
    tries: Mapped[int] = mapped_column(server_default="0", comment="How often it was tried.")
    error: Mapped[str | None] = mapped_column(comment="Why the newest try failed.")


class StorageTally(Base):
    """A change of what a project has in one area and month. The sum of all is the truth; they are merged now and then.

    Rows are added, never changed: writers of one project do not wait for each other, and cannot lock each other out.
    """

    __tablename__ = "storage_tallies"
    __table_args__ = (
        Index(
            "ix_storage_tallies_project_id_area_month",
            "project_id",
            "area",
            "month",
            postgresql_include=["files", "bytes"],
            info={"reason": "The sums of one project, read from the index alone."},
        ),
        {"comment": "Counters of files: their sums by project, area and month are the statistics of storage."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="In the order of writing.")
    project_id: Mapped[UUID] = mapped_column(comment="Whose files; no foreign key, as they go after their project.")
    area: Mapped[FileArea] = mapped_column(choice(FileArea, "area"), comment="What they are for.")
    month: Mapped[date] = mapped_column(comment="First day of the month, UTC, in which their rows were made.")
    files: Mapped[int] = mapped_column(BigInteger, comment="Files more, or fewer.")
    bytes: Mapped[int] = mapped_column(BigInteger, comment="Bytes more, or fewer.")

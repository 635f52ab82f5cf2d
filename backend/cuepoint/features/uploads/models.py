"""Table of uploads: bytes on their way in."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice


class UploadStatus(Enum):
    """States of an upload; the last three are final."""

    WAITING = "WAITING"
    RECEIVING = "RECEIVING"
    COMPLETE = "COMPLETE"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"


class UploadProtocol(Enum):
    """How the bytes of an upload come."""

    TUS = "TUS"
    S3_MULTIPART = "S3_MULTIPART"
    FETCH = "FETCH"


class Upload(Keyed, Base):
    """A file that arrives in pieces; becomes a video at most once."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint(
            "offset_bytes between 0 and size_bytes",
            name="offset_in_size",
            info={"reason": "Never more bytes than declared."},
        ),
        Index(
            "ix_uploads_project_id",
            "project_id",
            info={"reason": "Finds the open upload of a declared hash; the end of a foreign key."},
        ),
        Index(
            "ix_uploads_expires_at",
            "expires_at",
            postgresql_where=text("status in ('WAITING', 'RECEIVING')"),
            info={"reason": "The sweep of unfinished uploads; partial, so that finished ones cost nothing."},
        ),
        {"comment": "Files on their way in; the offset is written after the bytes are synced."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Where it goes.")
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who sends it."
    )
    filename: Mapped[str] = mapped_column(comment="Name given by the client; shown, never used as a path.")
    size_bytes: Mapped[int | None] = mapped_column(
        BigInteger, comment="Declared size; null until a client that deferred it tells it."
    )
    offset_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0", comment="Bytes that are safely stored.")
    declared_sha256: Mapped[str | None] = mapped_column(
        comment="SHA-256 that the client promised, checked at the end; without a promise, what a worker has found."
    )
    content_hash: Mapped[str | None] = mapped_column(comment="BLAKE3 of the bytes, once whole.")
    status: Mapped[UploadStatus] = mapped_column(choice(UploadStatus, "status"), comment="State.")
    storage_key: Mapped[str] = mapped_column(comment="Where its bytes lie in storage.")
    expires_at: Mapped[datetime] = mapped_column(comment="Swept after this unless COMPLETE and used.")
    protocol: Mapped[UploadProtocol] = mapped_column(
        choice(UploadProtocol, "protocol"),
        server_default="TUS",
        comment="How its bytes come: TUS, S3_MULTIPART or FETCH.",
    )
    part_bytes: Mapped[int | None] = mapped_column(
        BigInteger,
        comment="Size of the parts that the client sends to the store itself; null for other protocols.",
    )

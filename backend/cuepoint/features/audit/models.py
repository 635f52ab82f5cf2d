"""The table of the audit log. Nothing in it points to other tables: it outlives what it tells of."""

from __future__ import annotations

from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed


class AuditAction(Enum):
    """What was done. The list only grows; the column takes any text, so that versions can run side by side."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"
    ARCHIVED = "ARCHIVED"
    RESTORED = "RESTORED"
    DEACTIVATED = "DEACTIVATED"
    REACTIVATED = "REACTIVATED"
    REVOKED = "REVOKED"
    ROTATED = "ROTATED"
    MEMBER_ADDED = "MEMBER_ADDED"
    MEMBER_CHANGED = "MEMBER_CHANGED"
    MEMBER_REMOVED = "MEMBER_REMOVED"
    SIGNED_IN = "SIGNED_IN"
    SIGN_IN_LOCKED = "SIGN_IN_LOCKED"
    SIGNED_OUT = "SIGNED_OUT"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105  # an action's name
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105
    SHARED = "SHARED"
    OPENED = "OPENED"
    QUOTA_SET = "QUOTA_SET"
    WIPED = "WIPED"
    CANCELLED = "CANCELLED"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    DRAINED = "DRAINED"
    STARTED = "STARTED"
    OTHER = "OTHER"


class AuditEvent(Keyed, Base):
    """One change, and who made it."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(
            "ix_audit_events_created_at_id", "created_at", "id", info={"reason": "Pages of the whole log, by keyset."}
        ),
        Index(
            "ix_audit_events_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's log: what its owners read."},
        ),
        Index(
            "ix_audit_events_actor_id_created_at_id",
            "actor_id",
            "created_at",
            "id",
            info={"reason": "Pages of what one user did."},
        ),
        Index(
            "ix_audit_events_node_id_created_at_id",
            "node_id",
            "created_at",
            "id",
            info={"reason": "Pages of what happened to one object."},
        ),
        {"comment": "Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE."},
    )

    actor_id: Mapped[UUID | None] = mapped_column(comment="Who did it; null = nobody signed in, or the command line.")
    api_key_id: Mapped[UUID | None] = mapped_column(comment="With which API key; null = with a session, or none.")
    action: Mapped[str] = mapped_column(comment="What was done: a name of AuditAction.")
    node_type: Mapped[str] = mapped_column(comment="GraphQL type of what it was done to.")
    node_id: Mapped[UUID] = mapped_column(comment="Its key.")
    project_id: Mapped[UUID | None] = mapped_column(comment="The project that it belongs to; null = the instance.")
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="Fields that changed, as they were.")
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="The same fields as they are now.")
    request_id: Mapped[str | None] = mapped_column(comment="The request, as its answer and the log name it.")

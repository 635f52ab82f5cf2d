"""Tables of projects: who belongs to them, and the links by which they are shared."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice


class ProjectRole(Enum):
    """What a member may do; each role includes the ones after it."""

    OWNER = "OWNER"
    EDITOR = "EDITOR"
    VIEWER = "VIEWER"


class Project(Keyed, Base):
    """The unit of access: videos and everything made of them belong to exactly one project."""

    __tablename__ = "projects"
    __table_args__ = (
        Index(
            "ix_projects_created_at_id",
            "created_at",
            "id",
            info={"reason": "Pages of the list of projects, by keyset."},
        ),
        Index(
            "ix_projects_sort_name_id",
            "sort_name",
            "id",
            info={"reason": "Pages of the list of projects by name, by keyset."},
        ),
        Index(
            "ix_projects_updated_at_id",
            "updated_at",
            "id",
            info={"reason": "Pages of the list of projects, the last changed first, by keyset."},
        ),
        {"comment": "The unit of access and of fair scheduling."},
    )

    name: Mapped[str] = mapped_column(comment="What people call it; need not be unique.")
    description: Mapped[str] = mapped_column(server_default="", comment="Free text.")
    sort_name: Mapped[str] = mapped_column(
        Computed("lower(left(name, 50))", persisted=True),
        comment="What lists by name are sorted by; cut, so that it fits into a cursor.",
    )
    settings: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default="{}", comment="Defaults of its jobs, by name of the option; what is left out is unset."
    )
    version: Mapped[int] = mapped_column(
        server_default="1", comment="Grows with each change that people make: who changes it names the one they saw."
    )
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), sort_order=91, comment="When the version last grew."
    )
    archived_at: Mapped[datetime | None] = mapped_column(comment="From then on it can be read only; null = in use.")
    deleted_at: Mapped[datetime | None] = mapped_column(
        comment="Hidden at once, its members gone; a job removes files and rows, then this one."
    )


class ProjectMember(Base):
    """One user's role in one project."""

    __tablename__ = "project_members"
    __table_args__ = (
        Index(
            "ix_project_members_user_id_project_id",
            "user_id",
            "project_id",
            info={"reason": "The access gate asks by user; the primary key begins with the project."},
        ),
        {"comment": "Who may see and change a project; the access gate reads nothing else."},
    )

    project_id: Mapped[UUID] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, comment="The project."
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, comment="The member."
    )
    role: Mapped[ProjectRole] = mapped_column(choice(ProjectRole, "role"), comment="OWNER, EDITOR or VIEWER.")


class ShareLink(Keyed, Base):
    """A secret that lets whoever has it look at one video or one project. Only its hash is kept."""

    __tablename__ = "share_links"
    __table_args__ = (
        Index(
            "ix_share_links_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's links, by keyset; also the end of a foreign key."},
        ),
        Index(
            "ix_share_links_video_id",
            "video_id",
            postgresql_where=text("video_id is not null"),
            info={"reason": "A video that goes must find its links."},
        ),
        {"comment": "Links for people without an account; the secret itself is never stored."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="What it opens.")
    video_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), comment="The only video it opens; null = the whole project."
    )
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who made it."
    )
    token_hash: Mapped[str] = mapped_column(
        unique=True, comment="SHA-256 of the 256-bit random token; needs no salt, and finds the row in one look-up."
    )
    prefix: Mapped[str] = mapped_column(comment="First characters of the token, shown so that links can be told apart.")
    password_hash: Mapped[str | None] = mapped_column(comment="Argon2id with its salt and cost; null = no password.")
    may_download: Mapped[bool] = mapped_column(
        server_default="false", comment="Whether clients should offer to save files."
    )
    expires_at: Mapped[datetime | None] = mapped_column(comment="Refused from then on; null = never.")
    revoked_at: Mapped[datetime | None] = mapped_column(comment="When it was revoked; null = valid.")
    uses: Mapped[int] = mapped_column(server_default="0", comment="How often it was opened.")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="When it was last opened.")
    failures: Mapped[int] = mapped_column(server_default="0", comment="Wrong passwords since the last right one.")
    locked_until: Mapped[datetime | None] = mapped_column(comment="No password is tried before; null = at once.")

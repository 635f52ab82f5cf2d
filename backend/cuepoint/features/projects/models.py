"""Tables of projects and who belongs to them."""

from __future__ import annotations

from enum import Enum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
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
        {"comment": "The unit of access and of fair scheduling."},
    )

    name: Mapped[str] = mapped_column(comment="What people call it; need not be unique.")
    description: Mapped[str] = mapped_column(server_default="", comment="Free text.")


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

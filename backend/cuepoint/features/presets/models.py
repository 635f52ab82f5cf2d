"""Table of presets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed


class Preset(Keyed, Base):
    """Options of jobs under a name, to be asked for in one word."""

    __tablename__ = "presets"
    __table_args__ = (
        UniqueConstraint(
            "project_id",
            "name",
            postgresql_nulls_not_distinct=True,
            info={"reason": "A name means one preset of a project, or of the instance; also pages by name."},
        ),
        {"comment": "Named options of jobs; what a call says itself goes before them."},
    )

    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), comment="Whose it is; null = the instance's, for every project."
    )
    name: Mapped[str] = mapped_column(comment="What people choose it by.")
    options: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default="{}", comment="As settings of a project: by name of the option."
    )
    version: Mapped[int] = mapped_column(server_default="1", comment="Grows with each change.")

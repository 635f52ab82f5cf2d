"""Tables of accounts: users and their API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed


class User(Keyed, Base):
    """A person or a service account."""

    __tablename__ = "users"
    __table_args__ = (
        Index(
            "uq_users_email_lower",
            text("lower(email)"),
            unique=True,
            info={"reason": "One account for an address, whatever its case; sign-in looks it up here."},
        ),
        Index("ix_users_created_at_id", "created_at", "id", info={"reason": "Pages of the list of users, by keyset."}),
        {"comment": "People and service accounts."},
    )

    email: Mapped[str] = mapped_column(comment="Unique whatever its case; the name people sign in with.")
    name: Mapped[str] = mapped_column(comment="What others see.")
    is_admin: Mapped[bool] = mapped_column(server_default="false", comment="Instance administrator: sees everything.")
    is_active: Mapped[bool] = mapped_column(server_default="true", comment="False refuses every credential at once.")


class ApiKey(Keyed, Base):
    """A named secret of one user. Only its hash is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index(
            "ix_api_keys_user_id_created_at_id",
            "user_id",
            "created_at",
            "id",
            info={"reason": "Pages of one user's keys, by keyset; also the end of a foreign key."},
        ),
        {"comment": "Credentials of the API; the secret itself is never stored."},
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), comment="Whose rights it has.")
    name: Mapped[str] = mapped_column(comment="What the key is for, in its owner's words.")
    prefix: Mapped[str] = mapped_column(
        comment="First characters of the secret, shown so that a key can be told apart."
    )
    secret_hash: Mapped[str] = mapped_column(
        unique=True, comment="SHA-256 of the 256-bit random secret; needs no salt, and finds the row in one look-up."
    )
    expires_at: Mapped[datetime | None] = mapped_column(comment="Refused from then on; null = never.")
    revoked_at: Mapped[datetime | None] = mapped_column(comment="When it was revoked; null = valid.")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="Written at most once a minute.")

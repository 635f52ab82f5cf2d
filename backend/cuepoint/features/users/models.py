"""Tables of accounts: users, their API keys, and their sessions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice
from cuepoint.viewer import Scope


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
    password_hash: Mapped[str | None] = mapped_column(
        comment="Argon2id with its parameters and salt; null = cannot sign in with a password."
    )
    password_set_at: Mapped[datetime | None] = mapped_column(comment="When the password was last set; null = none.")


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
    scope: Mapped[Scope] = mapped_column(
        choice(Scope, "scope"), server_default=Scope.MANAGE.value, comment="READ, WRITE or MANAGE: the most it may do."
    )
    project_ids: Mapped[list[UUID] | None] = mapped_column(
        ARRAY(Uuid), comment="The only projects it reaches; null = all of its user's. No foreign key: one may be gone."
    )
    expires_at: Mapped[datetime | None] = mapped_column(comment="Refused from then on; null = never.")
    revoked_at: Mapped[datetime | None] = mapped_column(comment="When it was revoked; null = valid.")
    rotated_at: Mapped[datetime | None] = mapped_column(comment="When a new key took its place; null = never.")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="Written at most once a minute.")
    last_used_ip: Mapped[str | None] = mapped_column(comment="The address of that use, as the API saw it.")


class Session(Keyed, Base):
    """One sign-in: a family of tokens that ends as a whole."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index(
            "ix_sessions_user_id_created_at_id",
            "user_id",
            "created_at",
            "id",
            info={"reason": "Pages of one user's sessions, and their end all at once; also the end of a foreign key."},
        ),
        Index("ix_sessions_expires_at", "expires_at", info={"reason": "The oldest that are over are swept by it."}),
        {"comment": "Sign-ins; each refresh replaces both tokens of one."},
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), comment="Who signed in.")
    access_hash: Mapped[str] = mapped_column(unique=True, comment="SHA-256 of the access token in force.")
    access_expires_at: Mapped[datetime] = mapped_column(comment="The access token is refused from then on.")
    expires_at: Mapped[datetime] = mapped_column(comment="Without a refresh the session is over then.")
    refreshed_at: Mapped[datetime | None] = mapped_column(comment="Last refresh; null = none yet.")
    ended_at: Mapped[datetime | None] = mapped_column(comment="When it was ended; null = it was not.")
    ip: Mapped[str | None] = mapped_column(comment="Address of the sign-in, as the API saw it.")


class RefreshToken(Base):
    """A refresh token, kept after its use: who brings it again has stolen it, or was stolen from."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("ix_refresh_tokens_session_id", "session_id", info={"reason": "The end of a foreign key."}),
        {"comment": "Refresh tokens of sessions, each good for one use."},
    )

    token_hash: Mapped[str] = mapped_column(primary_key=True, comment="SHA-256 of the token.")
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), comment="Its session.")
    used_at: Mapped[datetime | None] = mapped_column(comment="When it was exchanged; a second use ends the session.")


class SignInAttempts(Base):
    """Failed sign-ins of one account, from one address, or of an account from one address."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_counted_at", "counted_at", info={"reason": "Old rows are swept by it."}),
        {"comment": "Counts against guessing, shared by all processes; whether the account exists plays no part."},
    )

    subject: Mapped[str] = mapped_column(
        primary_key=True,
        comment="SHA-256 of what is counted: an account, a place, an account at a place; no personal data.",
    )
    failures: Mapped[int] = mapped_column(comment="Attempts in a row without a success.")
    locked_until: Mapped[datetime | None] = mapped_column(comment="Refused unseen until then; null = not locked.")
    counted_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="Last attempt that was counted.")
    succeeded_at: Mapped[datetime | None] = mapped_column(
        comment="Of an account at one place: its last sign-in from there; null = none so far."
    )


class PageSession(Keyed, Base):
    """A browser signed in to the player page, or the one-time code that will sign it in."""

    __tablename__ = "page_sessions"
    __table_args__ = (
        Index(
            "ix_page_sessions_user_id",
            "user_id",
            info={"reason": "A user's old codes and sessions are swept; also the end of a foreign key."},
        ),
        Index(
            "ix_page_sessions_api_key_id",
            "api_key_id",
            postgresql_where=text("api_key_id is not null"),
            info={"reason": "A key that goes must find its browsers."},
        ),
        Index(
            "ix_page_sessions_session_id",
            "session_id",
            postgresql_where=text("session_id is not null"),
            info={"reason": "A session that goes must find its browsers."},
        ),
        CheckConstraint(
            "(api_key_id is null) <> (session_id is null)",
            name="one_origin",
            info={"reason": "It has the rights of one credential and ends with it."},
        ),
        {"comment": "Views of a credential for one browser; code and token are never stored."},
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), comment="Who is signed in.")
    api_key_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), comment="The key that asked for the code."
    )
    session_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), comment="The session that asked for the code."
    )
    code_hash: Mapped[str | None] = mapped_column(unique=True, comment="SHA-256 of the code; null once it was used.")
    token_hash: Mapped[str | None] = mapped_column(unique=True, comment="SHA-256 of the token; null before that.")
    expires_at: Mapped[datetime] = mapped_column(comment="When the code, or then the session, is refused.")

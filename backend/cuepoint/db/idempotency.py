"""Idempotency keys: what a mutation answered to a key, written in the very transaction that carried it out.

The row is inserted first: whoever brings the same key meanwhile waits for it at the primary key, and then finds either
the answer or, after a rollback, nothing. So there is one effect, whatever fails and whoever is killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base

KEPT_HOURS = 24
# Each new key takes a few expired ones along, so that the table never holds much more than a day's.
SWEPT_ROWS = 20


class IdempotencyKey(Base):
    """One key of one user, and what was answered to it."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("ix_idempotency_keys_expires_at", "expires_at", info={"reason": "Finds the expired ones to take away."}),
        {"comment": "Answers of mutations that carried an idempotency key; kept for a day."},
    )

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, comment="Whose key it is."
    )
    key: Mapped[str] = mapped_column(primary_key=True, comment="As the client chose it, 1 to 200 characters.")
    operation: Mapped[str] = mapped_column(comment="The mutation that it was used for.")
    request_hash: Mapped[str] = mapped_column(
        comment="HMAC-SHA-256 of mutation and input, so that another input is noticed and a password not kept."
    )
    payload: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default="{}", comment="The answer: ids of objects, values as they were, no secrets."
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="By the database's clock.")
    expires_at: Mapped[datetime] = mapped_column(comment="From then on the key is as good as new.")


@dataclass(frozen=True)
class Claim:
    """A key as a request brings it."""

    user_id: UUID
    key: str
    operation: str
    request_hash: str


@dataclass(frozen=True)
class Answered:
    """What is stored of a key. `is_same` tells whether it was for the same mutation and input."""

    is_same: bool
    payload: dict[str, Any]


# The insert takes an expired row over. Rows that another transaction is sweeping are left to it.
_CLAIM = text(f"""
with swept as (
  delete from idempotency_keys k using (
    select user_id, key from idempotency_keys
    where expires_at <= now() and not (user_id = :user_id and key = :key)
    order by expires_at limit {SWEPT_ROWS} for update skip locked
  ) old where k.user_id = old.user_id and k.key = old.key
)
insert into idempotency_keys as k (user_id, key, operation, request_hash, expires_at)
values (:user_id, :key, :operation, :request_hash, now() + interval '{KEPT_HOURS} hours')
on conflict (user_id, key) do update set operation = excluded.operation, request_hash = excluded.request_hash,
  payload = '{{}}', created_at = now(), expires_at = excluded.expires_at
  where k.expires_at <= now()
returning k.key
""")  # noqa: S608 - two numbers of this module


async def find_answer(session: AsyncSession, claim: Claim) -> Answered | None:
    """What was answered to this key within the last day."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.user_id == claim.user_id,
        IdempotencyKey.key == claim.key,
        IdempotencyKey.expires_at > func.now(),
    )
    row = await session.scalar(statement.execution_options(populate_existing=True))
    return None if row is None else Answered(row.request_hash == claim.request_hash, row.payload)


async def take_key(session: AsyncSession, claim: Claim) -> Answered | None:
    """The key belongs to this transaction: None. Waits for one that has it already, and then is what that answered."""
    values = {
        "user_id": claim.user_id,
        "key": claim.key,
        "operation": claim.operation,
        "request_hash": claim.request_hash,
    }
    if (await session.execute(_CLAIM, values)).one_or_none() is not None:
        return None
    return await find_answer(session, claim)


async def store_answer(session: AsyncSession, claim: Claim, payload: dict[str, Any]) -> None:
    """From the commit on this is the key's answer."""
    mine = (IdempotencyKey.user_id == claim.user_id, IdempotencyKey.key == claim.key)
    await session.execute(update(IdempotencyKey).where(*mine).values(payload=payload))

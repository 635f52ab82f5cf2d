"""Files and their rows begin and end together: what is to be removed is written in the transaction of the row, the
file goes afterwards, and a file that is stored before its row is on the list of removals until it has one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.features.files.models import FileRemoval, RemovalTarget

OPEN_UPLOADS = "uploads/"  # keys of bytes that are no object yet


@dataclass(frozen=True)
class Attempt:
    """The attempt of a job that is about to give a file a row."""

    job_id: UUID
    attempt: int


async def enqueue_removal(
    session: AsyncSession, keys: Iterable[str], *, project_id: UUID | None = None, video_id: UUID | None = None
) -> None:
    """These are gone from storage soon after the caller's transaction has committed; nothing happens if it does not.

    A key is that of an object, of an open upload (`uploads/...`), or a prefix, which ends in a slash. What a row of
    `stored_files` names when its turn comes is left alone. Rows that are deleted enqueue their own files, by triggers
    of their tables: this is for what no row names.
    """
    rows = [_removal(key, project_id=project_id, video_id=video_id) for key in dict.fromkeys(keys)]
    if rows:
        statement = insert(FileRemoval).values(rows)
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"due_at": func.least(FileRemoval.due_at, statement.excluded.due_at)}
            )
        )


async def announce_file(session: AsyncSession, key: str, until: Attempt | datetime, *, project_id: UUID | None) -> None:
    """The file may be stored now, before it has a row: it is removed if it has none when that attempt, or that time,
    is over.

    Raises AdapterError STORAGE_UNAVAILABLE (retryable) while a file of that key is being removed.
    """
    held: dict[str, Any] = (
        {"job_id": until.job_id, "attempt": until.attempt} if isinstance(until, Attempt) else {"due_at": until}
    )
    statement = (
        insert(FileRemoval)
        .values(_removal(key, project_id=project_id, video_id=None) | held)
        .on_conflict_do_update(
            index_elements=["key"],
            set_=held,
            where=or_(FileRemoval.claimed_until.is_(None), FileRemoval.claimed_until < func.clock_timestamp()),
        )
        .returning(FileRemoval.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        raise AdapterError(
            ErrorCode.STORAGE_UNAVAILABLE,
            "The file that this one replaces is being removed at this moment; try again.",
            retryable=True,
        )


async def require_removed(session: AsyncSession, keys: Collection[str]) -> None:
    """Pass if no removal of these keys is left to do, which would take what is stored there from now on.

    Raises AdapterError STORAGE_UNAVAILABLE (retryable).
    """
    if await session.scalar(select(FileRemoval.id).where(FileRemoval.key.in_(keys)).limit(1)) is not None:
        raise AdapterError(
            ErrorCode.STORAGE_UNAVAILABLE,
            "What an earlier attempt has left is still being removed; try again.",
            retryable=True,
        )


def _removal(key: str, *, project_id: UUID | None, video_id: UUID | None) -> dict[str, Any]:
    target = RemovalTarget.OBJECT
    if key.endswith("/"):
        target = RemovalTarget.PREFIX
    elif key.startswith(OPEN_UPLOADS):
        target = RemovalTarget.UPLOAD
    return {
        "id": uuid7(),
        "key": key,
        "target": target,
        "project_id": project_id,
        "video_id": video_id,
    }
